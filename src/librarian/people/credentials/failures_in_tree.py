"""Counts of failed log-ins in the tree, exact across all machines of an installation.

An attempt whose password is checked is one small commit, a right one is two; an attempt that is refused
because it came too early reads only.  So strangers make the database write no more often than this program
calculates argon2, which costs them and it much more.  Attempts that come together are committed together
(`ITree.run_together`).
"""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from zope.interface import implementer

from librarian.people.credentials.failures import (
    FORGIVEN_AFTER,
    MemoryCounts,
    one_less,
    one_more,
    unforgiven,
)
from librarian.people.credentials.interfaces import (
    NO_CHECK,
    Counts,
    FailureCheck,
    FailureCount,
    FailureKey,
    IFailureCounts,
)
from librarian.people.credentials.service import the_subtree
from librarian.tree.interfaces import ITree, TreeFull, TreeUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

UNUSABLE = (TreeUnavailable, TreeFull)  # for writing: a standby server and a full disk can still be read


@implementer(IFailureCounts)
class TreeCounts:
    """Counts in the subtree ``credentials``; in the memory of this process while it cannot be written."""

    def __init__(self, tree: ITree) -> None:
        self._tree = tree
        self._memory = MemoryCounts()

    def __len__(self) -> int:
        return self._tree.run_independently(
            lambda: sum(len(bucket.counts) for bucket in (the_subtree().failures or {}).values())
        )

    def get(self, key: FailureKey) -> FailureCount | None:
        return self._tree.run_independently(lambda: _read(key))

    def add(self, keys: Sequence[FailureKey], now: datetime, check: FailureCheck = NO_CHECK) -> Counts:
        def work() -> Counts:
            before = {key: unforgiven(_read(key), now) for key in keys}
            check(before)
            for key, count in before.items():
                _keep(key, one_more(count, now), now)
            return before

        return self._written(work, lambda: self._memory.add(keys, now, check))

    def take_back(self, before: Counts, now: datetime, forgotten: FailureKey) -> None:
        def work() -> None:
            for key, former in before.items():
                _keep(key, None if key == forgotten else one_less(_read(key), former, now), now)

        self._memory.take_back(before, now, forgotten)  # from when the tree could not be written
        self._written(work, lambda: None)

    def _written(self, work: Callable[[], T], otherwise: Callable[[], T]) -> T:
        try:
            return self._tree.run_together(work)
        except UNUSABLE as error:
            log.error("failed log-ins are counted in memory error=%s", error)
            return otherwise()


def _read(key: FailureKey) -> FailureCount | None:
    found = the_subtree().failure(key)
    return None if found is None else FailureCount(found[0], datetime.fromtimestamp(found[1], UTC))


def _keep(key: FailureKey, count: FailureCount | None, now: datetime) -> None:
    stored = None if count is None else (count.number, count.last.timestamp())
    the_subtree().keep_failure(key, stored, (now - FORGIVEN_AFTER).timestamp())
