"""A PostgreSQL server of a test's own, in a folder that goes away with it."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAMS = ("/usr/lib/postgresql", "/usr/pgsql", "/usr/local/pgsql")  # Debian's place first
ATTEMPTS = 5  # to find a port; PostgreSQL has no "any free one"
START_SECONDS = 60.0
# Nothing here outlives the test, so nothing is flushed for a power cut.
OPTIONS = ("fsync=off", "max_connections=100", "listen_addresses=127.0.0.1", "unix_socket_directories=")


def postgresql_missing() -> str | None:
    """Why there can be no server here, or None."""
    if _program("initdb") is None:
        return "PostgreSQL's initdb is not installed"
    if os.geteuid() == 0 and _unprivileged() is None:
        return "PostgreSQL does not run as root, and there is no other user to run it as"
    return None


@contextmanager
def postgresql() -> Iterator[str]:
    """A server while the `with` lasts; its value is ``127.0.0.1:<port>/<database>``, where the user
    ``librarian`` needs no password."""
    folder = Path(tempfile.mkdtemp(prefix="librarian-postgresql-"))
    rights = _rights(folder)
    try:
        initdb = [
            _program("initdb"),
            "-D",
            str(folder / "data"),
            "-U",
            "librarian",
            "-A",
            "trust",
            "--no-sync",
        ]
        _run(initdb, folder, rights)
        port = _start(folder, rights)
        try:
            yield f"127.0.0.1:{port}/postgres"
        finally:
            _run([_program("pg_ctl"), "stop", "-D", str(folder / "data"), "-m", "fast", "-w"], folder, rights)
    finally:
        shutil.rmtree(folder)


def _start(folder: Path, rights: dict[str, Any]) -> int:
    """Start it on a port that is free, and say which."""
    for attempt in range(ATTEMPTS):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port: int = taken.getsockname()[1]
        options = " ".join(f"-c {option}" for option in (*OPTIONS, f"port={port}"))
        command = [_program("pg_ctl"), "start", "-D", str(folder / "data"), "-l", str(folder / "log")]
        try:
            _run([*command, "-w", "-t", str(START_SECONDS), "-o", options], folder, rights)
            return port
        except RuntimeError:  # somebody else took the port in between
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


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


def _program(name: str) -> str | None:
    """The newest of Debian's versions, or what is on the PATH."""
    found = [path for place in PROGRAMS for path in Path(place).glob(f"*/bin/{name}")]
    versions = sorted(found, key=lambda path: float(path.parent.parent.name))
    return str(versions[-1]) if versions else shutil.which(name)


def _rights(folder: Path) -> dict[str, Any]:
    """As whom to run it: as ourselves, but never as root, which it refuses."""
    if os.geteuid() != 0:
        return {}
    user = _unprivileged()
    assert user is not None, postgresql_missing()
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _unprivileged() -> pwd.struct_passwd | None:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None
