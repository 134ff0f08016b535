"""The garbage collector: space comes back, and nothing live is ever removed.

In order: expire aliases, drop unreferenced aliases, drop contents without alias, sweep bytes that
nobody names.  Each step goes through the tree in batches, each batch a transaction of its own, so
uploads go on beside it and memory does not grow with the library.

What keeps it safe beside them: whoever holds a file writes its record, and whoever names a content
that was found unclaimed writes that; the collector writes the same objects before it removes
anything.  So one of the two conflicts, starts again, and sees what the other has done.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain, islice
from typing import Any

import transaction
from transaction.interfaces import TransientError
from zope.component import getUtilitiesFor, getUtility

from librarian.interfaces import ISettings
from librarian.library.installation import installation_of
from librarian.library.interfaces import NEVER_EXPIRES, CollectorRefuses, IFileReferences
from librarian.library.model.files import LibraryFileAlias, LibraryFileContent
from librarian.library.model.subtree import LibrarySubtree
from librarian.library.operations import Library
from librarian.library.settings import SweepSettings
from librarian.library.upkeep.interfaces import UpkeepBusy
from librarian.library.upkeep.model import HeldLease, leased
from librarian.library.upkeep.sweeping import Doomed
from librarian.security.audit import record_event
from librarian.tree.interfaces import TreeFull

log = logging.getLogger(__name__)

BATCH = 1000  # objects of one transaction
WEEK = timedelta(days=7)  # Launchpad's stay of execution for aliases
DAY = timedelta(days=1)  # and for bytes: longer than any upload takes to be named
WORST_SKEW = timedelta(minutes=5)

STEPS = ("expire", "aliases", "contents", "bytes", "tokens")


@dataclass(frozen=True, slots=True)
class Action:
    """One thing done, or, in a dry run, that would be done."""

    step: str
    verb: str  # expired, marked, unmarked, dropped, forgotten, swept
    kind: str  # alias, content, bytes, token
    what: str  # the alias's or token's id, or the sha256
    name: str = ""  # the alias's filename, or the token's path
    size: int = 0  # bytes that this gives back

    def __str__(self) -> str:
        return " ".join(part for part in (self.verb, self.kind, self.what, self.name) if part)


@dataclass
class Report:
    """How many objects each step saw and what it did with them."""

    seen: dict[str, int] = field(default_factory=dict)
    done: dict[str, dict[str, int]] = field(default_factory=dict)  # step -> verb -> number
    freed: int = 0  # bytes
    skipped: dict[str, str] = field(default_factory=dict)  # step -> why it was left out
    held_back: int = 0  # files that a sweep did not remove because they were so many
    full: bool = False  # a step was left out for want of room, even with the reserve

    def add(self, action: Action) -> None:
        verbs = self.done.setdefault(action.step, {})
        verbs[action.verb] = verbs.get(action.verb, 0) + 1
        self.freed += action.size


class GarbageCollector:
    """One run over one library."""

    def __init__(self, library: Library, dry_run: bool = False, tell: Callable[[Action], None] | None = None):
        self._library = library
        self._dry_run = dry_run
        self._tell = tell or (lambda action: None)
        self._now = library.clock.now()
        self._size = BATCH
        self._however_much = False
        self._limit = getUtility(ISettings).section(SweepSettings)
        self.report = Report()

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
        self._however_much = however_much
        tree = self._library.tree
        with tree.session(), nullcontext() if self._dry_run else tree.in_need():
            references = self._check(trust_empty_tree)
            try:
                for step in STEPS:
                    if step in steps:
                        log.info("collector step=%s dry_run=%s", step, self._dry_run)
                        self._step(step, references)
            finally:
                transaction.abort()
        return self.report

    def _step(self, step: str, references: dict[str, Any]) -> None:
        """Do one step.  One that the disk has no room for is no reason to leave out those that make room."""
        try:
            getattr(self, f"_{step}")(references)
        except TreeFull as full:
            log.error("collector step left out step=%s reason=%s", step, full)
            self.report.skipped[step] = str(full)
            self.report.full = True

    # Whether to run at all.

    def _check(self, trust_empty_tree: bool) -> dict[str, Any]:
        library = self._library
        transaction.begin()
        skew = abs(library.tree.host_time() - library.clock.now())
        if skew >= WORST_SKEW:
            raise CollectorRefuses(f"the clocks of this host and of the database differ by {skew}")
        subtree = library.subtree
        if subtree.collected_at is not None and self._now < subtree.collected_at - WORST_SKEW:
            last = subtree.collected_at
            raise CollectorRefuses(f"the clock shows {self._now}, but the last run was at {last}")
        if not subtree.contents and not trust_empty_tree and any(True for _ in library.store):
            raise CollectorRefuses("the tree names no content at all, but the byte store is not empty")
        if installation_of(library.tree) != library.store.installation():
            raise CollectorRefuses("the tree and the byte store are not of the same installation")
        references = dict(getUtilitiesFor(IFileReferences))
        if missing := subtree.reference_names - set(references):
            raise CollectorRefuses(f"nobody answers any more for files held by: {', '.join(sorted(missing))}")
        if not self._dry_run:
            library.tree.run(lambda: self._remember(set(references)))
        return references

    def _remember(self, names: set[str]) -> None:
        subtree = self._library.subtree
        subtree.collected_at = self._now
        subtree.reference_names = frozenset(names) | subtree.reference_names

    # The steps.

    def _expire(self, references: dict[str, Any]) -> None:
        """A week after its expiry an alias loses its content, whether or not anything refers to it."""

        def work(subtree: LibrarySubtree, record: LibraryFileAlias, held: bool) -> Iterator[Action]:
            expires = record.expires
            if record.content is None or expires is None or expires == NEVER_EXPIRES:
                return
            if expires < self._now - WEEK:
                subtree.delete_content(record)
                yield Action("expire", "expired", "alias", str(record.id), record.filename)

        self._over_aliases("expire", {}, work)

    def _aliases(self, references: dict[str, Any]) -> None:
        """An alias that nobody has held for a week goes, if it is a week old and nothing promised
        that it would stay."""

        def work(subtree: LibrarySubtree, record: LibraryFileAlias, held: bool) -> Iterator[Action]:
            if held:
                if record.unreferenced_since is not None:
                    record.unreferenced_since = None
                    yield Action("aliases", "unmarked", "alias", str(record.id), record.filename)
            elif self._may_go(record):
                if record.unreferenced_since is None:
                    record.unreferenced_since = self._now
                    yield Action("aliases", "marked", "alias", str(record.id), record.filename)
                elif record.unreferenced_since < self._now - WEEK:
                    subtree.drop(record)
                    yield Action("aliases", "dropped", "alias", str(record.id), record.filename)

        self._over_aliases("aliases", references, work)

    def _may_go(self, record: LibraryFileAlias) -> bool:
        if record.former_content is not None:
            return False  # deleted, and may still be brought back
        if record.content is None:
            return True
        expired = record.expires is None or record.expires < self._now - WEEK
        return expired and record.date_created < self._now - WEEK

    def _contents(self, references: dict[str, Any]) -> None:
        """A content that no alias names goes: marked in one transaction, dropped in the next, so
        that an upload which names it meanwhile is seen."""
        self._over_aliases("contents", {}, self._forget_former)
        self._over_contents(self._mark)
        self._over_contents(self._drop)

    def _forget_former(
        self, subtree: LibrarySubtree, record: LibraryFileAlias, held: bool
    ) -> Iterator[Action]:
        if record.former_content is not None and (record.content_deleted or self._now) < self._now - WEEK:
            subtree.forget_former(record)
            yield Action("contents", "forgotten", "alias", str(record.id), record.filename)

    def _mark(self, subtree: LibrarySubtree, content: LibraryFileContent) -> Iterator[Action]:
        if content.unclaimed_since is None and not subtree.is_named(content):
            content.unclaimed_since = self._now
        return iter(())

    def _drop(self, subtree: LibrarySubtree, content: LibraryFileContent) -> Iterator[Action]:
        if content.unclaimed_since is None:
            return
        content.unclaimed_since = None
        if not subtree.is_named(content):
            subtree.drop_content(content)
            yield Action("contents", "dropped", "content", content.sha256)

    def _bytes(self, references: dict[str, Any]) -> None:
        """Bytes that no content names go, a day after they were last stored; not while a backup copies."""
        if self._dry_run:
            self._sweep(None)
            return
        try:
            with leased(self._library.tree, self._library.clock, "sweep") as lease:
                self._sweep(lease)
                self._count_bytes()
        except UpkeepBusy as busy:
            log.warning("sweep left out reason=%s", busy)
            self.report.skipped["bytes"] = str(busy)

    def _count_bytes(self) -> None:
        """Add up what the store holds, for whoever watches it; a full walk has just warmed the caches."""
        facts = {"store_bytes": self._library.store.recount(), "store_counted": self._now}
        self._library.tree.run_independently(lambda: self._library.tree.subtree("upkeep").note(**facts))

    def _sweep(self, lease: HeldLease | None) -> None:
        doomed = Doomed(self._library, self._now - DAY, self._begin_anew, BATCH)
        if lease is None:
            for sha256, size in doomed:
                self._note([Action("bytes", "swept", "bytes", sha256, size=size)])
            self._is_held_back(doomed)
        else:
            self._remove(doomed, lease)
        self.report.seen["bytes"] = doomed.held

    def _remove(self, doomed: Doomed, lease: HeldLease) -> None:
        store, before = self._library.store, self._now - DAY
        for part in doomed.rounds():
            lease.renew()
            if self._is_held_back(doomed):
                return
            for number, sha256 in enumerate(part, 1):
                if number % BATCH == 0:
                    self._begin_anew()
                size = doomed.size_if_doomed(sha256)
                lease.renew()
                if size is not None and store.remove(sha256, stored_before=before):
                    self._note([Action("bytes", "swept", "bytes", sha256, size=size)])

    def _is_held_back(self, doomed: Doomed) -> bool:
        """Whether it would be so much that nothing of it is done without being told to."""
        number, held = doomed.number, doomed.held
        if self._however_much or not self._limit.is_too_much(number, held):
            return False
        self.report.held_back = number
        self.report.skipped["bytes"] = (
            f"{number} of {held} files would go, more than {self._limit.sweep_max_share:.0%} and more than"
            f" {self._limit.sweep_max_files}; is this the right tree? If it is, sweep with --yes-really"
        )
        log.error("sweep held back files=%d held=%d", number, held)
        return True

    def _tokens(self, references: dict[str, Any]) -> None:
        """Tokens that died of age are forgotten."""

        def batch() -> tuple[list[Any], list[Action]]:
            subtree = self._library.subtree
            dead = list(subtree.expired_tokens(self._now, self._size))
            for token in dead:
                subtree.drop_token(token)
            return dead, [Action("tokens", "forgotten", "token", token.id, token.path) for token in dead]

        while self._batch("tokens", batch):
            continue

    # Going through the tree.

    def _over_aliases(
        self,
        step: str,
        references: dict[str, Any],
        work: Callable[[LibrarySubtree, LibraryFileAlias, bool], Iterator[Action]],
    ) -> None:
        last = 0

        def batch() -> tuple[list[int], list[Action]]:
            subtree = self._library.subtree
            ids = list(islice(subtree.aliases.keys(min=last + 1), self._size))
            records = [subtree.aliases[alias_id] for alias_id in ids]
            self._library.tree.prefetch(records)
            held = _held(references, frozenset(ids))
            done = (work(subtree, record, record.id in held) for record in records)
            return ids, list(chain.from_iterable(done))

        while ids := self._batch(step, batch):
            last = ids[-1]

    def _over_contents(self, work: Callable[[LibrarySubtree, LibraryFileContent], Iterator[Action]]) -> None:
        last = b""

        def batch() -> tuple[list[bytes], list[Action]]:
            subtree = self._library.subtree
            keys = list(islice(subtree.contents.keys(min=last, excludemin=True), self._size))
            contents = [subtree.contents[key] for key in keys]
            self._library.tree.prefetch(contents)
            return keys, [action for content in contents for action in work(subtree, content)]

        while keys := self._batch("contents", batch):
            last = keys[-1]

    def _batch(self, step: str, batch: Callable[[], tuple[list[Any], list[Action]]]) -> list[Any]:
        """Do one batch and keep what it did, or, in a dry run, keep it until the run ends."""
        if self._dry_run:
            keys, actions = batch()
            transaction.savepoint(optimistic=True)  # what changed goes to a temporary file
        else:
            keys, actions = self._done_beside_others(batch)
        self._begin_anew()
        self.report.seen[step] = self.report.seen.get(step, 0) + len(keys)
        self._note(actions)
        return keys

    def _done_beside_others(
        self, batch: Callable[[], tuple[list[Any], list[Action]]]
    ) -> tuple[list[Any], list[Action]]:
        """Run a batch, a smaller one each time that busy writers were always quicker than it."""
        while True:
            try:
                done = self._library.tree.run(batch)
            except TransientError:
                if self._size == 1:
                    raise
                self._size = max(self._size // 10, 1)
                log.info("collector gives way batch=%d", self._size)
            else:
                self._size = min(self._size * 2, BATCH)
                return done

    def _begin_anew(self) -> None:
        """Let go of what was loaded; a real run also looks at the tree as it is now."""
        if not self._dry_run:
            transaction.begin()
        self._library.tree.forget_loaded()

    def _note(self, actions: list[Action]) -> None:
        for action in actions:
            self.report.add(action)
            if not self._dry_run and action.verb not in ("marked", "unmarked"):
                facts = {action.kind: action.what, "name": action.name or None}
                record_event(f"{action.kind} {action.verb} by gc", **facts)
            self._tell(action)


def _held(references: dict[str, Any], ids: frozenset[int]) -> set[int]:
    """Those of `ids` that anybody holds.  Raises CollectorRefuses if anybody fails to answer."""
    held: set[int] = set()
    for name, utility in references.items():
        try:
            held |= utility.held_among(ids)
        except Exception as error:
            raise CollectorRefuses(f"{name} cannot tell which files it holds: {error!r}") from error
    return held
