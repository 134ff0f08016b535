"""The ids of files that changed since the catalogue last took them in.

An upload writes one short queue of its process, so writers in neighbouring processes have no object in
common.  Two transactions that add different ids to one queue are merged by BTrees.
"""

import os
from collections.abc import Iterator

from persistent import Persistent

from librarian.tree.indexes import SmallLLBTree

QUEUES = 16
OF_A_PROCESS = (
    4  # the shorter a queue, the less an upload writes; the fewer, the fewer objects a batch writes
)


class ChangedFiles(Persistent):
    """Sixteen queues; each process writes a few of them, chosen by its process id.

    An id has a number, which grows with each change: a change that happens while the catalogue takes the id
    out writes the same key, so one of both transactions conflicts and is repeated.
    """

    def __init__(self) -> None:
        # 0 is no id.  It stays for ever, since BTrees cannot merge a bucket that lost its first or only key.
        self._queues = tuple(SmallLLBTree({0: 0}) for _ in range(QUEUES))

    def note(self, alias_id: int) -> None:
        """Have the catalogue look at a file once this transaction is committed."""
        queue = self._queues[(os.getpid() * OF_A_PROCESS + alias_id % OF_A_PROCESS) % QUEUES]
        queue[alias_id] = queue.get(alias_id, 0) + 1

    def first(self, most: int) -> Iterator[int]:
        """Up to `most` ids of each queue; one may come more than once."""
        for queue in self._queues:
            for number, alias_id in enumerate(queue.keys(min=1)):
                if number == most:
                    break
                yield alias_id

    def remove(self, alias_ids: set[int]) -> None:
        """Forget these ids, in all queues."""
        for queue in self._queues:
            for alias_id in alias_ids:
                queue.pop(alias_id, None)

    def __contains__(self, alias_id: int) -> bool:
        return any(alias_id in queue for queue in self._queues)

    def __len__(self) -> int:
        """How many are waiting; counts them all."""
        return sum(len(queue) - 1 for queue in self._queues)

    def __bool__(self) -> bool:
        return any(True for _id in self.first(1))
