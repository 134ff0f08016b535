"""One run: how the steps of the collector go through the tree.

A real run does each batch in a transaction of its own, so uploads go on beside it and memory does not grow
with the library.  A dry run does the same work in one transaction, which is aborted at the end.
"""

import logging
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import transaction
from transaction.interfaces import TransientError

from librarian.library.interfaces import CollectorRefuses
from librarian.library.model.files import LibraryFileAlias, LibraryFileContent
from librarian.library.model.subtree import LibrarySubtree
from librarian.library.operations import Library
from librarian.library.upkeep.garbage.report import Action, Report
from librarian.security.audit import record_event
from librarian.tree.batches import BATCH, next_keys

log = logging.getLogger(__name__)

Done = tuple[list[Any], list[Action]]  # the keys of a batch, and what was done


class Run:
    """`library`, `now` (aware, UTC) and `dry_run` are those of the whole run; `report` grows."""

    def __init__(self, library: Library, dry_run: bool, on_action: Callable[[Action], None]) -> None:
        self.library = library
        self.dry_run = dry_run
        self.now = library.clock.now()
        self.report = Report()
        self.size = BATCH  # objects of the next transaction
        self._on_action = on_action

    def over_aliases(
        self,
        step: str,
        references: dict[str, Any],
        work: Callable[[LibrarySubtree, LibraryFileAlias, bool], Iterator[Action]],
    ) -> None:
        """Do `work` with every alias, and whether one of the systems in `references` refers to it."""

        def each(subtree: LibrarySubtree, ids: list[int]) -> Iterator[Action]:
            held = held_among(references, frozenset(ids))
            for alias_id in ids:
                yield from work(subtree, subtree.aliases[alias_id], alias_id in held)

        self._over(step, "aliases", each)

    def over_contents(self, work: Callable[[LibrarySubtree, LibraryFileContent], Iterator[Action]]) -> None:
        """Do `work` with every content."""

        def each(subtree: LibrarySubtree, keys: list[bytes]) -> Iterator[Action]:
            return chain.from_iterable(work(subtree, subtree.contents[key]) for key in keys)

        self._over("contents", "contents", each)

    def _over(
        self, step: str, part: str, each: Callable[[LibrarySubtree, list[Any]], Iterator[Action]]
    ) -> None:
        after: Any = None

        def batch() -> Done:
            subtree = self.library.subtree
            entries = getattr(subtree, part)
            keys = next_keys(entries, after, self.size)
            self.library.tree.prefetch([entries[key] for key in keys])
            return keys, list(each(subtree, keys))

        while keys := self.batch(step, batch):
            after = keys[-1]

    def batch(self, step: str, batch: Callable[[], Done]) -> list[Any]:
        """Do one batch and keep what it did, or, in a dry run, keep it until the run ends."""
        if self.dry_run:
            keys, actions = batch()
            transaction.savepoint(optimistic=True)  # a savepoint writes the changes to a temporary file
        else:
            keys, actions = self._done_beside_others(batch)
        self.begin_anew()
        self.report.seen[step] = self.report.seen.get(step, 0) + len(keys)
        self.note(actions)
        return keys

    def _done_beside_others(self, batch: Callable[[], Done]) -> Done:
        """Run a batch, a smaller one each time that busy writers were always quicker than it."""
        while True:
            try:
                done = self.library.tree.run(batch)
            except TransientError:
                if self.size == 1:
                    raise
                self.size = max(self.size // 10, 1)
                log.info("collector gives way batch=%d", self.size)
            else:
                self.size = min(self.size * 2, BATCH)
                return done

    def begin_anew(self) -> None:
        """Clear the connection's cache; a real run also begins a new transaction, to see recent commits."""
        if not self.dry_run:
            transaction.begin()
        self.library.tree.forget_loaded()

    def note(self, actions: list[Action]) -> None:
        """Report actions; those of a real run that remove something are also audited."""
        for action in actions:
            self.report.add(action)
            if not self.dry_run and action.verb not in ("marked", "unmarked"):
                facts = {action.kind: action.what, "name": action.name or None}
                record_event(f"{action.kind} {action.verb} by gc", **facts)
            self._on_action(action)


def held_among(references: dict[str, Any], ids: frozenset[int]) -> set[int]:
    """Those of `ids` that a system refers to.  Raises CollectorRefuses where a system fails to answer."""
    held: set[int] = set()
    for name, utility in references.items():
        try:
            held |= utility.held_among(ids)
        except Exception as error:
            raise CollectorRefuses(f"{name} cannot tell which files it holds: {error!r}") from error
    return held
