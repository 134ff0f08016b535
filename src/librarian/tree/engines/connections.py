"""Connections beside those of the sessions: for one transaction, or kept from one to the next."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from transaction import TransactionManager
from ZODB.Connection import Connection
from ZODB.DB import DB
from ZODB.POSException import ConnectionStateError

from librarian.tree.interfaces import TreeAway

# Of a connection's cache.  Each upload writes four buckets of indexes, at places of their own; ZODB's own 400
# objects are those of the last sixty uploads.  A bucket takes 2 to 5 KB.
KEPT_OBJECTS = 4000


def give_back(connection: Connection) -> None:
    """Close a connection, also one whose database has gone away in the middle of something."""
    try:
        connection.close()
    except ConnectionStateError:
        connection.transaction_manager.abort()
        connection.close()


@contextmanager
def independent_connection(database: DB) -> Iterator[Connection]:
    """A connection of the pool with a transaction manager of its own, which begins its transactions."""
    connection = database.open(TransactionManager())
    try:
        yield connection
    finally:
        give_back(connection)


class KeptConnection:
    """A connection for commits that follow one another.

    What it has written stays in its cache and is not invalidated, so the next commit loads neither the
    upper nodes of the indexes nor the buckets that it wrote last; a connection of the pool would load all
    that another one wrote since.  It sees what was committed before each of its transactions began.
    """

    def __init__(self, database: Callable[[], DB]) -> None:
        self._database = database
        self._idle: list[Connection] = []  # the one that is kept, while it is not lent

    @contextmanager
    def lent(self) -> Iterator[Connection]:
        """The connection, or a further one while it is lent.  After an error it is not kept."""
        # Explicit: between two transactions it asks the database for nothing.
        connection = self._idle.pop() if self._idle else self._opened()
        try:
            yield connection
        except BaseException:
            give_back(connection)
            raise
        if self._idle:
            give_back(connection)
        else:
            self._idle.append(connection)

    def _opened(self) -> Connection:
        connection = self._database().open(TransactionManager(explicit=True))
        connection._cache.cache_size = max(connection._cache.cache_size, KEPT_OBJECTS)
        return connection

    def close(self) -> None:
        """Give the connection back to the pool."""
        while self._idle:
            give_back(self._idle.pop())


class Uses:
    """The threads that work with a database now, for which its close waits.

    `DB.close()` takes the connections of other threads apart beneath them.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._threads: Counter[int] = Counter()  # how many connections each one has open
        self._ended = False

    @contextmanager
    def one(self) -> Iterator[None]:
        """From begin() to finish()."""
        self.begin()
        try:
            yield
        finally:
            self.finish()

    def begin(self) -> None:
        """Note one of this thread.  Raises TreeAway after end()."""
        with self._changed:
            if self._ended:
                raise TreeAway
            self._threads[threading.get_ident()] += 1

    def finish(self) -> None:
        """What this thread began last is over."""
        with self._changed:
            thread = threading.get_ident()
            self._threads[thread] -= 1
            if not self._threads[thread]:
                del self._threads[thread]
                self._changed.notify_all()

    def end(self, patience_seconds: float) -> None:
        """Begin none any more, and wait for those of other threads."""
        with self._changed:
            self._ended = True
            self._changed.wait_for(
                lambda: not self._threads.keys() - {threading.get_ident()}, patience_seconds
            )
