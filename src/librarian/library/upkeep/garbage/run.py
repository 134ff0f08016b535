"""One run: how the steps of the collector go through the tree.

A real run does each batch in a transaction of its own, so uploads go on beside it and memory does not grow
with the library.  A dry run does the same work in one transaction, which is aborted at the end.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import transaction
from transaction.interfaces import TransientError
from zope.component import getUtility

from librarian.interfaces import ISettings
from librarian.library.interfaces import CollectorRefuses
from librarian.library.model.files import LibraryFileAlias, LibraryFileContent
from librarian.library.model.subtree import LibrarySubtree
from librarian.library.operations import Library
from librarian.library.settings import SweepSettings
from librarian.library.upkeep.garbage.report import Action, Report
from librarian.security.audit import record_event
from librarian.tree.batches import BATCH, next_keys

log = logging.getLogger(__name__)

Done = tuple[list[Any], list[Action]]  # the keys of a batch, and what was done


class AliasWork(NamedTuple):
    """What a step does with an alias, told whether one of the systems in `references` refers to it."""

    step: str
    references: dict[str, Any]
    work: Callable[[LibrarySubtree, LibraryFileAlias, bool], Iterator[Action]]


class Run:
    """`library`, `now` (aware, UTC) and `dry_run` are those of the whole run; `report` grows."""

    def __init__(self, library: Library, dry_run: bool, on_action: Callable[[Action], None]) -> None:
        self.library = library
        self.dry_run = dry_run
        self.now = library.clock.now()
        self.expiry_notice = library.settings.expiry_notice
        self.sweep = getUtility(ISettings).section(SweepSettings)
        self.report = Report()
        self.size = BATCH  # objects of the next transaction
        self._on_action = on_action

    def over_aliases(self, works: Sequence[AliasWork]) -> None:
        """Do each work with every alias, all of them with one batch before the next is loaded."""

        def batch(subtree: LibrarySubtree, ids: list[int]) -> Iterator[Action]:
            self.library.tree.prefetch([subtree.aliases[alias_id] for alias_id in ids])
            for work in works:
                held = held_among(work.references, frozenset(ids))
                for alias in filter(None, map(subtree.aliases.get, ids)):  # one before may have dropped it
                    yield from work.work(subtree, alias, alias.id in held)

        self._over([work.step for work in works], "aliases", batch)

    def over_contents(self, work: Callable[[LibrarySubtree, LibraryFileContent], Iterator[Action]]) -> bool:
        """Do `work` with each content that no alias names; whether there is one.  Others are not loaded."""
        is_any = False

        def batch(subtree: LibrarySubtree, keys: list[bytes]) -> Iterator[Action]:
            nonlocal is_any
            named = subtree.named_among(keys)
            unnamed = [subtree.contents[key] for key in keys if key not in named]
            is_any = is_any or bool(unnamed)
            self.library.tree.prefetch(unnamed)
            return chain.from_iterable(work(subtree, content) for content in unnamed)

        self._over(["contents"], "contents", batch)
        return is_any

    def _over(
        self,
        steps: Sequence[str],
        part: str,
        each: Callable[[LibrarySubtree, list[Any]], Iterator[Action]],
    ) -> None:
        after: Any = None

        def batch() -> Done:
            subtree = self.library.subtree
            keys = next_keys(getattr(subtree, part), after, self.size)
            return keys, list(each(subtree, keys)) if keys else []

        while keys := self.batch(steps, batch):
            after = keys[-1]

    def batch(self, steps: Sequence[str], batch: Callable[[], Done]) -> list[Any]:
        """Do one batch of these steps and keep what it did, or, in a dry run, keep it until the run ends."""
        if self.dry_run:
            keys, actions = batch()
            transaction.savepoint(optimistic=True)  # a savepoint writes the changes to a temporary file
        else:
            keys, actions = self._done_beside_others(batch)
        self.begin_anew()
        for step in steps:
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
