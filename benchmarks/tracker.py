"""The tracker beside filetracker-server 2.3.3, one worker each: bin/py -m benchmarks.tracker

Both servers run for the whole time and are asked in turn, so that what else the machine does meets both.
"""

import hashlib
import os
import random
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import urllib3
from zope.component import getUtility

from benchmarks.filetracker import PEER, Contender, start_peer, upload
from benchmarks.load import Rate, get, measure
from librarian.app import configure_components, read_ini
from librarian.library.opening import open_library
from librarian.tracker.model import StoredVersion
from librarian.tree.interfaces import ITree
from tests.support.servers.librarian import ServerProcess

NOTES = """
The peer believes the digest it is told, neither unpacks nor hashes what comes packed, and syncs nothing to
the disk; and it sends gzip also to who wants identity, so that with text it sends a fifth of the bytes."""
CONNECTIONS = 4
SECONDS = 4.0
NAMES = 100_000
KIB, MIB = 1 << 10, 1 << 20


def main() -> None:
    with ExitStack() as stack:
        contenders = [start_ours(stack)]
        peer = start_peer(stack)
        if peer is None:
            print(f"filetracker-server was left out: {PEER} is not there; tools/peers.py --server makes it")
        else:
            contenders.append(peer)
        print(f"{CONNECTIONS} connections, {SECONDS:.0f} s each; ratio: ours over filetracker-server\n")
        print(f"{'':<34}{'ours':>12}{'peer':>12}{'ratio':>8}   p50/p99 ms ours | peer")
        for title, prepare in cases().items():
            show(title, [run(contender, prepare) for contender in contenders])
        show_lists(contenders)
        print(NOTES)


def start_ours(stack: ExitStack) -> Contender:
    server = ServerProcess()
    server.start()
    stack.callback(server.remove)
    stack.callback(server.stop)
    return Contender("ours", server.urls["tracker"].rstrip("/"), server.folder, server)


def contents() -> dict[str, bytes]:
    """Noise does not pack; text packs to about a fifth, as test data of a judge does."""
    noise, words = random.Random(1), [f"{number:x}" for number in range(100000, 100300)]
    return {
        "1 KiB": noise.randbytes(KIB),
        "10 MiB of noise": noise.randbytes(10 * MIB),
        "10 MiB of text": (" ".join(noise.choices(words, k=12 * MIB // 7)) * 2)[: 10 * MIB].encode(),
    }


def cases() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for title, data in contents().items():
        found[f"PUT {title}"] = lambda turn, data=data: uploads(turn, data)
        found[f"GET {title}, gzip accepted"] = lambda turn, data=data: downloads(turn, data, "gzip, deflate")
    for title, data in contents().items():
        found[f"GET {title}, identity"] = lambda turn, data=data: downloads(turn, data, "identity")
    return found


def uploads(turn: int, data: bytes) -> tuple[list[bytes], list[list[bytes]]]:
    """New bytes under new names, each request once."""
    count = 3000 if len(data) < MIB else 6
    requests = []
    for connection in range(CONNECTIONS):
        own = []
        for number in range(count):
            tail = f"{turn}/{connection}/{number}".encode()
            own.append(upload(f"put/{turn}/{connection}/{number}", data[: -len(tail)] + tail))
        requests.append(own)
    return [], requests


def downloads(turn: int, data: bytes, accepted: str) -> tuple[list[bytes], list[list[bytes]]]:
    name = f"get/{len(data)}/{hashlib.sha256(data).hexdigest()[:8]}"
    return [upload(name, data)], [[get(f"/files/{name}", Accept_Encoding=accepted)]] * CONNECTIONS


def run(contender: Contender, prepare: Any) -> Rate:
    contender.turns += 1
    first, requests = prepare(contender.turns)
    for request in first:
        measure(contender.url, [[request]], SECONDS)
    try:
        return measure(contender.url, requests, SECONDS)
    except ConnectionError:  # gunicorn hangs up on a connection now and then
        return run(contender, prepare)


def show(title: str, rates: list[Rate]) -> None:
    ours, *peers = rates
    line = f"{title:<34}{ours.per_second:>10.1f}/s"
    if peers:
        line += f"{peers[0].per_second:>10.1f}/s{ours.per_second / peers[0].per_second:>8.2f}"
    else:
        line += f"{'-':>12}{'-':>8}"
    print(line + "   " + " | ".join(f"{rate.median_ms:.2f}/{rate.p99_ms:.2f}" for rate in rates), flush=True)


def show_lists(contenders: list[Contender]) -> None:
    """LIST of many names, which are put there behind the servers' backs: uploading them takes too long."""
    names = [f"list/{number // 1000:03d}/{number:06d}.txt" for number in range(NAMES)]
    for contender in contenders:
        (fill_ours if contender.name == "ours" else fill_peer)(contender, names)
    request = get("/list/list", Connection="keep-alive")
    rates = []
    for contender in contenders:
        answer = urllib3.request("GET", f"{contender.url}/list/list")
        if len(answer.data.splitlines()) != NAMES:
            sys.exit(f"{contender.name} lists {len(answer.data.splitlines())} names")
        rates.append(measure(contender.url, [[request]], SECONDS))
    show(f"LIST {NAMES} names, 1 connection", rates)


def fill_ours(contender: Contender, names: list[str]) -> None:
    contender.process.stop()  # FileStorage has one owner
    code = "import sys; from benchmarks.tracker import fill_tree; fill_tree(sys.argv[1])"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
    listing = contender.folder / "names"
    listing.write_text("\n".join(names))
    subprocess.run([sys.executable, "-c", code, str(contender.folder)], env=environ, check=True)
    contender.process.start()
    contender.url = contender.process.urls["tracker"].rstrip("/")


def fill_tree(folder: str) -> None:
    """In a process of its own, as configuring a site is for good."""
    names = Path(folder, "names").read_text().splitlines()
    configure_components(read_ini(Path(folder, "server.ini")))
    tree = getUtility(ITree)
    with open_library():
        for start in range(0, len(names), 5000):
            batch = names[start : start + 5000]

            def work(batch: list[str] = batch) -> None:
                for name in batch:
                    tree.subtree("tracker").put(
                        name, StoredVersion(1000, 1, bytes(32), 1, 1000, "bench", 0, 0, b""), 1000
                    )

            tree.run(work)


def fill_peer(contender: Contender, names: list[str]) -> None:
    """Links as its server makes them; where they lead is not looked at by a listing."""
    for name in names:
        path = contender.folder / "links" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to("../../../blobs/aa/none")
        os.utime(path, (1000, 1000), follow_symlinks=False)


if __name__ == "__main__":
    main()
