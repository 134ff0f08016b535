"""Naming uploads: each in a transaction of its own, and what waits at the same time in one.

Alone: bin/py -m benchmarks together

The bytes are durable already; this is what the tree costs of an upload.  Processor time is that of this
process; on ZEO the server's comes on top.
"""

import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import md5, sha1, sha256
from pathlib import Path
from statistics import median
from typing import Any

from zope.component import getGlobalSiteManager

from librarian.library.model.files import LibraryFileAlias
from librarian.library.model.subtree import subtree
from librarian.store.interfaces import StoredBytes
from librarian.tree.interfaces import ISubtree
from librarian.tree.service import Tree
from tests.support.servers.engines import postgres_uri, zeo
from tests.support.servers.postgresql import postgresql, postgresql_missing

NAMED, PREFILLED, RUNS = 320, 5000, 3
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def main() -> None:
    with _library_subtree(), tempfile.TemporaryDirectory(prefix="librarian-bench-") as folder:
        _compare("FileStorage", f"file://{folder}/Data.fs")
        with zeo() as uri:
            _compare("ZEO", uri.replace("pool_size=16", "pool_size=40"))
        if postgresql_missing() is None:
            with postgresql() as server:  # which waits for no disk: add an fsync to each commit
                _compare("PostgreSQL", postgres_uri(server.place).replace("pool_size=16", "pool_size=40"))


@contextmanager
def _opened(uri: str) -> Iterator[Tree]:
    tree = Tree.from_uri(uri)
    try:
        tree.bring_up_to_date()
        yield tree
    finally:
        tree.close()


def _compare(title: str, uri: str) -> None:
    """Rate and processor time of a naming; ratio: together over each alone, medians of RUNS."""
    with _opened(uri) as tree:
        _prefill(tree)
        print(f"{title:<12} threads   alone /s   us   together /s   us   ratio of processor time")
        for threads in (1, 8, 32):
            runs = tree.run, tree.run_together
            rounds = [[_name(tree, run, threads) for run in runs] for _round in range(RUNS)]
            alone, together = map(_medians, zip(*rounds, strict=True))
            figures = f"{alone[0]:>11.0f} {alone[1]:>5.0f} {together[0]:>13.0f} {together[1]:>5.0f}"
            print(f"{'':<12} {threads:>7}{figures}   {together[1] / alone[1]:.2f}", flush=True)


def _medians(rounds: Iterable[tuple[float, float]]) -> tuple[float, float]:
    rates, times = zip(*rounds, strict=True)
    return median(rates), median(times)


def _prefill(tree: Tree) -> None:
    for _batch in range(PREFILLED // 1000):
        tree.run(lambda: [_add(tree) for _one in range(1000)])


def _name(tree: Tree, run: Callable[[Callable[[], int]], Any], threads: int) -> tuple[float, float]:
    """How many are named in a second, and microseconds of processor time each."""

    def work() -> None:
        for _one in range(NAMED // threads):
            with tree.session():
                run(lambda: _add(tree))

    workers = [threading.Thread(target=work) for _one in range(threads)]
    began, used = time.perf_counter(), time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    took, used = time.perf_counter() - began, time.process_time() - used
    return NAMED / took, 1e6 * used / NAMED


def _add(tree: Tree) -> int:
    data, library = secrets.token_bytes(16), tree.subtree("library")
    digests = [make(data, usedforsecurity=False).hexdigest() for make in (sha256, sha1, md5)]
    content = library.content_for(StoredBytes(*digests, size=1024), NOW)
    alias_id: int = library.new_id(secrets.randbelow)
    facts: dict[str, Any] = {"expires": None, "restricted": False, "date_created": NOW, "owner": None}
    library.add(LibraryFileAlias(alias_id, f"picture-{alias_id % 1000}.jpeg", "image/jpeg", content, **facts))
    return alias_id


def growth(number: int) -> tuple[float, float]:
    """Bytes that an upload adds to the tree's file, named one by one, and that a pack leaves of it."""
    with tempfile.TemporaryDirectory(prefix="librarian-bench-") as folder:
        path = Path(folder) / "Data.fs"
        with _library_subtree(), _opened(f"file://{path}") as tree:
            before = path.stat().st_size
            for _one in range(number):
                tree.run(lambda: _add(tree))
            grown = (path.stat().st_size - before) / number
            tree.pack(0)
            return grown, path.stat().st_size / number


@contextmanager
def _library_subtree() -> Iterator[None]:
    getGlobalSiteManager().registerUtility(subtree, ISubtree, subtree.name)
    try:
        yield
    finally:
        getGlobalSiteManager().unregisterUtility(subtree, ISubtree, subtree.name)


if __name__ == "__main__":
    main()
