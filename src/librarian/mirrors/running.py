"""A probing run over the registry: claim, plan, probe, record.

The tree is used by one thread of its own, in short transactions; the prober's loop never waits for it and
no transaction waits for the network.
"""

import asyncio
import itertools
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from zope.component import getUtility

from librarian.interfaces import IClock
from librarian.mirrors.distributions import MirrorsBranch
from librarian.mirrors.enums import MirrorContent
from librarian.mirrors.interfaces import IDistributionMirrorSet
from librarian.mirrors.model import DistributionMirror
from librarian.mirrors.planning import Claimer, is_due, plan_for
from librarian.mirrors.probing.plan import ProbePlan, ProbeReport
from librarian.mirrors.probing.run import any_reachable, probe_all
from librarian.mirrors.probing.verdict import BatchGuard, Verdict, judge, was_reached
from librarian.mirrors.recording import record
from librarian.mirrors.service import BRANCH, PROBER, mirror_settings
from librarian.mirrors.settings import MirrorSettings
from librarian.security.interaction import acting_as
from librarian.security.principals import script_principal
from librarian.tree.interfaces import ITree

log = logging.getLogger(__name__)

T = TypeVar("T")
CLAIMED_AT_ONCE = 25  # mirrors per transaction


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run covers."""

    content: MirrorContent = MirrorContent.ARCHIVE
    force: bool = False
    limit: int | None = None


@dataclass(slots=True)
class RunSummary:
    """How a run went, by mirror name."""

    probed: int = 0
    good: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)  # taken over by another prober meanwhile
    prober_offline: bool = False

    def count(self, report: ProbeReport, verdict: Verdict, kept: bool) -> None:
        name = report.plan.name
        if not kept:
            self.lost.append(name)
        elif verdict is Verdict.GOOD:
            self.good.append(name)
        else:
            self.failed.append(name)


class ProbeRun:
    """One run.  `on_start` hears how many mirrors there are, `on_probed` of each that is done."""

    def __init__(
        self,
        options: RunOptions,
        on_start: Callable[[int], None] = lambda count: None,
        on_probed: Callable[[ProbeReport], None] = lambda report: None,
        chance: random.Random | None = None,
    ) -> None:
        self._options = options
        self._on_start = on_start
        self._on_probed = on_probed
        self._chance = chance or random.SystemRandom()
        self._tree = getUtility(ITree)
        self._clock = getUtility(IClock)
        self._settings: MirrorSettings = mirror_settings()
        self._claimer = Claimer(self._settings.claim_lifetime)
        self._thread = ThreadPoolExecutor(1, "mirror tree")
        self._bad: list[ProbeReport] = []
        self._well = self._reached = 0  # mirrors that were well before; that answered anything
        self.summary = RunSummary()

    def run(self) -> RunSummary:
        """Probe what is due.  Returns when everything is recorded."""
        with self._thread:
            try:
                asyncio.run(self._run())
            finally:
                self._thread.submit(self._in_tree, self._release).result()
        return self.summary

    async def _run(self) -> None:
        due = await self._work(self._due)
        self._on_start(len(due))
        await probe_all(self._plans(due), self._settings.prober(), self._clock, self._deliver, self._chance)
        self.summary.prober_offline = await self._is_offline()
        verdict = Verdict.INCONCLUSIVE if self.summary.prober_offline else Verdict.FAILED
        for report in self._bad:
            await self._keep(report, verdict)
        log.info("probing run over probed=%d failed=%d", self.summary.probed, len(self.summary.failed))

    def _due(self) -> list[int]:
        mirrors = getUtility(IDistributionMirrorSet)
        options = (self._options.content, self._options.force, self._options.limit)
        found = [*mirrors.getMirrorsToProbe(*options), *mirrors.getMirrorsToRecover(*options)]
        return [mirror.id for mirror in found[: self._options.limit]]

    async def _plans(self, due: list[int]) -> AsyncIterator[ProbePlan]:
        for batch in _batches(due, CLAIMED_AT_ONCE):
            for plan in await self._work(partial(self._claim, batch)):
                yield plan

    def _claim(self, numbers: Iterable[int]) -> list[ProbePlan]:
        now, samples = self._clock.now(), self._settings.samples
        mirrors = [self._branch.mirrors_by_id.get(number) for number in numbers]
        # Asked again: since the list was drawn up another prober may have been there.
        due = [
            each for each in mirrors if each and (self._options.force or is_due(each, now, self._settings))
        ]
        claimed = [mirror for mirror in due if self._claimer.claim(mirror, now)]
        return [
            replace(plan_for(mirror, now, samples, self._chance), keyring=self._keyring_for(mirror))
            for mirror in claimed
        ]

    def _keyring_for(self, mirror: DistributionMirror) -> str | None:
        return self._settings.keyring_of(mirror.distribution.name)

    async def _deliver(self, report: ProbeReport) -> None:
        self.summary.probed += 1
        self._well += report.plan.was_well
        self._reached += was_reached(report)
        self._on_probed(report)
        verdict = judge(report)
        if verdict is Verdict.FAILED:
            # Whether it is the mirror or ourselves is known when all are probed.
            self._bad.append(report)
        else:
            await self._keep(report, verdict)

    async def _is_offline(self) -> bool:
        """Whether it is us: most of those that were well have gone at once, or nobody answers at all.

        Mirrors that were down before say nothing: they are probed so often that they would be most of a run.
        """
        unreached = [report for report in self._bad if not was_reached(report)]
        gone = sum(report.plan.was_well for report in unreached)
        if BatchGuard().prober_is_offline(gone, self._well):
            return True
        if unreached and self._settings.control_urls:
            return not await any_reachable(self._settings.control_urls, self._settings.prober())
        return not self._reached and len(unreached) > 1

    async def _keep(self, report: ProbeReport, verdict: Verdict) -> None:
        kept = await self._work(lambda: self._record(report, verdict))
        self.summary.count(report, verdict, kept)

    def _record(self, report: ProbeReport, verdict: Verdict) -> bool:
        mirror = self._branch.mirrors_by_id.get(report.plan.mirror_id)
        if mirror is None or not self._claimer.holds(mirror):
            return False
        record(mirror, report, verdict, self._clock.now(), self._settings)
        mirror.claim = None
        log.info("mirror probed mirror=%s verdict=%s", mirror.id, verdict.value)
        return True

    def _release(self) -> None:
        """Give up what was claimed and not recorded, when a run ends before its time."""
        for mirror in self._branch.mirrors_by_id.values():
            if self._claimer.holds(mirror):
                mirror.claim = None

    @property
    def _branch(self) -> MirrorsBranch:
        found: MirrorsBranch = self._tree.branch(BRANCH)
        return found

    async def _work(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._in_tree, work)

    def _in_tree(self, work: Callable[[], T]) -> T:
        """`work` in a transaction that is tried again on conflict."""
        with acting_as(script_principal(PROBER)), self._tree.session():
            done: T = self._tree.run(work)
            return done


def _batches(numbers: list[int], size: int) -> Iterable[list[int]]:
    waiting = iter(numbers)
    return iter(lambda: list(itertools.islice(waiting, size)), [])


def summary_json(summary: RunSummary) -> dict[str, Any]:
    """The summary for a script."""
    return {
        "probed": summary.probed,
        "good": summary.good,
        "failed": summary.failed,
        "lost": summary.lost,
        "prober_offline": summary.prober_offline,
    }
