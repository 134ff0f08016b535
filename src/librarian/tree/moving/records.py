"""The current records of a storage: the state of every object, in the order of the objects' ids."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ZODB.interfaces import IStorageCurrentRecordIteration
from ZODB.utils import z64
from zope.interface import implementer


class Record(NamedTuple):
    """The state of one object: its id, the transaction that wrote it, and the pickle."""

    oid: bytes
    tid: bytes
    data: bytes


@contextmanager
def of_one_moment(storage: Any) -> Iterator[Any]:
    """The storage, or where it has one, an instance of it that sees one moment (MVCC)."""
    if not hasattr(storage, "new_instance"):
        yield storage
        return
    instance = storage.new_instance()
    try:
        instance.poll_invalidations()
        yield instance
    finally:
        instance.release()


def records(storage: Any) -> Iterator[Record]:
    """Every record, also of objects that nothing refers to; for a storage that has record_iternext()."""
    if storage.lastTransaction() in (z64, None):
        return
    position = None
    while True:
        oid, tid, data, position = storage.record_iternext(position)
        if data is not None:  # None: the transaction that made the object was undone
            yield Record(oid, tid, data)
        if position is None:
            return


@implementer(IStorageCurrentRecordIteration)
class RootLast:
    """A storage to be copied from, whose root object comes after all others.

    What was cut off has no root then, so no server takes it for a tree.  `noted` is called with each record.
    """

    def __init__(self, storage: Any, noted: Any) -> None:
        self._storage = storage
        self._noted = noted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def __len__(self) -> int:
        return len(self._storage)

    def record_iternext(self, position: Any = None) -> tuple[bytes, bytes, bytes, Any]:
        """As ZODB's IStorageCurrentRecordIteration has it; the position is the rest of the records."""
        if position is None:
            ordered = self._ordered()
            position = (next(ordered), ordered)
        record, rest = position
        self._noted(record)
        following = next(rest, None)
        return (*record, None if following is None else (following, rest))

    def _ordered(self) -> Iterator[Record]:
        root = None
        for record in records(self._storage):
            if record.oid == z64:
                root = record
            else:
                yield record
        if root is not None:
            yield root
