"""The state of upkeep in the tree: the position of each scrub, and the lease of a sweep or backup."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from persistent import Persistent

from librarian.library.upkeep.interfaces import UpkeepBusy
from librarian.tree.subtree import Subtree, store_new_class_names

MARKS = 500  # of backups that are remembered


class Lease(NamedTuple):
    """A lease of the tree for one process: its holder, and when it ends."""

    kind: str  # sweep, backup
    holder: str
    since: datetime
    until: datetime


class Outcome(NamedTuple):
    """How the last run of a task of upkeep ended."""

    task: str  # gc, sweep, scrub, backup, pack, fsck
    began: datetime
    ended: datetime
    result: str  # one line, as the command says it, or the reason of its failure
    is_well: bool


class UpkeepSubtree(Persistent):
    """One small object, so that two upkeep commands that write it at the same time conflict."""

    lease: Lease | None = None
    # Every backup leaves a random mark in the tree, which is copied with it.  A restored or a
    # different tree lacks the last copy's mark, so it is copied whole instead of being appended to that copy.
    backups: tuple[str, ...] = ()
    store_bytes: int | None = None  # what the byte store held when it was last counted
    store_counted: datetime | None = None
    favourites_seen: Mapping[str, datetime] = {}  # replaced; sha256 -> when a scrub read it
    scrubbed_at: datetime | None = None  # when a scrub last came to its end
    backed_up_at: datetime | None = None  # and a backup

    outcomes: Mapping[str, Outcome] = {}  # replaced; by task, the last run of each
    failure: Outcome | None = None  # the last run of any task that did not end well

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

    def note_outcome(self, outcome: Outcome) -> None:
        """Remember how a run ended."""
        self.outcomes = {**self.outcomes, outcome.task: outcome}
        if not outcome.is_well:
            self.failure = outcome

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
