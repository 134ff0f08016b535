"""A PostgreSQL server of a test's own, in a folder that goes away with it."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from tools.cluster import database

ATTEMPTS = 5  # to find a port; PostgreSQL has no "any free one"
START_SECONDS = 60.0
# Nothing here outlives the test, so nothing is flushed for a power cut.
OPTIONS = ("fsync=off", "max_connections=100", "listen_addresses=127.0.0.1", "unix_socket_directories=")


def postgresql_missing() -> str | None:
    """Why there can be no server here, or None."""
    if database.program("initdb") is None:
        return "PostgreSQL's initdb is not installed"
    if os.geteuid() == 0 and database.unprivileged() is None:
        return "PostgreSQL does not run as root, and there is no other user to run it as"
    return None


class PostgresServer:
    """A server where the user ``librarian`` needs no password; may be killed and started again."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="librarian-postgresql-"))
        self._rights = database.rights(self.folder)
        self._port: int | None = None
        self._control("initdb", "-U", "librarian", "-A", "trust", "--no-sync")

    @property
    def place(self) -> str:
        """``127.0.0.1:<port>/<database>``"""
        return f"127.0.0.1:{self._port}/postgres"

    @property
    def pids(self) -> list[int]:
        """The server's process and those that it has forked, in this order."""
        first = (self.folder / "data" / "postmaster.pid").read_text().split()[0]
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return [int(first), *map(int, children)]

    def start(self) -> None:
        """Start it on a port that is free, or on the one it had."""
        for attempt in range(ATTEMPTS):
            port = self._port or _free_port()
            try:
                self._start(port)
                self._port = port
                return
            except RuntimeError:  # another process took the port in between
                if attempt == ATTEMPTS - 1:
                    raise

    def stop(self, mode: str = "fast") -> None:
        """`mode` is pg_ctl's; ``immediate`` is as if it were killed."""
        self._control("pg_ctl", "stop", "-m", mode, "-w")

    def promote(self) -> None:
        """Make a standby server one that writes."""
        self._control("pg_ctl", "promote", "-w")

    def new_database(self, name: str) -> str:
        """The place of one more database, an empty one."""
        port, _, _first = self.place.partition("/")
        with closing(psycopg2.connect(f"postgres://librarian@{self.place}")) as connection:
            connection.autocommit = True
            connection.cursor().execute(f'CREATE DATABASE "{name}"')
        return f"{port}/{name}"

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, port: int) -> None:
        options = " ".join(f"-c {option}" for option in (*OPTIONS, f"port={port}"))
        log = str(self.folder / "log")
        self._control("pg_ctl", "start", "-l", log, "-w", "-t", str(START_SECONDS), "-o", options)

    def _control(self, program: str, *arguments: str) -> None:
        command = [database.program(program), *arguments, "-D", str(self.folder / "data")]
        _run(command, self.folder, self._rights)


@contextmanager
def postgresql() -> Iterator[PostgresServer]:
    """A server while the `with` lasts."""
    server = PostgresServer()
    try:
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        server.remove()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def _run(command: list[Any], folder: Path, rights: dict[str, Any]) -> None:
    # Into a file: the server inherits it, and would keep a pipe open.
    with (folder / "output").open("ab") as output:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            **rights,
        )
    if done.returncode:
        logs = [path for path in (folder / "output", folder / "log") if path.exists()]
        raise RuntimeError("\n".join(path.read_text(errors="replace")[-2000:] for path in logs))
