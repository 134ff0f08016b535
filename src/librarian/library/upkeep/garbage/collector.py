"""The garbage collector: space comes back, and nothing live is ever removed.

In order: expire aliases, drop aliases without references, drop contents without aliases, sweep bytes
without contents, forget tokens.

A write beside it makes it conflict: a system that begins to hold a file writes the alias's record, and an
upload of a content that was found unclaimed writes that content; the collector writes the same objects
before it removes anything.  So one of the two starts again, and sees what the other has done.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from typing import Any

import transaction
from zope.component import getUtilitiesFor

from librarian.clock import own_time
from librarian.library.installation import installation_of
from librarian.library.interfaces import CollectorRefuses, IFileReferences
from librarian.library.operations import Library
from librarian.library.upkeep.garbage.report import Action, Report
from librarian.library.upkeep.garbage.run import Run
from librarian.library.upkeep.garbage.steps import drop_contents, forget_tokens, look_at_aliases
from librarian.library.upkeep.garbage.sweeping import sweep
from librarian.tree.interfaces import TreeFull

log = logging.getLogger(__name__)

WORST_SKEW = timedelta(minutes=5)

STEPS = ("expire", "aliases", "contents", "bytes", "tokens")
STEPS_OF_ALIASES = ("expire", "aliases", "contents")  # all in one walk over the aliases


class GarbageCollector:
    """One run over one library.  `on_action` is called with each action, `dry_run` removes nothing."""

    def __init__(
        self,
        library: Library,
        dry_run: bool = False,
        on_action: Callable[[Action], None] = lambda action: None,
    ) -> None:
        self._run = Run(library, dry_run, on_action)

    @property
    def report(self) -> Report:
        """The report of the run, up to now."""
        return self._run.report

    def run(
        self,
        steps: tuple[str, ...] = STEPS,
        *,
        trust_empty_tree: bool = False,
        however_much: bool = False,
    ) -> Report:
        """Do `steps`, in their order.  Raises CollectorRefuses before anything is touched.

        `however_much`: sweep even more than the settings allow for one sweep.
        """
        run = self._run
        of_aliases = tuple(step for step in STEPS_OF_ALIASES if step in steps)
        work: list[tuple[tuple[str, ...], Callable[[Run, dict[str, Any]], None]]] = [
            (of_aliases, partial(look_at_aliases, steps=of_aliases)),
            (("contents",), drop_contents),
            (("bytes",), partial(sweep, however_much=however_much)),
            (("tokens",), forget_tokens),
        ]
        tree = run.library.tree
        with tree.session(), nullcontext() if run.dry_run else tree.in_need():
            references = _check(run, trust_empty_tree)
            try:
                for part, do in work:
                    if part and set(part) <= set(steps):
                        log.info("collector steps=%s dry_run=%s", ",".join(part), run.dry_run)
                        _do(run, part, partial(do, run, references))
            finally:
                transaction.abort()
        return run.report


def _do(run: Run, steps: Sequence[str], work: Callable[[], None]) -> None:
    """Do these steps.  One that the disk has no room for is no reason to leave out those that make room."""
    try:
        work()
    except TreeFull as full:
        log.error("collector left out steps=%s reason=%s", ",".join(steps), full)
        run.report.skipped.update(dict.fromkeys(steps, str(full)))
        run.report.full = True


def _check(run: Run, trust_empty_tree: bool) -> dict[str, Any]:
    library = run.library
    transaction.begin()
    skew = abs(library.tree.host_time() - own_time(library.clock))
    if skew >= WORST_SKEW:
        raise CollectorRefuses(f"the clocks of this host and of the database differ by {skew}")
    subtree = library.subtree
    if subtree.collected_at is not None and run.now < subtree.collected_at - WORST_SKEW:
        last = subtree.collected_at
        raise CollectorRefuses(f"the clock shows {run.now}, but the last run was at {last}")
    if not subtree.contents and not trust_empty_tree and any(True for _ in library.store):
        raise CollectorRefuses("the tree names no content at all, but the byte store is not empty")
    if installation_of(library.tree) != library.store.installation():
        raise CollectorRefuses("the tree and the byte store are not of the same installation")
    references = dict(getUtilitiesFor(IFileReferences))
    if missing := subtree.reference_names - set(references):
        raise CollectorRefuses(f"no system answers any more for files held by: {', '.join(sorted(missing))}")
    if not run.dry_run:
        library.tree.run(lambda: _remember(run, set(references)))
    return references


def _remember(run: Run, names: set[str]) -> None:
    subtree = run.library.subtree
    subtree.collected_at = run.now
    subtree.reference_names = frozenset(names) | subtree.reference_names
