"""An export beside a plain loop over ftplib, and a big file resumed: bin/py -m benchmarks.spool [FILES]

The loop does what a first script would do: STOR under the final name, no lock, nothing verified, nothing
noted.  The server is pyftpdlib in a process of its own.  Both send the same files to it in turn, twice.
"""

import ftplib
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from librarian.clock import SystemClock
from librarian.spool import FileStore, Target
from librarian.spool.exchange.exporter import Exporter
from librarian.spool.model.report import Outcome
from tests.support.servers.ftp import PASSWORD, USER, Partner

FILES = 10_000
SIZE = 1024  # bytes, of a small file
BIG = 2_000_000_000  # bytes
MIB = 1 << 20


def main(count: int = FILES) -> None:
    with tempfile.TemporaryDirectory(prefix="librarian-bench-") as folder, server() as port:
        small_files(Path(folder), port, count)
        big_file(Path(folder), port)


def small_files(folder: Path, port: int, count: int) -> None:
    times: dict[str, list[float]] = {"export": [], "plain loop": []}
    for turn in range(2):
        stores = {name: filled(folder / f"{name}-{turn}", count) for name in times}
        # The one that goes first in one turn goes second in the other.
        for name in sorted(times, reverse=bool(turn)):
            run = export if name == "export" else plain_loop
            times[name].append(timed(lambda store=stores[name], run=run: run(store, port)))  # type: ignore[misc]
    ours, theirs = (statistics.mean(times[name]) for name in ("export", "plain loop"))
    print(f"{count} files of {SIZE} bytes      export      plain loop")
    print(f"seconds                  {ours:10.1f}      {theirs:10.1f}")
    print(f"files a second           {count / ours:10.0f}      {count / theirs:10.0f}")
    print(f"the export takes {ours / theirs:.2f} times as long\n")


def big_file(folder: Path, port: int) -> None:
    """A file of 2 GB whose sender dies when 60 % have gone."""
    store = FileStore(folder / "big", SystemClock())
    store.prepare()
    block = os.urandom(MIB)
    with store.writer("big") as file:
        for number in range(BIG // MIB):
            file.write(number.to_bytes(8, "big") + block[8:])
    child = multiprocessing.get_context("fork").Process(target=dying_export, args=(store, port))
    seconds = timed(lambda: (child.start(), child.join()))
    print(f"2 GB: the first run died after {seconds:.1f} s, status {child.exitcode}")
    seconds = timed(lambda: export(store, port))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"2 GB: the second run sent the rest in {seconds:.1f} s; peak memory {peak} MiB")


def dying_export(store: FileStore, port: int) -> None:
    class Dying:
        gone = 0

        def begin(self, name: str, size: int, done: int) -> None:
            """A file starts."""

        def advance(self, count: int) -> None:
            self.gone += count
            if self.gone > BIG * 0.6:
                os.kill(os.getpid(), 9)

        def finish(self, name: str) -> None:
            """It will not."""

    Exporter(target(store, port), SystemClock(), progress=Dying()).run()


def export(store: FileStore, port: int) -> None:
    report = Exporter(target(store, port), SystemClock()).run()
    assert report.outcome is Outcome.DONE, report


def plain_loop(store: FileStore, port: int) -> None:
    with ftplib.FTP() as ftp:  # noqa: S321  # it is what we compare with
        ftp.connect("127.0.0.1", port)
        ftp.login(USER, PASSWORD)
        for path in store.list("new"):
            with Path(path).open("rb") as file:
                ftp.storbinary(f"STOR {Path(path).name}", file)
            Path(path).rename(store.path / "cur" / Path(path).name)


def target(store: FileStore, port: int) -> Target:
    return Target(store.path, "127.0.0.1", port, USER, PASSWORD)


def filled(path: Path, count: int) -> FileStore:
    store = FileStore(path, SystemClock())
    store.prepare()
    for number in range(count):
        (path / "new" / f"{number:06}.xml").write_bytes(os.urandom(SIZE))
    return store


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@contextmanager
def server() -> Iterator[int]:
    """A server in another process; its port."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("stop")
        process.join()


def serve(pipe: Connection) -> None:
    partner = Partner()
    pipe.send(partner.port)
    pipe.recv()
    partner.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
