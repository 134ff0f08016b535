"""Every engine of the tree with servers on it, for tests and documents that tell one story on all of them."""

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.servers.forked import with_path
from tests.support.servers.librarian import ServerProcess
from tests.support.servers.postgresql import PostgresServer

TABLE = "keep_history=false&driver=psycopg2&cache_local_mb=16&connection_pool_size=16"

# A machine that builds and tests at once can keep an engine waiting for the disk for a while.
PATIENT = "librarian.database_patience = 10s\n"


@dataclass(frozen=True)
class Engine:
    """One library, and the servers that offer it together."""

    name: str
    servers: list[ServerProcess]

    @property
    def first(self) -> ServerProcess:
        return self.servers[0]

    @property
    def last(self) -> ServerProcess:
        """Another process than `first`, where the engine allows more than one."""
        return self.servers[-1]

    def put(
        self, filename: str, data: bytes, server: int = 0, endpoint: str = "upload", **headers: str
    ) -> Any:
        """The answer to an upload to one of the servers.  ``_`` in the name of a header is ``-``."""
        chosen = self.servers[server % len(self.servers)]
        return chosen.request("PUT", chosen.urls[endpoint] + filename, body=data, headers=_named(headers))

    def get(self, url: str, server: int = -1, **headers: str) -> Any:
        """The answer to a download of `url` from one of the servers, whichever gave the URL."""
        chosen, parts = self.servers[server % len(self.servers)], urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        return chosen.request("GET", chosen.urls["public"].rstrip("/") + target, headers=_named(headers))

    def put_together(self, files: Sequence[tuple[str, bytes]], clients: int = 8) -> list[Any]:
        """The answers to many uploads of (filename, data) at the same time, dealt out to all servers."""
        with ThreadPoolExecutor(clients) as pool:
            return list(pool.map(lambda turn: self.put(*files[turn], server=turn), range(len(files))))

    def search(self, digest: str, server: int = -1) -> list[str]:
        """``id/name`` of the public files with a digest, as one of the servers knows them."""
        chosen = self.servers[server % len(self.servers)]
        answer = chosen.request("GET", f"{chosen.urls['public']}search?digest={digest}")
        count, *names = answer.data.decode().splitlines()
        assert int(count) == len(names), answer.data
        return names


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def everywhere(story: Callable[[Engine], Any], engines: list[Engine]) -> None:
    """Print what `story` comes to on each engine, one line for each."""
    for engine in engines:
        print(f"{engine.name:<12}{story(engine)}")


@contextmanager
def running_engines(postgres: PostgresServer) -> Iterator[list[Engine]]:
    """FileStorage with one server, ZEO with two, PostgreSQL without history with two; all running."""
    with ExitStack() as running:
        zeo_uri = running.enter_context(zeo())
        engines = [
            Engine("FileStorage", [ServerProcess()]),
            Engine("ZEO", _sharing(zeo_uri)),
            Engine("PostgreSQL", _sharing(postgres_uri(postgres.place))),
        ]
        servers = [server for engine in engines for server in engine.servers]
        for server in servers:
            running.callback(server.remove)
            running.callback(server.stop)
        # All at once: the servers of an engine also find an empty database at the same time.
        with ThreadPoolExecutor(len(servers)) as pool:
            list(pool.map(ServerProcess.start, servers))
        yield engines


def postgres_uri(place: str) -> str:
    """The URI of a database at ``host:port/name``."""
    return f"postgres://librarian@{place}?{TABLE}"


def _sharing(database_uri: str) -> list[ServerProcess]:
    """Two servers with one tree and one folder of bytes."""
    first = ServerProcess(PATIENT, database_uri=database_uri)
    return [first, ServerProcess(PATIENT, database_uri=database_uri, byte_store=first.byte_store)]


class ZeoServer:
    """A ZEO server as its own process, on a UNIX socket; may be killed and started again."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="librarian-zeo-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"zeo://{self.folder}/socket?wait_timeout=30&connection_pool_size=16"

    @property
    def pids(self) -> list[int]:
        return [] if self._process is None else [self._process.pid]

    def start(self) -> None:
        command = [sys.executable, "-m", "ZEO.runzeo"]
        command += ["-a", str(self.folder / "socket"), "-f", str(self.folder / "Data.fs")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, env=with_path({})
            )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            for _attempt in range(10):
                self._process.send_signal(how)
                with suppress(subprocess.TimeoutExpired):
                    # ZEO loses a SIGTERM that meets it in the middle of a commit.
                    self._process.wait(3)
                    break
            self._process = None

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def zeo() -> Iterator[str]:
    """A ZEO server; its value is the URI."""
    server = ZeoServer()
    server.start()
    try:
        yield server.uri
    finally:
        server.stop()
        server.remove()
