"""The tree of this process: a session per thread, and work in transactions that are tried again."""

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import transaction
from persistent.mapping import PersistentMapping
from persistent.TimeStamp import TimeStamp
from transaction import TransactionManager
from transaction.interfaces import NoTransaction
from ZODB.Connection import Connection
from ZODB.DB import DB
from ZODB.utils import z64
from zope.component import getUtility
from zope.interface import implementer

from librarian.interfaces import ISettings
from librarian.tree.copying import copy_transactions
from librarian.tree.engines.changes import Changed
from librarian.tree.engines.connections import KeptConnection, Uses, give_back, independent_connection
from librarian.tree.engines.detection import engine_of
from librarian.tree.engines.freshness import freshness_of
from librarian.tree.engines.sharing import GuestStorage, HostStorage
from librarian.tree.engines.watch import Watch, hush_drivers
from librarian.tree.filestorage.full_disk import RESERVE, Reserve
from librarian.tree.interfaces import ITree, TreeAway, TreeFull, TreeNotOpen
from librarian.tree.opening import data_file, open_database
from librarian.tree.retrying import in_transaction, retrying
from librarian.tree.settings import TreeSettings
from librarian.tree.subtree import bring_up_to_date
from librarian.tree.together import Together

T = TypeVar("T")

CLOCK_PROBE = "clock probe"  # a key in the root; writing its object tells the time of the database
ENDING_SECONDS = 5.0  # how long a close waits for the transactions of other threads


