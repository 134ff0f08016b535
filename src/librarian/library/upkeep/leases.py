"""The lease that a sweep or a backup holds while it works.

A backup copies the tree first and then the bytes it names, so no sweep may remove bytes meanwhile.  The lease
is in the tree, which all machines share, and ends by itself some minutes after its holder died.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from librarian.interfaces import IClock
from librarian.library.upkeep.model import Lease, UpkeepSubtree
from librarian.tree.interfaces import ITree

LEASE = timedelta(minutes=10)  # how long the lease of a killed process lasts; a living one renews it in time


class HeldLease:
    """A lease while its holder works."""

    def __init__(self, tree: Any, clock: IClock, kind: str) -> None:
        now = clock.now()
        self._tree: Any = tree
        self._clock = clock
        self._lease = Lease(kind, secrets.token_hex(8), now, now)

    def renew(self) -> None:
        """Call it often: mostly it compares two times.  Raises UpkeepBusy if the lease had ended
        and another holder has one now."""
        now = self._clock.now()
        if self._lease.until - now > LEASE / 2:
            return
        lease = self._lease._replace(until=now + LEASE)
        self._tree.run_independently(lambda: self._subtree.take(lease, now))
        self._lease = lease

    def release(self) -> None:
        """End the lease, in an independent transaction."""
        self._tree.run_independently(lambda: self._subtree.release(self._lease.holder))

    @property
    def _subtree(self) -> UpkeepSubtree:
        found: UpkeepSubtree = self._tree.subtree("upkeep")
        return found


@contextmanager
def leased(tree: ITree, clock: IClock, kind: str) -> Iterator[HeldLease]:
    """Work undisturbed for the length of a `with`.  Raises UpkeepBusy."""
    lease = HeldLease(tree, clock, kind)
    lease.renew()
    try:
        yield lease
    finally:
        lease.release()
