"""Opening the tree: a database by URI, a session per thread, and work that is tried again."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import transaction
import zodburi
from persistent.mapping import PersistentMapping
from persistent.TimeStamp import TimeStamp
from transaction import TransactionManager
from transaction.interfaces import TransientError
from zc.lockfile import LockError
from ZEO.ClientStorage import ClientStorage
from ZEO.Exceptions import ClientDisconnected
from ZODB.Connection import Connection
from ZODB.DB import DB
from ZODB.FileStorage.format import CorruptedError
from ZODB.POSException import ConnectionStateError, POSKeyError
from ZODB.utils import z64
from zodburi.resolvers import FileStorageURIResolver
from zope.generations.generations import evolve
from zope.generations.interfaces import GenerationTooHigh
from zope.interface import implementer

from librarian.durable import make_directories
from librarian.interfaces import LibrarianError
from librarian.tree.copying import copy_transactions
from librarian.tree.engines import engine_of
from librarian.tree.filestorage.datafile import DataFile
from librarian.tree.filestorage.full_disk import RESERVE, Reserve, hear_full
from librarian.tree.interfaces import ITree, TreeAway, TreeFull, TreeNotOpen, TreeTooNew, TreeUnavailable
from librarian.tree.sharing import GuestStorage, HostStorage, forgetting_oids, open_shared
from librarian.tree.watching import Watch, hush_drivers

log = logging.getLogger(__name__)

T = TypeVar("T")

CLOCK_PROBE = "clock probe"  # in the root: an object that is written to learn the time
UNREADABLE = (CorruptedError, POSKeyError)  # what storages raise for objects that are damaged or missing
STALE_OID = "A different object already has the same oid"
ATTEMPTS = 20
LONGEST_PAUSE_SECONDS = 0.25
# Processes that meet an empty database at the same time all make its tables or its root; all but one fail.
OPENING_ATTEMPTS = 3
HELD = "another process has it open, and does not answer"


def retrying(attempt: Callable[[], T]) -> T:
    """Call `attempt` until it raises no TransientError, ATTEMPTS times at most.

    The pause is random between nothing and a bound that grows, so that writers who collided once
    do not collide again in step (the measurements behind it: without it one process starves).
    """
    for number in range(1, ATTEMPTS):
        try:
            return attempt()
        except (TransientError, ValueError) as error:
            if not isinstance(error, TransientError) and not is_stale_oid(error):
                raise
            log.info("transaction tried again attempt=%d error=%s", number, type(error).__name__)
            time.sleep(random.uniform(0, min(0.002 * 2**number, LONGEST_PAUSE_SECONDS)))  # noqa: S311  # no secret
    return attempt()


def is_stale_oid(error: BaseException) -> bool:
    """Whether a new object was given the number of another, which a repetition does not meet again.

    A ZEO client keeps numbers in stock.  Those from before a restart of its server may be given to
    others as well (ZODB's Connection tells it by a plain ValueError).
    """
    return isinstance(error, ValueError) and str(error).startswith(STALE_OID)


def open_database(uri: str) -> DB:
    """The ZODB database behind a zodburi `uri`.  Raises TreeUnavailable.

    For ``file://`` the directory is made first, for its owner alone: the tree names private files; and
    if another process has the file, it is asked to share it.  A database behind ``zeo://`` shows every
    transaction what was committed anywhere before it began.
    """
    for attempt in range(1, OPENING_ATTEMPTS + 1):
        try:
            return _open(uri)
        except LibrarianError:
            raise
        except Exception as error:  # noqa: BLE001  # storages raise whatever their driver raises
            patient = isinstance(error, (LockError, ClientDisconnected))  # they have waited already
            if patient or attempt == OPENING_ATTEMPTS:
                why = HELD if isinstance(error, LockError) else error
                raise TreeUnavailable(_masked(f"cannot open the database {uri}: {why}", uri)) from None
    raise AssertionError("unreachable")


def _open(uri: str) -> DB:
    storage_factory, database_options = zodburi.resolve_uri(uri)
    storage = _storage(uri, storage_factory)
    engine_of(storage)  # it has to know of each connection from the first one on
    try:
        return DB(storage, **database_options)
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
        # zodburi has no word for it.  ZEO sends word of a commit after the fact, so that a client that
        # uploads here and downloads there could be faster; with it a transaction begins with a question.
        storage.server_sync = True
        storage.sync = storage.ping
        storage.notify_connected = forgetting_oids(storage)
        hear_full(storage)
    return storage


def data_file(uri: str) -> Path:
    """The file that a ``file://`` URI names.  Raises TreeUnavailable for other URIs."""
    if not uri.startswith("file://"):
        raise TreeUnavailable(f"the tree is in no file here: {_masked(uri, uri)}; ask its own server's tools")
    return Path(uri.removeprefix("file://").partition("?")[0])


def _file_options(uri: str) -> dict[str, Any]:
    """What a ``file://`` URI says about the file.

    Raises TreeUnavailable for options that keep files of their own beside it: the tree has no blobs.
    """
    query = uri.partition("?")[2]
    options, _database = FileStorageURIResolver().interpret_kwargs(dict(parse_qsl(query)))
    if unknown := set(options) - {"quota", "read_only"}:
        raise TreeUnavailable(f"a tree in a file knows no option {', '.join(sorted(unknown))}")
    return options


def _masked(text: str, uri: str) -> str:
    password = urlsplit(uri).password
    return text.replace(f":{password}@", ":***@") if password else text


def _in_transaction(manager: Any, work: Callable[[], T]) -> T:
    manager.begin()
    try:
        result = work()
        manager.commit()
    except BaseException:
        manager.abort()
        raise
    return result


def _close(connection: Connection) -> None:
    """Give a connection back, also one whose database has gone away in the middle of something."""
    try:
        connection.close()
    except ConnectionStateError:
        connection.transaction_manager.abort()
        connection.close()


@implementer(ITree)
class Tree:
    """A database, and the connection each thread works with."""

    def __init__(self, database: DB, reserve: Reserve | None = None) -> None:
        self._database = database
        self._reserve = reserve
        self._alone = isinstance(database.storage, HostStorage)  # commits of others pass through here
        self._open = threading.local()
        self._watch: Watch | None = None

    @classmethod
    def from_uri(cls, uri: str, reserve_bytes: int = 0) -> "Tree":
        """The tree behind a URI; beside one in a file, so much room is kept for in_need()."""
        reserve = None
        if uri.startswith("file://") and reserve_bytes:
            reserve = Reserve(data_file(uri).with_name(RESERVE), reserve_bytes)
        return cls(open_database(uri), reserve)

    def bring_up_to_date(self) -> None:
        """Make missing subtrees and run the steps an old database still needs."""
        try:
            retrying(lambda: evolve(self._database))
        except GenerationTooHigh as error:
            found, name, known = error.args
            raise TreeTooNew(name, found, known) from error

    @property
    def is_local(self) -> bool:
        return self._alone

    @contextmanager
    def session(self) -> Iterator[PersistentMapping]:
        if self._connection() is not None:
            yield self.root()
            return
        with self._losses():
            self._open.connection = self._begin()
        try:
            yield self.root()
        finally:
            self._end()

    def _begin(self) -> Connection:
        connection = self._database.open()
        try:
            if not self._alone:
                # open() is content with what word had come in; what others have just committed counts.
                connection.newTransaction(None)
            connection.root()
        except BaseException:
            _close(connection)
            raise
        return connection

    def _end(self) -> None:
        connection, self._open.connection = self._open.connection, None
        try:
            transaction.abort()
        except Exception as error:  # abort() asks the database too, and what is lost is aborted
            if not self.is_loss(error):
                raise
        finally:
            _close(connection)

    @contextmanager
    def _losses(self) -> Iterator[None]:
        """Raise TreeAway where the database is, or in the block shows to be, away."""
        if self._watch is not None:
            self._watch.require()
        try:
            yield
        except Exception as error:
            if self.is_loss(error):
                raise TreeAway from error
            raise

    def watch(self, patience_seconds: float) -> None:
        engine = engine_of(self._database.storage)
        if engine is not None and self._watch is None:
            hush_drivers(engine.lost)
            self._watch = Watch(engine, patience_seconds)
            self._watch.start()

    def is_loss(self, error: BaseException) -> bool:
        return isinstance(error, TreeAway) or (self._watch is not None and self._watch.is_loss(error))

    def root(self) -> PersistentMapping:
        connection = self._connection()
        if connection is None:
            raise TreeNotOpen()
        return connection.root()

    def subtree(self, name: str) -> Any:
        return self.root()[name]

    def run(self, work: Callable[[], T]) -> T:
        def attempt() -> T:
            with self._losses():
                return _in_transaction(transaction.manager, work)

        with self.session():
            return self._in_need(lambda: retrying(attempt))

    def run_independently(self, work: Callable[[], T]) -> T:
        manager = TransactionManager()
        outer = self._connection()

        def attempt() -> T:
            with self._losses():
                connection = self._open.connection = self._database.open(manager)
                try:
                    return _in_transaction(manager, work)
                finally:
                    self._open.connection = outer
                    _close(connection)

        return self._in_need(lambda: retrying(attempt))

    @contextmanager
    def in_need(self) -> Iterator[None]:
        before, self._open.in_need = getattr(self._open, "in_need", False), True
        try:
            yield
        finally:
            self._open.in_need = before
            self.keep_reserve()

    def keep_reserve(self) -> None:
        if self._reserve is not None:
            self._reserve.keep()

    def _in_need(self, work: Callable[[], T]) -> T:
        """Do `work`; where that is allowed and needed, once more without the reserve."""
        try:
            return work()
        except TreeFull:
            if not getattr(self._open, "in_need", False) or self._reserve is None:
                raise
            if not self._reserve.give_up():
                raise
        return work()

    def current_transaction(self) -> Any:
        connection = self._connection()
        return transaction.get() if connection is None else connection.transaction_manager.get()

    def host_time(self) -> datetime:
        def write() -> None:
            self.root().setdefault(CLOCK_PROBE, PersistentMapping())["written"] = random.random()  # noqa: S311

        def serial() -> bytes:
            probe = self.root()[CLOCK_PROBE]
            probe._p_activate()
            number: bytes = probe._p_serial
            return number

        self.run_independently(write)
        # A transaction's number is the time at which its host gave it (ZODB's TimeStamp).
        return datetime.fromtimestamp(TimeStamp(self.run_independently(serial)).timeTime(), UTC)

    def forget_loaded(self) -> None:
        connection = self._connection()
        if connection is not None:
            connection.cacheMinimize()

    def prefetch(self, objects: Iterable[Any]) -> None:
        connection = self._connection()
        ghosts = [thing for thing in objects if thing._p_changed is None]
        if connection is not None and ghosts:
            connection.prefetch(ghosts)

    def check(self) -> None:
        with self.session(), self._losses():
            connection = self._connection()
            assert connection is not None
            connection._storage.load(z64)  # past the caches: the root is always there

    def copy_to(self, path: Path, told: Callable[[], object]) -> bytes:
        return copy_transactions(self._database.storage, path, told)

    def pack(self, days: float) -> None:
        self._in_need(lambda: self._database.pack(days=days))

    def share(self) -> None:
        storage = self._database.storage
        if isinstance(storage, (HostStorage, GuestStorage)):
            storage.share()

    def close(self) -> None:
        if self._watch is not None:
            self._watch.stop()
        self._database.close()

    def _connection(self) -> Connection | None:
        return getattr(self._open, "connection", None)
