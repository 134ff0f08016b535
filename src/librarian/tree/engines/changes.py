"""Word of what is committed, in the order of the commits.

ZODB tells each of its connections which objects a commit has changed, so that they load them anew.  A
listener stands in their row; ZODB has no public place for it.
"""

from collections.abc import Callable, Iterable

from ZODB.DB import DB
from ZODB.utils import z64

#: Called with the ids (_p_oid) of changed objects, or with None: anything may have changed.
Changed = Callable[[Iterable[bytes] | None], None]


class Listener:
    """One of the storage instances that ZODB tells, which keeps nothing itself.

    What `add` was given is called in the committer's thread, with locks of the storage held: it may change
    its own table and nothing else.  A connection that is opened after the call sees the new state, or waits
    for it.
    """

    def __init__(self) -> None:
        self.heard = z64  # the last transaction of which everything that was added has been told
        self._told: tuple[Changed, ...] = ()

    def add(self, changed: Changed) -> None:
        """Have `changed` called at each commit from now on."""
        self._told = (*self._told, changed)

    def tell(self, oids: Iterable[bytes] | None) -> None:
        """Call everything that was added."""
        for changed in self._told:
            changed(oids)

    def _invalidate(self, tid: bytes, oids: Iterable[bytes]) -> None:
        self.tell(oids)
        self.heard = max(self.heard, tid)

    def _invalidateCache(self) -> None:
        self.heard = z64  # the database may have been set back
        self.tell(None)


def listen(database: DB, listener: Listener) -> None:
    """Have `listener` told of each commit that this process hears of, until the database is closed."""
    adapter = database._mvcc_storage
    with adapter._lock:
        adapter._instances.add(listener)
