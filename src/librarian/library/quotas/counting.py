"""Counting what owners have: one walk over all aliases as of one moment, beside everything else.

A record that was never counted holds what has changed since it was made.  The walk sees files and records as
of the same moment; the difference between both is then added to the record, whatever it holds by then.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from librarian.library.model.quotas import Quotas, name_of
from librarian.tree.batches import next_keys
from librarian.tree.interfaces import ITree

Numbers = tuple[int, int]  # files, bytes
MENDED_AT_ONCE = 100  # records of one transaction


@dataclass
class Count:
    """What a walk has found, by the owner's id."""

    found: dict[str, Numbers] = field(default_factory=dict)
    recorded: dict[str, tuple[int, int, int]] = field(default_factory=dict)  # files, bytes, counts
    everyone: bool = False

    def differences(self) -> Iterator[tuple[str, Numbers, int]]:
        """Owner, what is missing in the record, and the number of its counts; those that are right and
        counted are left out."""
        owners = set(self.recorded) | (set(self.found) if self.everyone else set())
        for owner in sorted(owners):
            files, size, counts = self.recorded.get(owner, (0, 0, 0))
            have_files, have_bytes = self.found.get(owner, (0, 0))
            missing = have_files - files, have_bytes - size
            if not counts or missing != (0, 0):
                yield owner, missing, counts


def count_all(tree: ITree, progress: Callable[[int], object] = lambda seen: None) -> Count:
    """Walk over all aliases in one reading transaction of its own."""
    counted: Count = tree.run_independently(lambda: _walk(tree, progress))
    return counted


def _walk(tree: ITree, progress: Callable[[int], object]) -> Count:
    subtree = tree.subtree("library")
    count, after, seen = Count(), None, 0
    if subtree.quotas is not None:
        count.everyone = subtree.quotas.everyone
        count.recorded = {owner: numbers for owner, *numbers in subtree.quotas.numbers()}
    while keys := next_keys(subtree.aliases, after):
        aliases = [subtree.aliases[key] for key in keys]
        tree.prefetch(aliases)
        owned = [alias for alias in aliases if alias.content is not None and name_of(alias.owner) is not None]
        tree.prefetch([alias.content for alias in owned])
        for alias in owned:
            files, size = count.found.get(alias.owner, (0, 0))
            count.found[alias.owner] = files + 1, size + alias.content.filesize
        after, seen = keys[-1], seen + len(keys)
        progress(seen)
        tree.forget_loaded()
    return count


def mend(tree: ITree, count: Count) -> int:
    """Put the records right by what a walk has found; how many that were."""
    wrong = list(count.differences())
    for start in range(0, len(wrong), MENDED_AT_ONCE):
        some = wrong[start : start + MENDED_AT_ONCE]
        tree.run_independently(partial(_mend, tree, some))
    if count.everyone:
        tree.run_independently(lambda: _note_counted(tree.subtree("library").quotas))
    return len(wrong)


def _mend(tree: ITree, wrong: list[tuple[str, Numbers, int]]) -> None:
    quotas: Quotas = tree.subtree("library").quotas
    for owner, (files, size), counts in wrong:
        use = quotas.record(owner)
        if use.counts == counts:  # otherwise another walk was quicker
            use.change(files, size)
            use.counts += 1


def _note_counted(quotas: Any) -> None:
    if not quotas.everyone_counted:
        quotas.everyone_counted = True
