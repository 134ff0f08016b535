"""Where a tree is moved from and to: opened so that no server changes it meanwhile."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zodburi
from zc.lockfile import LockError
from ZEO.ClientStorage import ClientStorage

from librarian.interfaces import one_line
from librarian.tree.engines.postgresql import WATCH
from librarian.tree.filestorage.datafile import DataFile
from librarian.tree.interfaces import CannotCopy
from librarian.tree.opening import data_file, masked

log = logging.getLogger(__name__)

WATCHES = """\
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"""
IN_USE = "a server works with the tree; stop all of them, so that it does not change while it is moved"


@contextmanager
def opened(uri: str) -> Iterator[Any]:
    """The storage behind a URI, an existing one.  A file is locked meanwhile.  Raises CannotCopy."""
    try:
        storage = _open(uri)
    except LockError:
        raise CannotCopy(IN_USE) from None
    except CannotCopy:
        raise
    except Exception as error:  # noqa: BLE001  # storages raise whatever their driver raises
        raise CannotCopy(f"cannot open {masked(uri, uri)}: {masked(one_line(error), uri)}") from None
    try:
        yield storage
    finally:
        storage.close()


def _open(uri: str) -> Any:
    if not uri.startswith("file://"):
        factory, _options = zodburi.resolve_uri(uri)
        return factory()
    path = data_file(uri)
    if not path.exists():
        raise CannotCopy(f"there is no tree at {path}")
    return DataFile(path)


def require_unused(storage: Any) -> None:
    """Raises CannotCopy if a server is connected to the database, or for ZEO any other client.

    A file needs no asking: the lock on it tells.
    """
    if _others(storage):
        raise CannotCopy(IN_USE)


def _others(storage: Any) -> int:
    if isinstance(storage, ClientStorage):
        return int(storage.server_status()["connections"]) - 1
    adapter = getattr(storage, "_adapter", None)
    if adapter is None:
        return 0

    def count(_connection: Any, cursor: Any) -> int:
        cursor.execute(WATCHES, (WATCH,))  # each server has one connection of this name
        return int(cursor.fetchone()[0])

    return int(adapter.connmanager.open_and_call(count))


def new_file(uri: str) -> Path:
    """The path of a ``file://`` URI, at which and beside which nothing is.  Raises CannotCopy."""
    path = data_file(uri)
    ours = unfinished(path).name
    found = [there.name for there in path.parent.glob(f"{path.name}*") if not there.name.startswith(ours)]
    if found:
        raise CannotCopy(f"{path.parent} holds a tree already: {', '.join(sorted(found))}")
    return path


def unfinished(path: Path) -> Path:
    """The name of a file until all of the tree is in it."""
    return path.with_name(f"{path.name}.moving")
