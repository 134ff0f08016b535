"""Word of what is committed, in the order of the commits and before any of them is acknowledged.

ZODB tells each of its connections which objects a commit has changed, so that they load them anew.  A
listener stands in their row; ZODB has no public place for it.
"""

from collections.abc import Callable, Iterable

from ZODB.DB import DB

#: Called with the ids (_p_oid) of changed objects, or with None: anything may have changed.
Changed = Callable[[Iterable[bytes] | None], None]


class Listener:
    """One of the storage instances that ZODB tells, which keeps nothing itself.

    `changed` is called in the committer's thread, with locks of the storage held: it may change its own
    table and nothing else.  A connection that is opened after the call sees the new state, or waits for it.
    """

    def __init__(self, changed: Changed) -> None:
        self._changed = changed

    def _invalidate(self, tid: bytes, oids: Iterable[bytes]) -> None:
        self._changed(oids)

    def _invalidateCache(self) -> None:
        self._changed(None)


def listen(database: DB, changed: Changed) -> None:
    """Have `changed` called at each commit that this process hears of, until the database is closed."""
    adapter = database._mvcc_storage
    with adapter._lock:
        adapter._instances.add(Listener(changed))
