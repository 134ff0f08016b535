"""How fresh the knowledge of this process is: what was told of commits, against what was acknowledged.

Four engines, four ways.  The process that has the FileStorage hears of each commit before it is acknowledged.
A guest of it compares the last transaction it has heard of with the number that the host writes into shared
memory (`last_commit`).  A client of a ZEO server, and one of PostgreSQL, shares such a number with the
processes of its own machine only: what another machine has committed it hears of a little later, or asks for.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from ZEO.ClientStorage import ClientStorage
from ZODB.DB import DB
from ZODB.interfaces import IMVCCStorage

from librarian.tree.engines.changes import Changed, Listener, listen
from librarian.tree.engines.last_commit import UNKNOWN, LastCommit, name_of_uri
from librarian.tree.engines.sharing import GuestStorage, HostStorage

POLL_SECONDS = 0.1  # PostgreSQL tells nothing by itself; it is asked once in this time while there is a use


class Freshness(Protocol):
    """The methods of ITree with these names."""

    def on_change(self, changed: Changed) -> None:
        """As ITree has it."""

    def is_fresh(self, lasting: bool) -> bool:
        """As ITree has it, but for a watched database that is away."""

    def catch_up(self) -> None:
        """As ITree has it; raises what the engine's driver raises."""

    def close(self) -> None:
        """Give back what belongs to this machine; the database is closed."""


class HostFreshness(Freshness):
    """Every commit passes through this process."""

    def __init__(self, database: DB) -> None:
        self._listener = Listener()
        listen(database, self._listener)

    def on_change(self, changed: Changed) -> None:
        self._listener.add(changed)

    def is_fresh(self, lasting: bool) -> bool:
        return True

    def catch_up(self) -> None:
        """There is nothing to catch up with."""

    def close(self) -> None:
        """There is nothing to give back: HostStorage withdraws the number."""


class GuestFreshness(Freshness):
    """Every commit passes through one other process of this machine, which writes its number."""

    def __init__(self, database: DB, storage: ClientStorage, last: LastCommit) -> None:
        self._storage = storage
        self._last = last
        self._listener = Listener()
        listen(database, self._listener)
        self._note_heard()

    def on_change(self, changed: Changed) -> None:
        self._listener.add(changed)

    def is_fresh(self, lasting: bool) -> bool:
        return self._listener.heard == self._last.tid

    def catch_up(self) -> None:
        self._storage.ping()
        if self._last.tid == UNKNOWN:  # another host may be there by now
            self._last.close()
            self._last = self._storage.last_commit()
        self._note_heard()

    def close(self) -> None:
        self._last.close()

    def _note_heard(self) -> None:
        # A client of ZEO moves it when the listener has been told of that transaction.
        self._listener.heard = max(self._listener.heard, self._storage.lastTransaction())


class ClientFreshness(Freshness):
    """A ZEO server tells its clients of each commit, though not before it is acknowledged."""

    def __init__(self, database: DB, storage: ClientStorage, last: LastCommit) -> None:
        self._storage = storage
        self._last = last
        self._listener = Listener()
        listen(database, self._listener)
        listen(database, _Raising(last))
        self._note_heard()

    def on_change(self, changed: Changed) -> None:
        self._listener.add(changed)

    def is_fresh(self, lasting: bool) -> bool:
        return lasting and self._listener.heard >= self._last.tid and self._storage.is_connected()

    def catch_up(self) -> None:
        self._storage.ping()
        self._note_heard()

    def close(self) -> None:
        self._last.close()

    def _note_heard(self) -> None:
        self._listener.heard = max(self._listener.heard, self._storage.lastTransaction())


class _Raising(Listener):
    """Raises the number of this machine to each commit that is heard of, its own among them."""

    def __init__(self, last: LastCommit) -> None:
        super().__init__()
        self._last = last

    def _invalidate(self, tid: bytes, oids: Any) -> None:
        self._last.raise_to(tid)


class PolledFreshness(Freshness):
    """RelStorage's connections learn of commits when they begin a transaction, and the lane's has none: a
    storage instance of its own is asked instead, with the lock held."""

    def __init__(self, database: DB, last: LastCommit) -> None:
        self._storage: Any = database._mvcc_storage
        self._last = last
        self._listener = Listener()
        self._lock = threading.Lock()
        self._instance: Any = None
        self._polled = float("-inf")  # monotonic seconds
        self._note_commits(database)

    def on_change(self, changed: Changed) -> None:
        self._listener.add(changed)

    def is_fresh(self, lasting: bool) -> bool:
        recent = time.monotonic() - self._polled <= POLL_SECONDS
        return lasting and recent and self._listener.heard >= self._last.tid

    def catch_up(self) -> None:
        with self._lock:
            begun = time.monotonic()
            try:
                self._poll()
            except BaseException:
                self._instance = None  # it no longer knows what it has told
                raise
            self._polled = begun

    def close(self) -> None:
        self._last.close()

    def _poll(self) -> None:
        is_new = self._instance is None
        if is_new:
            self._instance = self._new_instance()
        self._instance.sync()
        oids = self._instance.poll_invalidations()
        heard = self._instance.lastTransaction()
        self._instance.afterCompletion()  # no transaction stays open until the next question
        self._listener.tell(None if is_new else oids)
        self._listener.heard = max(self._listener.heard, heard)

    def _note_commits(self, database: DB) -> None:
        self._new_instance: Callable[[], Any] = self._storage.new_instance
        self._storage.new_instance = lambda *arguments: self._noted(self._new_instance(*arguments))
        # The connection by which the database was looked at waits for its next use.
        database._connectionMap(lambda connection: self._noted(connection._storage))

    def _noted(self, instance: Any) -> Any:
        """A storage instance that raises the number before its commit is acknowledged."""
        finish = instance.tpc_finish

        def tpc_finish(*arguments: Any) -> bytes:
            tid: bytes = finish(*arguments)
            self._last.raise_to(tid)
            return tid

        instance.tpc_finish = tpc_finish
        return instance


class NoFreshness(Freshness):
    """Of other storages it is not known how they tell."""

    def on_change(self, changed: Changed) -> None:
        """It is never called."""

    def is_fresh(self, lasting: bool) -> bool:
        return False

    def catch_up(self) -> None:
        """Nothing is known afterwards either."""

    def close(self) -> None:
        """There is nothing to give back."""


def freshness_of(database: DB, uri: str) -> Freshness:
    """The way that fits the engine of a database."""
    storage = database.storage
    if isinstance(storage, HostStorage):
        return HostFreshness(database)
    if isinstance(storage, GuestStorage):
        return GuestFreshness(database, storage, storage.last_commit())
    if isinstance(storage, ClientStorage):
        return ClientFreshness(database, storage, LastCommit(name_of_uri(uri), create=True))
    if IMVCCStorage.providedBy(storage):
        return PolledFreshness(database, LastCommit(name_of_uri(uri), create=True))
    return NoFreshness()
