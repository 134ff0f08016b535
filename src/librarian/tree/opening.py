"""The database behind a URI."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import zodburi
from zc.lockfile import LockError
from ZEO.ClientStorage import ClientStorage
from ZEO.Exceptions import ClientDisconnected
from ZODB.DB import DB
from ZODB.FileStorage.format import CorruptedError
from ZODB.POSException import POSKeyError
from zodburi.resolvers import FileStorageURIResolver

from librarian.durable import make_directories
from librarian.interfaces import LibrarianError
from librarian.tree.class_names import ClassNames
from librarian.tree.engines.detection import engine_of
from librarian.tree.engines.sharing import open_shared, when_connected
from librarian.tree.engines.zeo_cache import drop_what_is_lost, ping_until_heard, refuse_superseded
from librarian.tree.filestorage.datafile import DataFile
from librarian.tree.filestorage.full_disk import hear_full
from librarian.tree.interfaces import NoTree, TreeUnavailable

UNREADABLE = (CorruptedError, POSKeyError)  # raised by storages for objects that are damaged or missing
# Processes that meet an empty database at the same time all make its tables or its root; all but one fail.
OPENING_ATTEMPTS = 3
HELD = "another process has it open, and does not answer"


def open_database(uri: str, *, make: bool = True) -> DB:
    """The ZODB database behind a zodburi `uri`.  Raises TreeUnavailable; without `make` NoTree, where
    there is none or an empty one.

    For ``file://`` the directory is made first, for its owner alone: the tree names private files; and
    if another process has the file, it is asked to share it.  A database behind ``zeo://`` shows every
    transaction what was committed anywhere before it began.
    """
    if make:
        return _open_patiently(uri)
    _require_file(uri)
    database = _open_patiently(uri)
    _require_content(database, uri)
    return database


def _open_patiently(uri: str) -> DB:
    for attempt in range(1, OPENING_ATTEMPTS + 1):
        try:
            return _open(uri)
        except LibrarianError:
            raise
        except Exception as error:  # noqa: BLE001  # storages raise whatever their driver raises
            patient = isinstance(error, (LockError, ClientDisconnected))  # raised after waiting
            if patient or attempt == OPENING_ATTEMPTS:
                why = HELD if isinstance(error, LockError) else error
                raise TreeUnavailable(masked(f"cannot open the database {uri}: {why}", uri)) from None
    raise AssertionError("unreachable")


def _open(uri: str) -> DB:
    storage_factory, database_options = zodburi.resolve_uri(uri)
    storage = _storage(uri, storage_factory)
    engine_of(storage)  # it must see each connection, also the first
    try:
        return DB(storage, class_factory=ClassNames(), **database_options)
    except BaseException:
        storage.close()
        raise


def _storage(uri: str, factory: Callable[[], Any]) -> Any:
    if uri.startswith("file://"):
        path, options = data_file(uri), _file_options(uri)
        make_directories(str(path.absolute().parent))
        return open_shared(path, lambda: DataFile(path, **options))
    storage = factory()
    if isinstance(storage, ClientStorage):
        # zodburi has no option for it.  ZEO sends invalidations after a commit, so a client that
        # uploads to one process and downloads from another may be faster; so each transaction asks first.
        storage.ping = storage.sync = ping_until_heard(storage)
        storage.notify_connected = when_connected(storage)
        refuse_superseded(storage._cache)
        drop_what_is_lost(storage)
        hear_full(storage)
    return storage


def data_file(uri: str) -> Path:
    """The file that a ``file://`` URI names.  Raises TreeUnavailable for other URIs."""
    if not uri.startswith("file://"):
        raise TreeUnavailable(
            f"the tree is not in a file: {masked(uri, uri)}; use the tools of its database server"
        )
    return Path(uri.removeprefix("file://").partition("?")[0])


def _require_file(uri: str) -> None:
    """Raise NoTree if a ``file://`` URI names a place where there is neither a tree nor a trace of one."""
    if uri.startswith("file://"):
        path = data_file(uri).absolute()
        if not path.parent.is_dir() or not any(path.parent.glob(f"{path.name}*")):
            raise NoTree(str(path))


def _require_content(database: DB, uri: str) -> None:
    """Raise NoTree, and close the database, if nothing was ever in it."""
    connection = database.open()
    try:
        empty = not connection.root()
    finally:
        connection.close()
    if empty:
        database.close()
        raise NoTree(masked(uri, uri))


def _file_options(uri: str) -> dict[str, Any]:
    """The options in the query of a ``file://`` URI.

    Raises TreeUnavailable for options that keep files of their own beside it: the tree has no blobs.
    """
    query = uri.partition("?")[2]
    options, _database = FileStorageURIResolver().interpret_kwargs(dict(parse_qsl(query)))
    if unknown := set(options) - {"quota", "read_only"}:
        raise TreeUnavailable(f"a tree in a file knows no option {', '.join(sorted(unknown))}")
    return options


def masked(text: str, uri: str) -> str:
    """`text` without the password that `uri` holds."""
    password = urlsplit(uri).password
    return text.replace(f":{password}@", ":***@") if password else text
