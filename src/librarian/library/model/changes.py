"""The ids of files that changed since the catalogue last took them in.

An upload writes one short queue of its process, so writers in neighbouring processes have no object in
common.  Two transactions that add different ids to one queue are merged by BTrees.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from persistent import Persistent

from librarian.tree.indexes import SmallLLBTree

QUEUES = 16
OF_A_PROCESS = (
    4  # the shorter a queue, the less an upload writes; the fewer, the fewer objects a batch writes
)


class Change(NamedTuple):
    """A file as it waits: the number grows with each change of it."""

    queue: int
    alias_id: int
    number: int


class ChangedFiles(Persistent):
    """Sixteen queues; each process writes a few of them, chosen by its process id.

    An id has a number, which grows with each change, so one that comes while the catalogue takes the file in
    stays.  One that comes while the id is removed writes the same key: one of both transactions conflicts,
    and is repeated.
    """

    def __init__(self) -> None:
        # 0 is no id.  It stays for ever, since BTrees cannot merge a bucket that lost its first or only key.
        self._queues = tuple(SmallLLBTree({0: 0}) for _ in range(QUEUES))

    def note(self, alias_id: int) -> None:
        """Have the catalogue look at a file once this transaction is committed."""
        queue = self._queues[(os.getpid() * OF_A_PROCESS + alias_id % OF_A_PROCESS) % QUEUES]
        queue[alias_id] = queue.get(alias_id, 0) + 1

    def first(self, most: int) -> Iterator[Change]:
        """Up to `most` changes of each queue; a file may come more than once."""
        for place, queue in enumerate(self._queues):
            for alias_id, number in islice(queue.items(min=1), most):
                yield Change(place, alias_id, number)

    def remove(self, changes: Iterable[Change]) -> None:
        """Forget these, but for files that have changed since."""
        for place, alias_id, number in changes:
            queue = self._queues[place]
            if queue.get(alias_id) == number:
                del queue[alias_id]

    def __contains__(self, alias_id: int) -> bool:
        return any(alias_id in queue for queue in self._queues)

    def __len__(self) -> int:
        """How many are waiting; counts them all."""
        return sum(len(queue) - 1 for queue in self._queues)

    def __bool__(self) -> bool:
        return any(True for _id in self.first(1))
