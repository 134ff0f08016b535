"""The library beside nginx and filetracker-server, and beside what the hardware takes.

Alone: bin/py -m benchmarks library

All servers run for the whole time and are asked in turn, so that what else the machine does meets all.
"""

import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.load import Rate, get, measure, put
from benchmarks.nginx import Peer, start_nginx
from benchmarks.tracker import start_peer, upload
from librarian.app import configure_components, read_ini
from librarian.library.opening import open_library
from librarian.library.operations import Library
from librarian.store.interfaces import StoredBytes
from tests.support.servers.librarian import ServerProcess

CONNECTIONS = 4
SECONDS = 4.0
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
ALIASES = 100_000
LOOKUPS = 20_000


def main() -> None:
    with ExitStack() as stack:
        server = ServerProcess()
        server.start()
        stack.callback(server.remove)
        stack.callback(server.stop)
        compare_downloads(stack, server)
        show_uploads(server)
        show_large_upload(server)
        show_aliases(server)


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def compare_downloads(stack: ExitStack, server: ServerProcess) -> None:
    """GET of small and large files from all that are installed here."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="librarian-bench-")))
    folder.chmod(0o755)  # nginx's worker is somebody else
    peers = {"nginx": start_nginx(stack, folder), "filetracker-server": _start_filetracker(stack)}
    print(f"{CONNECTIONS} connections, {SECONDS:.0f} s each, one process each; ratio: ours over the peer\n")
    for title, size in (("GET 1 KiB", KIB), ("GET 10 MiB", 10 * MIB)):
        data = noise(size)
        ours = _download(server.urls["public"], _add(server, data))
        print(f"{title:<12}{'librarian':<20}{_figures(ours)}", flush=True)
        for name, peer in peers.items():
            if peer is None:
                print(f"{'':<12}{name:<20}not installed here")
                continue
            theirs = _download(peer.url, peer.add(data))
            ratio = ours.per_second / theirs.per_second
            print(f"{'':<12}{name:<20}{_figures(theirs)}   ratio {ratio:.2f}", flush=True)


def _start_filetracker(stack: ExitStack) -> Peer | None:
    peer = start_peer(stack)
    if peer is None:
        return None

    def add(data: bytes) -> str:
        measure(peer.url, [[upload(f"bench/{len(data)}", data)]], SECONDS)
        return f"/files/bench/{len(data)}"

    return Peer(peer.url, add)


def _add(server: ServerProcess, data: bytes) -> str:
    """Upload; the path it is downloaded from."""
    added = server.request("PUT", server.urls["upload"] + "noise.bin", body=data).json()
    return "/" + added["url"].split("/", 3)[3]


def _download(url: str, path: str) -> Rate:
    return measure(url, [[get(path, Accept_Encoding="identity")]] * CONNECTIONS, SECONDS)


def _figures(rate: Rate) -> str:
    mib, times = rate.bytes_per_second / MIB, f"p50 {rate.median_ms:.2f} ms  p99 {rate.p99_ms:.2f} ms"
    return f"{rate.per_second:>9.1f}/s  {mib:>8.1f} MiB/s  {times}"


def show_uploads(server: ServerProcess) -> None:
    """PUT of new bytes; each is fsynced, file and folder, before it is answered."""
    for title, size, count in (("PUT 1 KiB", KIB, 3000), ("PUT 10 MiB", 10 * MIB, 6)):
        data = noise(size, 2)
        requests = [[_put(data, f"{one}/{n}") for n in range(count)] for one in range(CONNECTIONS)]
        rate = measure(server.urls["upload"], requests, SECONDS)
        print(f"{title:<12}{'librarian':<20}{_figures(rate)}", flush=True)


def _put(data: bytes, tail: str) -> bytes:
    return put("/noise.bin", data[: -len(tail)] + tail.encode())


def show_large_upload(server: ServerProcess) -> None:
    """PUT of 1 GiB against hashing three times and writing durably once, with the server's memory."""
    with tempfile.TemporaryDirectory(dir=server.folder) as name:
        source = Path(name, "source")
        block = noise(16 * MIB)
        with source.open("wb") as file:
            for number in range(GIB // len(block)):
                file.write(number.to_bytes(8) + block[8:])
        hashing, writing = _floor(source, Path(name, "copy"))
        size = {"Content-Length": str(GIB)}
        # Forget the peak there was at the start, when a password was hashed: that takes 64 MiB by design.
        Path(f"/proc/{server.pid}/clear_refs").write_text("5")
        with source.open("rb") as file:
            began, before = time.perf_counter(), _bytes_written(server.pid)
            answer = server.request("PUT", server.urls["upload"] + "large.bin", body=file, headers=size)
            took, written = time.perf_counter() - began, _bytes_written(server.pid) - before
        if answer.status != 201:  # Created
            sys.exit(f"PUT 1 GiB: {answer.status}")
        print(
            f"PUT 1 GiB   {took:.2f} s; three hashes {hashing:.2f} s, a durable write {writing:.2f} s;",
            end=" ",
        )
        ratio = took / max(hashing, writing)
        print(f"ratio to the larger {ratio:.2f}; bytes written to body {written / GIB:.2f}")
        began = time.perf_counter()
        subprocess.run(["curl", "-s", "-o", "/dev/null", answer.json()["url"]], check=True)
        took, peak = time.perf_counter() - began, peak_memory(server.pid)
        print(f"GET 1 GiB   {took:.2f} s; most memory the server had in both: {peak:.0f} MiB")


def _floor(source: Path, target: Path) -> tuple[float, float]:
    """One pass of three hashes, and one durable write; in seconds."""
    began = time.perf_counter()
    hashes = [hashlib.sha256(), hashlib.sha1(), hashlib.md5()]
    with source.open("rb") as file:
        while block := file.read(MIB):
            for one in hashes:
                one.update(block)
    hashed = time.perf_counter()
    with source.open("rb") as file, target.open("wb") as copy:
        shutil.copyfileobj(file, copy, MIB)
        copy.flush()
        os.fsync(copy.fileno())
    written = time.perf_counter()
    target.unlink()
    return hashed - began, written - hashed


def _bytes_written(pid: int) -> int:
    """By a process so far, to files and sockets."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


def peak_memory(pid: int) -> float:
    """The most memory a process has had since its peak was last cleared, in MiB, as Linux counts it."""
    status = Path(f"/proc/{pid}/status").read_text()
    lines = dict(line.split(":", 1) for line in status.splitlines())
    return int(lines["VmHWM"].split()[0]) / KIB


def show_aliases(server: ServerProcess) -> None:
    """Many aliases in the embedded tree: how fast they come and are found."""
    server.stop()
    code = "import sys; from benchmarks.library import fill_and_look_up as run; run(sys.argv[1])"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
    subprocess.run([sys.executable, "-c", code, str(server.ini)], env=environ, check=True)
    server.start()


def fill_and_look_up(ini: str) -> None:
    """In a process of its own, as configuring a site is for good."""
    configure_components(read_ini(ini))
    with open_library():
        library = Library()
        for size in (ALIASES // 10, ALIASES):
            ids, rate = _create(library, size)
            p50, p99 = _look_up(library, ids)
            print(f"{size} aliases: {rate:.0f} created/s, one a transaction;", end=" ")
            print(f"lookup p50 {p50:.0f} us, p99 {p99:.0f} us")


def _create(library: Library, number: int) -> tuple[list[int], float]:
    """Name `number` contents, in batches but for the last thousand, which are timed one by one."""

    def add(first: int, count: int) -> list[int]:
        return [library.add(_content(first + n), "f.txt", "text/plain").id for n in range(count)]

    ids: list[int] = []
    while len(ids) < number - 1000:
        first, count = random.randrange(1 << 60), min(1000, number - 1000 - len(ids))
        ids += library.tree.run(lambda first=first, count=count: add(first, count))  # type: ignore[misc]
    began = time.perf_counter()
    for _turn in range(1000):
        first = random.randrange(1 << 60)
        ids += library.tree.run(lambda first=first: add(first, 1))  # type: ignore[misc]
    return ids, 1000 / (time.perf_counter() - began)


def _content(number: int) -> StoredBytes:
    data = number.to_bytes(8)
    hashes = (hashlib.sha256(data), hashlib.sha1(data), hashlib.md5(data))
    return StoredBytes(*(one.hexdigest() for one in hashes), size=8)


def _look_up(library: Library, ids: list[int]) -> tuple[float, float]:
    """Microseconds from an id to the sha256, with a connection that has loaded nothing yet."""
    library.tree.forget_loaded()
    times = []
    for alias_id in random.sample(ids, min(LOOKUPS, len(ids))):
        began = time.perf_counter()
        content = library.alias(alias_id).content
        assert content is not None and content.sha256
        times.append(time.perf_counter() - began)
    times.sort()
    return 1e6 * times[len(times) // 2], 1e6 * times[int(len(times) * 0.99)]


if __name__ == "__main__":
    main()
