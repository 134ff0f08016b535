"""PostgreSQL's programs, and as whom they run."""

import os
import pwd
import shutil
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2

from tools.cluster.layout import Layout, NoCluster

START_SECONDS = 60.0
PLACES = ("/usr/lib/postgresql", "/usr/pgsql", "/usr/local/pgsql")  # Debian's first


def program(name: str) -> str | None:
    """The newest of Debian's versions, or what is on the PATH."""
    found = [path for place in PLACES for path in Path(place).glob(f"*/bin/{name}")]
    versions = sorted(found, key=lambda path: float(path.parent.parent.name))
    return str(versions[-1]) if versions else shutil.which(name)


def rights(folder: Path) -> dict[str, Any]:
    """As whom to run it: as ourselves, but never as root, which it refuses; that user gets `folder`."""
    if os.geteuid() != 0:
        return {}
    user = unprivileged()
    assert user is not None, "PostgreSQL does not run as root"
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def unprivileged() -> pwd.struct_passwd | None:
    """The user who runs it where we are root."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def initialize(folder: Path) -> None:
    """Make the server's files below `folder`, if they are missing.  Raises NoCluster."""
    if (folder / "data" / "PG_VERSION").exists():
        return
    command = [str(program("initdb")), "-U", "librarian", "-A", "trust", "-D", str(folder / "data")]
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **rights(folder),
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise NoCluster(f"PostgreSQL cannot make its files in {folder}: {reason}")


def command_of(folder: Path, port: int) -> list[str]:
    """What serves those files in the foreground."""
    options = (
        f"port={port}",
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=200",
    )
    stated = [word for option in options for word in ("-c", option)]
    return [str(program("postgres")), "-D", str(folder / "data"), *stated]


def make_database(layout: Layout) -> None:
    """Make the database of the nodes in the running server, if it is missing."""
    place = f"postgres://librarian@127.0.0.1:{layout.ports['postgresql']}/postgres"
    with closing(_connected(place)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = 'librarian'")
        if cursor.fetchone() is None:
            cursor.execute("CREATE DATABASE librarian")


def _connected(place: str) -> Any:
    """A connection; a server that has just been started accepts some before it is ready for them."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            return psycopg2.connect(place)
        except psycopg2.OperationalError as error:
            if time.monotonic() > end:
                raise NoCluster(str(error).strip()) from None
            time.sleep(0.05)
