"""The state of upkeep in the tree: the position of each scrub, and the lease of a sweep or backup.

A backup copies the tree first and then the bytes it names, so no sweep may remove bytes meanwhile.
Either holds a lease while it works.  The lease is in the tree, which all machines share, and ends by
itself some minutes after its holder died.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from persistent import Persistent

from librarian.interfaces import IClock
from librarian.library.upkeep.interfaces import UpkeepBusy
from librarian.tree.interfaces import ITree
from librarian.tree.subtree import Subtree, store_new_class_names

MARKS = 500  # of backups that are remembered
LEASE = timedelta(minutes=10)  # how long the lease of a killed process lasts; a living one renews it in time


class Lease(NamedTuple):
    """A lease of the tree for one process: its holder, and when it ends."""

    kind: str  # sweep, backup
    holder: str
    since: datetime
    until: datetime


class UpkeepSubtree(Persistent):
    """One small object: few write it, and those who do at the same moment shall conflict."""

    lease: Lease | None = None
    # Every backup leaves a random mark in the tree, which is copied with it.  A restored or a
    # different tree lacks the last copy's mark, so it is copied whole instead of being appended to that copy.
    backups: tuple[str, ...] = ()
    store_bytes: int | None = None  # what the byte store held when it was last counted
    store_counted: datetime | None = None
    favourites_seen: Mapping[str, datetime] = {}  # replaced; sha256 -> when a scrub read it
    scrubbed_at: datetime | None = None  # when a scrub last came to its end
    backed_up_at: datetime | None = None  # and a backup

    def __init__(self) -> None:
        self.positions: dict[str, bytes] = {}  # kind of scrub -> the last sha256 it has seen to

    def take(self, lease: Lease, now: datetime) -> None:
        """Raises UpkeepBusy."""
        held = self.lease
        if held is not None and held.holder != lease.holder and now < held.until:
            raise UpkeepBusy(held.kind, held.since)
        self.lease = lease

    def release(self, holder: str) -> None:
        """End the lease if `holder` has it."""
        if self.lease is not None and self.lease.holder == holder:
            self.lease = None

    def note(self, **facts: Any) -> None:
        """Set attributes of these names."""
        for name, value in facts.items():
            setattr(self, name, value)

    def mark_backup(self, mark: str) -> None:
        """Remember the mark of a backup; the oldest beyond MARKS are forgotten."""
        self.backups = (*self.backups[-MARKS:], mark)

    def keep_position(self, kind: str, position: bytes) -> None:
        """Store how far a scrub of this kind has come: the raw SHA-256 that it read last."""
        self.positions = {**self.positions, kind: position}


FORMER_NAMES = {
    "librarian.library.upkeep.Lease": Lease,
    "librarian.library.upkeep.UpkeepBranch": UpkeepSubtree,
    "librarian.library.upkeep.UpkeepSubtree": UpkeepSubtree,
}

subtree = Subtree("upkeep", UpkeepSubtree, (store_new_class_names, store_new_class_names), FORMER_NAMES)


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
