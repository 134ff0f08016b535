"""Many aliases in the embedded tree: bin/py -m benchmarks library"""

import hashlib
import os
import random
import subprocess
import sys
import time

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
    server = ServerProcess()
    server.start()
    try:
        show_aliases(server)
    finally:
        server.stop()
        server.remove()


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
