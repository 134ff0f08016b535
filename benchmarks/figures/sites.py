"""The servers that are compared, each started when a row first asks for it."""

import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures.processor import family
from benchmarks.filetracker import PEER, Contender, start_peer
from benchmarks.nginx import Peer, start_nginx
from tests.support.servers.engines import ZeoServer
from tests.support.servers.librarian import ServerProcess
from tests.support.servers.parts import Parts
from tests.support.servers.postgresql import PostgresServer, postgresql_missing
from tests.support.servers.swift import SwiftServer, swift, swift_missing


class Missing(Exception):
    """What a row needs is not installed here."""


@dataclass(frozen=True)
class Ours:
    """A server of ours; `pids` are its processes and those of its database."""

    server: ServerProcess
    pids: Callable[[], list[int]]


class InPlace(Parts):
    """Those of a server with its bytes at a place such as ``s3://bucket?...``."""

    def __init__(self, place: str) -> None:
        self._place = place

    def byte_store(self, folder: Path) -> str:
        """As Parts has it."""
        return self._place


class Sites:
    """One of each; `stack` ends them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._ours: dict[str, Ours] = {}
        self._nginx: Peer | None = None
        self._filetracker: Contender | None = None
        self._swift: SwiftServer | None = None
        self._names: set[str] = set()

    def ours(self, engine: str = "file") -> Ours:
        """Our server on an engine: file, two_workers, two_threads, eight_threads (on a file too), zeo,
        postgres, or s3 (a file, and the bytes in an object store).  Raises Missing."""
        if engine not in self._ours:
            starts = {
                "file": lambda: self._started(ServerProcess(workers=1)),
                "two_workers": lambda: self._started(ServerProcess(workers=2)),
                "two_threads": lambda: self._started(ServerProcess(workers=1, threads=2)),
                "eight_threads": lambda: self._started(ServerProcess(workers=1, threads=8)),
                "zeo": self._on_zeo,
                "postgres": self._on_postgres,
                "s3": self._on_s3,
            }
            self._ours[engine] = starts[engine]()
        return self._ours[engine]

    def nginx(self) -> tuple[Peer, list[int]]:
        """nginx with files, and its processes.  Raises Missing."""
        if self._nginx is None:
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="librarian-bench-")))
            folder.chmod(0o755)  # nginx's worker is another user
            self._nginx = start_nginx(self._stack, folder)
            self._nginx_pid = folder / "nginx.pid"
        if self._nginx is None:
            raise Missing("nginx is not installed")
        return self._nginx, family([int(self._nginx_pid.read_text())])

    def filetracker(self) -> tuple[str, list[int]]:
        """The URL of filetracker-server, and its processes.  Raises Missing."""
        if self._filetracker is None:
            self._filetracker = start_peer(self._stack)
        if self._filetracker is None:
            raise Missing(f"{PEER} is not there; tools/peers.py --server makes it")
        return self._filetracker.url, family([self._filetracker.process.pid])

    def swift(self) -> SwiftServer:
        """An object store with a bucket ``bench``.  Raises Missing."""
        if self._swift is None:
            if missing := swift_missing():
                raise Missing(missing)
            self._swift = self._stack.enter_context(swift())
            self._swift.make_bucket("bench")
        return self._swift

    def is_first(self, name: str) -> bool:
        """Whether `name` is asked for the first time: what a row adds to a server is added once."""
        is_first = name not in self._names
        self._names.add(name)
        return is_first

    def _on_zeo(self) -> Ours:
        zeo = ZeoServer()
        self._stack.callback(zeo.remove)
        self._stack.callback(zeo.stop)
        zeo.start()
        return self._started(ServerProcess(database_uri=zeo.uri), lambda: zeo.pids)

    def _on_postgres(self) -> Ours:
        if missing := postgresql_missing():
            raise Missing(missing)
        postgres = PostgresServer()
        self._stack.callback(postgres.stop)
        postgres.start()
        table = "keep_history=false&driver=psycopg2&cache_local_mb=16&connection_pool_size=16"
        uri = f"postgres://librarian@{postgres.place}?{table}"
        return self._started(ServerProcess(database_uri=uri), lambda: postgres.pids)

    def _on_s3(self) -> Ours:
        store = self.swift()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="librarian-bench-"))
        place = f"s3://bench/library?endpoint={store.url}&folder={folder}/s3"
        more = f"librarian.byte_cache = {folder}/cache\n"

        class InBucket(ServerProcess):
            parts = InPlace(place)

        return self._started(InBucket(more, store.settings(), workers=1))

    def _started(self, server: ServerProcess, others: Callable[[], Iterable[int]] = tuple) -> Ours:
        self._stack.callback(server.remove)
        self._stack.callback(server.stop)
        server.start()
        return Ours(server, lambda: [*family([server.pid]), *others()])
