"""Installations: where the servers of a test keep their tree, and how many of them serve it together.

A test that makes a `ServerProcess` and says nothing of databases gets the installation of its layer.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

from tests.support.servers.engines import ZeoServer, postgres_uri
from tests.support.servers.librarian import ServerProcess
from tests.support.servers.parts import Parts
from tests.support.servers.postgresql import PostgresServer, postgresql
from tests.support.servers.swift import SwiftServer, swift

BUCKET = "installations"


class WithWorkers(Parts):
    """The embedded parts, and a node with two worker processes."""

    workers = 2


class OnZeo(Parts):
    """A ZEO server for each library, and two nodes."""

    nodes = 2

    def __init__(self, running: ExitStack) -> None:
        self._running = running
        self._servers: dict[Path, ZeoServer] = {}

    def database_uri(self, folder: Path) -> str:
        server = self._servers[folder] = ZeoServer()
        server.start()
        self._running.callback(self.remove, folder)
        return server.uri

    def remove(self, folder: Path) -> None:
        server = self._servers.pop(folder, None)
        if server is not None:
            server.stop()
            server.remove()


class OnPostgres(Parts):
    """A database for each library in one PostgreSQL, and two nodes."""

    nodes = 2

    def __init__(self, postgres: PostgresServer) -> None:
        self._postgres = postgres
        self._numbers = count()

    def database_uri(self, folder: Path) -> str:
        return postgres_uri(self._postgres.new_database(f"library{next(self._numbers)}"))


class OnS3(OnPostgres):
    """A database for each library in one PostgreSQL, a prefix for it in one bucket, and two nodes."""

    memory_kib = 80 << 10  # the client of the store, and parts on their way there

    def __init__(self, postgres: PostgresServer, swift: SwiftServer) -> None:
        super().__init__(postgres)
        self._swift = swift
        self.environ = swift.settings()
        swift.make_bucket(BUCKET)

    def byte_store(self, folder: Path) -> str:
        return f"s3://{BUCKET}/{folder.name}?endpoint={self._swift.url}&folder={folder}/s3"

    def more(self, folder: Path) -> str:
        return f"librarian.byte_cache = {folder}/cache"


@contextmanager
def with_workers() -> Iterator[Parts]:
    """One node with two workers on FileStorage."""
    yield WithWorkers()


@contextmanager
def on_zeo() -> Iterator[Parts]:
    """Two nodes on ZEO, with one folder of bytes."""
    with ExitStack() as running:
        yield OnZeo(running)


@contextmanager
def on_postgres() -> Iterator[Parts]:
    """Two nodes on PostgreSQL, with one folder of bytes."""
    with postgresql() as server:
        yield OnPostgres(server)


@contextmanager
def on_s3() -> Iterator[Parts]:
    """Two nodes on PostgreSQL and an object store."""
    with postgresql() as server, swift() as store:
        yield OnS3(server, store)


@contextmanager
def installed(parts: Parts) -> Iterator[None]:
    """Every ServerProcess that is made meanwhile is of these parts, where it says nothing else."""
    before, ServerProcess.parts = ServerProcess.parts, parts
    try:
        yield
    finally:
        ServerProcess.parts = before
