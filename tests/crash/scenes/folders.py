"""Folders without a tree: spools and their exchange with a partner, the cache of an object store, stores of a
tracker client."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest import mock

from librarian.spool import FileStore, Target
from librarian.spool.exchange import exporter, importer
from librarian.store.cache.local import LocalCache
from librarian.tracker.client.stores.local import LocalDataStore
from tests.crash.scenes.scene import Scene, digest
from tests.support.layers import Functional
from tests.support.servers.ftp import PASSWORD, USER, Partner

WHOLE_BYTES = 4000  # of an object that the cache keeps in one piece


class Spooled(Scene):
    """A drop folder: files written, moved, archived, replaced and removed."""

    def run(self) -> None:
        store = FileStore(self.site / "spool", Functional.world.clock)
        store.prepare()
        self.write(store, "a", b"one " * 500)
        self.write(store, "b", b"two")
        self.write(store, "b", b"two, anew", replace=True)
        with store.create("c") as file:
            file.write(b"three")
        self.move("c", b"three", "tmp", "new", lambda: store.move("c", "tmp", "new"))
        self.move("a", b"one " * 500, "new", "cur", lambda: store.archive("a"))
        with self.changing("spooled", "new/b", None):
            store.remove("b", "new")

    def write(self, store: FileStore, name: str, data: bytes, **options: Any) -> None:
        """A file that a writer delivers."""
        with self.changing("spooled", f"new/{name}", digest(data)), store.writer(name, **options) as writer:
            writer.write(data)

    def move(self, name: str, data: bytes, source: str, target: str, work: Callable[[], object]) -> None:
        """A file that goes from one space to another."""
        for space, value in ((target, None), (source, digest(data))):
            self.promises.may("spooled", f"{space}/{name}", value)
        with (
            self.changing("spooled", f"{source}/{name}", None),
            self.changing("spooled", f"{target}/{name}", digest(data)),
        ):
            work()


class Exported(Scene):
    """A spool is sent to a partner, in two runs; the partner takes what has come by the first."""

    def run(self) -> None:
        store = FileStore(self.site / "spool", Functional.world.clock)
        store.prepare()
        with partner(self.tell) as server:
            self.send(store, server, "a", b"one " * 500)
            taken = [None, digest(b"one " * 500)]
            self.promises.may("exported", "a", taken)
            (server.root / "a").unlink()
            self.tell(server)
            self.promises.holds("exported", "a", taken)
            self.send(store, server, "b", b"two")

    def send(self, store: FileStore, server: Partner, name: str, data: bytes) -> None:
        """A file that is delivered to the spool: it comes to the partner, and stays here as a copy."""
        with store.writer(name) as writer:
            writer.write(data)
        self.promises.holds("exported", name, [digest(data), digest(data)])
        run(exporter.Exporter, store.path, server)

    def tell(self, server: Partner) -> None:
        """The partner is another machine: what it has does not go with the power of this one."""
        self.promises.partner(server.files())


class Imported(Exported):
    """What a partner has is fetched, and removed there; a reader takes the first of it."""

    def run(self) -> None:
        store = FileStore(self.site / "spool", Functional.world.clock)
        store.prepare()
        with partner(self.tell) as server:
            for name, data in (("a", b"one " * 500), ("b", b"two")):
                (server.root / name).write_bytes(data)
                self.tell(server)
                self.promises.holds("imported", name, [digest(data)])
                run(importer.Importer, self.site / "spool", server)
                store.archive(name)


@contextmanager
def partner(tell: Callable[[Partner], object]) -> Iterator[Partner]:
    """A partner's server; `tell` is called when something has changed on it."""
    server = Partner(changed=tell)
    try:
        yield server
    finally:
        server.close()


def run(direction: Any, spool: Path, server: Partner) -> str:
    """One exchange with a partner, whatever its port is; how it ended.

    Files are known by their sizes alone: inodes and times differ on a disk that is made anew.
    """
    target = Target(store_dir=spool, host="localhost", port=server.port, user=USER, password=PASSWORD)
    with (
        mock.patch.object(Target, "key", "partner"),
        mock.patch.object(exporter, "_identity", lambda facts: str(facts.st_size)),
        mock.patch.object(importer.RemoteFile, "identity", property(lambda file: str(file.size))),
    ):
        return str(direction(target, Functional.world.clock, sleep=lambda _seconds: None).run().outcome)


class Cached(Scene):
    """Objects of a remote store are read by way of the cache: whole, in slices, and again once dropped."""

    DATA = (b"small", b"middle " * 500, b"large " * 2000)

    def run(self) -> None:
        cache = cache_in(self.site)
        for data in self.DATA:
            self.promises.holds("cached", digest(data), digest(data))
            read_cached(cache, data)
            self.promises.pause()
        cache.forget(digest(self.DATA[0]))
        read_cached(cache, self.DATA[0])
        cache.finish()
        self.promises.pause()


def cache_in(site: Path) -> LocalCache:
    """The cache of an installation."""
    return LocalCache(site / "cache", 1 << 20, WHOLE_BYTES)


def read_cached(cache: LocalCache, data: bytes) -> bytes:
    """All bytes of an object that the remote store has."""

    def read(start: int, stop: int | None) -> Iterator[bytes]:
        yield data[start:stop]

    with cache.open(digest(data), lambda: len(data), read) as file:
        return file.read()


class OnlyCopies(Scene):
    """A tracker client's local store without a server: its files are the only copies."""

    def run(self) -> None:
        store = LocalDataStore(str(self.site / "store"))
        for name, data in (("/a/b/c", b"one"), ("/a/d", b"two"), ("/a/d", b"two, anew"), ("/e", b"three")):
            with self.changing("copied", name, digest(data)):
                store.add_stream(name, BytesIO(data))
        with self.changing("copied", "/a/d", None):
            store.delete_file("/a/d")