@implementer(ITree)
class Tree:
    """A database, and the connection each thread works with."""

    def __init__(self, database: DB, uri: str = "", reserve: Reserve | None = None) -> None:
        self._database = database
        self._freshness = freshness_of(database, uri)
        self._reserve = reserve
        self._alone = isinstance(database.storage, HostStorage)  # other processes commit through it
        self._open = threading.local()
        self._watch: Watch | None = None
        self._closed = False
        self._uses = Uses()
        self._kept = KeptConnection(lambda: self._database)
        self._together = Together(lambda work: self._run_beside(work, self._kept.lent))

    @classmethod
    def from_uri(cls, uri: str, reserve_bytes: int = 0, *, make: bool = True) -> "Tree":
        """The tree behind a URI; beside one in a file, so much room is kept for in_need().

        A tree that is not there is made; without `make` it is refused with NoTree.
        """
        reserve = None
        if uri.startswith("file://") and reserve_bytes:
            reserve = Reserve(data_file(uri).with_name(RESERVE), reserve_bytes)
        return cls(open_database(uri, make=make), uri, reserve)

    def bring_up_to_date(self) -> None:
        """As librarian.tree.subtree.bring_up_to_date().  Raises TreeTooNew."""
        bring_up_to_date(self._database)

    @contextmanager
    def session(self) -> Iterator[PersistentMapping]:
        if self._connection_of_session() is not None:
            yield self.root()
            return
        with self._losses():
            self._open.connection = self._begin()
        try:
            yield self.root()
        finally:
            self._end()

    @contextmanager
    def session_on_demand(self) -> Iterator[None]:
        if self._connection() is not None or self._is_on_demand():
            yield
            return
        with self._losses():
            self._open.on_demand = True
        try:
            yield
        finally:
            self._open.on_demand = False
            self._end()

    def _is_on_demand(self) -> bool:
        return getattr(self._open, "on_demand", False)

    def _connection_of_session(self) -> Connection | None:
        """The connection of this thread, opened now where its session is one on demand."""
        if self._connection() is None and self._is_on_demand():
            with self._losses():
                self._open.connection = self._begin()
        return self._connection()

    def _begin(self) -> Connection:
        self._uses.begin()
        try:
            return self._begun()
        except BaseException:
            self._uses.finish()
            raise

    def _begun(self) -> Connection:
        connection = self._database.open()
        try:
            if not self._alone:
                # open() sees the commits of which this process has been notified; ask for those made since.
                connection.newTransaction(None)
            connection.root()
        except BaseException:
            give_back(connection)
            raise
        return connection

    def _end(self) -> None:
        connection, self._open.connection = self._connection(), None
        try:
            transaction.abort()
        except NoTransaction:  # an application's explicit manager, which has ended its own
            pass
        except Exception as error:  # abort() calls the database; a lost one has aborted
            if not self.is_loss(error):
                raise
        finally:
            if connection is not None:
                try:
                    give_back(connection)
                finally:
                    self._uses.finish()

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
        return (
            self._closed
            or isinstance(error, TreeAway)
            or (self._watch is not None and self._watch.is_loss(error))
        )

    @property
    def is_elsewhere(self) -> bool:
        return not isinstance(self._database.storage, (HostStorage, GuestStorage))

    def root(self) -> PersistentMapping:
        connection = self._connection_of_session()
        if connection is None:
            raise TreeNotOpen()
        return connection.root()

    def subtree(self, name: str) -> Any:
        return self.root()[name]

    def run(self, work: Callable[[], T]) -> T:
        def attempt() -> T:
            with self._losses():
                return in_transaction(transaction.manager, work)

        with self.session():
            return self._in_need(lambda: retrying(attempt))

    def run_independently(self, work: Callable[[], T]) -> T:
        return self._run_beside(work, lambda: independent_connection(self._database))

    def _run_beside(self, work: Callable[[], T], lent: Callable[[], AbstractContextManager[Connection]]) -> T:
        """Do `work` in a transaction of a connection that `lent` gives for each attempt."""
        outer = self._connection()

        def attempt() -> T:
            with self._losses(), self._uses.one(), lent() as connection:
                self._open.connection = connection
                try:
                    return in_transaction(connection.transaction_manager, work)
                finally:
                    self._open.connection = outer

        return self._in_need(lambda: retrying(attempt))

    def run_together(self, work: Callable[[], T]) -> T:
        return self._together.run(work)

    def postponed(self, work: Callable[[], T]) -> Callable[[Callable[[Callable[[], T]], object]], None]:
        return self._together.postponed(work)

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

    @contextmanager
    def apart(self) -> Iterator[None]:
        connection, self._open.connection = self._connection(), None
        on_demand, self._open.on_demand = self._is_on_demand(), False
        # The thread-local manager of the transaction package, which mail and other joiners use too.
        manager, transaction.manager.manager = transaction.manager.manager, TransactionManager()
        try:
            yield
        finally:
            transaction.manager.manager = manager
            self._open.connection = connection
            self._open.on_demand = on_demand

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

    def copy_to(self, path: Path, progress: Callable[[], object]) -> bytes:
        return copy_transactions(self._database.storage, path, progress)

    def pack(self, days: float) -> None:
        self._in_need(lambda: self._database.pack(days=days))

    def on_change(self, changed: Changed) -> None:
        self._freshness.on_change(changed)

    def is_fresh(self, lasting: bool) -> bool:
        if self._watch is not None and self._watch.is_away:
            return False
        return self._freshness.is_fresh(lasting)

    def catch_up(self) -> None:
        with self._losses():
            self._freshness.catch_up()

    def share(self) -> None:
        storage = self._database.storage
        if isinstance(storage, (HostStorage, GuestStorage)):
            storage.share()

    def close(self) -> None:
        self._closed = True
        if self._watch is not None:
            self._watch.stop()
        self._uses.end(ENDING_SECONDS)
        self._kept.close()
        self._database.close()
        self._freshness.close()

    def _connection(self) -> Connection | None:
        return getattr(self._open, "connection", None)


def configured_tree() -> Tree:
    """The tree that ``librarian.database_uri`` names; for ZCML."""
    settings = getUtility(ISettings).section(TreeSettings)
    return Tree.from_uri(settings.database_uri, settings.reserve, make=settings.make_database)


def share_tree() -> None:
    """Serve the tree to commands, unless `share_database` is off, and keep a reserve on disk; for servers."""
    getUtility(ITree).keep_reserve()
    if getUtility(ISettings).section(TreeSettings).share_database:
        getUtility(ITree).share()


def watch_tree() -> None:
    """Never wait for a database that is away; for servers."""
    patience = getUtility(ISettings).section(TreeSettings).database_patience
    getUtility(ITree).watch(patience.total_seconds())
