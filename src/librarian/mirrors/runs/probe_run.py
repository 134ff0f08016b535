"""A probing run over the registry: claim, plan, probe, record.

One thread uses the tree, in short transactions, so that neither the event loop waits for a transaction nor
a transaction for the network.
"""

import asyncio
import itertools
import logging
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from zope.component import getUtility

from librarian.interfaces import IClock
from librarian.mirrors.enums import FindingKind
from librarian.mirrors.interfaces import IDistributionMirrorSet
from librarian.mirrors.model.distributions import MirrorsSubtree
from librarian.mirrors.model.mirrors import DistributionMirror
from librarian.mirrors.probing.control import (
    ASKED_AT_ONCE,
    Confirmation,
    Controls,
    ControlSite,
    needs_control,
)
from librarian.mirrors.probing.interfaces import ProberSettings
from librarian.mirrors.probing.parallel import probe_with
from librarian.mirrors.probing.plan import ProbePlan, ProbeReport
from librarian.mirrors.probing.transport.fetcher import Fetcher
from librarian.mirrors.probing.transport.throttle import Throttle
from librarian.mirrors.probing.verdict import BatchGuard, Verdict, judge, was_reached
from librarian.mirrors.runs.claims import Claimer
from librarian.mirrors.runs.outages import control_sites, is_first_look
from librarian.mirrors.runs.planning import plan_for
from librarian.mirrors.runs.recording import record
from librarian.mirrors.runs.summary import RunOptions, RunSummary
from librarian.mirrors.service.bound import bind_mirror
from librarian.mirrors.service.subtree import PROBER, mirrors_subtree
from librarian.mirrors.settings import MirrorSettings, mirror_settings
from librarian.security.interaction import acting_as
from librarian.security.principals import script_principal
from librarian.tree.interfaces import ITree

log = logging.getLogger(__name__)

T = TypeVar("T")
CLAIMED_AT_ONCE = 25  # mirrors per transaction


class ProbeRun:
    """One run.  `on_start` hears how many mirrors there are, `on_probed` of each that is done."""

    def __init__(
        self,
        options: RunOptions,
        on_start: Callable[[int], None] = lambda count: None,
        on_probed: Callable[[ProbeReport], None] = lambda report: None,
        chance: random.Random | None = None,
        network: Callable[[ProberSettings, Throttle], Fetcher] = Fetcher,
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
        self._network = network
        self._bad: list[tuple[ProbeReport, Confirmation]] = []
        self._well = self._reached = 0  # mirrors that were well before; that answered anything
        self.summary = RunSummary()

    def run(self) -> RunSummary:
        """Probe the mirrors that are due.  Returns when all reports are recorded."""
        with self._thread:
            try:
                asyncio.run(self._run())
            finally:
                self._thread.submit(self._in_tree, self._release).result()
        return self.summary

    async def _run(self) -> None:
        due, sites = await self._work(self._due_and_sites)
        self._on_start(len(due))
        if due:
            await self._probe(due, sites)
        log.info("probing run over probed=%d failed=%d", self.summary.probed, len(self.summary.failed))

    async def _probe(self, due: list[int], sites: list[ControlSite]) -> None:
        prober = self._settings.prober()
        throttle, spare = _throttles(prober)
        async with self._network(prober, throttle) as fetcher, self._network(prober, spare) as asking:
            self._controls = Controls(asking, sites, self._clock, self._chance)
            fetcher.on_silence = self._controls.request_failed
            if not await self._controls.is_offline():
                await probe_with(fetcher, self._plans(due), self._clock, self._deliver, self._chance)
            await self._controls.close()
        await self._judge_the_bad()

    async def _judge_the_bad(self) -> None:
        """Judge the failures, now that all controls have been asked."""
        gone_at_once = self._most_are_gone()
        for report, found in self._bad:
            counts = self._controls.another_was_good_beside(report) if found.counts is None else found.counts
            verdict = Verdict.FAILED if counts and not gone_at_once else Verdict.INCONCLUSIVE
            if verdict is Verdict.INCONCLUSIVE:
                self.summary.unconfirmed.append(report.plan.name)
            await self._keep(report, verdict, found.families)
        missed = {family for family, _ in self._controls.missed}
        missed |= {socket.AF_UNSPEC} if gone_at_once else set()
        self.summary.prober_offline = socket.AF_UNSPEC in missed
        if missed:
            # After the last record: the next failure of each mirror is a first look, which does not count.
            await self._work(lambda: self._subtree.note_offline(missed, self._clock.now()))

    def _due_and_sites(self) -> tuple[list[int], list[ControlSite]]:
        due, now = self._due(), self._clock.now()
        return due, control_sites(self._subtree, self._settings, now, self._chance) if due else []

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
        now = self._clock.now()
        mirrors = [self._subtree.mirrors_by_id.get(number) for number in numbers]
        # Checked again: another prober may have probed it since the list was made.
        due = [each for each in mirrors if each and (self._options.force or self._is_due(each, now))]
        claimed = [mirror for mirror in due if self._claimer.claim(mirror, now)]
        return [
            replace(plan_for(mirror, now, self._settings, self._chance), keyring=self._keyring_for(mirror))
            for mirror in claimed
        ]

    def _is_due(self, mirror: DistributionMirror, now: datetime) -> bool:
        return mirror.is_due(now, self._settings.probe_interval, self._settings.recheck_interval)

    def _keyring_for(self, mirror: DistributionMirror) -> str | None:
        return self._settings.keyring_of(mirror.distribution.name)

    async def _deliver(self, report: ProbeReport) -> None:
        self.summary.probed += 1
        self._well += report.plan.was_well
        self._reached += was_reached(report)
        self._on_probed(report)
        verdict = judge(report)
        if verdict is not Verdict.FAILED:
            if verdict in (Verdict.GOOD, Verdict.UNKNOWN):
                self._controls.found_good(report)
            await self._keep(report, verdict)
        else:
            if report.has(FindingKind.ADDRESS_REFUSED):
                self.summary.refused.append(report.plan.name)
            doubtful = needs_control(report, behind_proxy=bool(self._settings.proxy))
            confirmation = await self._controls.confirm(report) if doubtful else Confirmation(True)
            self._bad.append((report, confirmation))

    def _most_are_gone(self) -> bool:
        """Whether most mirrors that were well are gone at once: then the prober's network is the cause, even
        if controls answer.  So it is if none of several mirrors answers and there are no controls.

        Mirrors that were down before do not count, since they are probed so often that they would be most of
        a run; nor do those at refused addresses.
        """
        unreached = [report for report, _ in self._bad if not was_reached(report)]
        refused = sum(report.plan.was_well for report in unreached if _is_refused(report))
        gone = sum(report.plan.was_well for report in unreached)
        if not self._reached and len(unreached) > 1 and all(found.counts is None for _, found in self._bad):
            return not all(_is_refused(report) for report in unreached)
        return BatchGuard().prober_is_offline(gone - refused, self._well - refused)

    async def _keep(
        self, report: ProbeReport, verdict: Verdict, families: frozenset[int] = Confirmation(True).families
    ) -> None:
        kept = await self._work(lambda: self._record(report, verdict, families))
        self.summary.count(report, verdict, kept)

    def _record(self, report: ProbeReport, verdict: Verdict, families: frozenset[int]) -> bool:
        mirror = self._subtree.mirrors_by_id.get(report.plan.mirror_id)
        if mirror is None or not self._claimer.holds(mirror):
            return False
        offline = self._subtree.last_offline(families)
        if verdict is Verdict.FAILED and is_first_look(mirror, offline):
            verdict = Verdict.INCONCLUSIVE
        record(bind_mirror(mirror), report, verdict, self._clock.now(), self._settings)
        mirror.claim = None
        log.info("mirror probed mirror=%s verdict=%s", mirror.id, verdict.value)
        return True

    def _release(self) -> None:
        """Release the mirrors that were claimed and not recorded, when a run ends early."""
        for mirror in self._subtree.mirrors_by_id.values():
            if self._claimer.holds(mirror):
                mirror.claim = None

    @property
    def _subtree(self) -> MirrorsSubtree:
        return mirrors_subtree()

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


def _throttles(prober: ProberSettings) -> tuple[Throttle, Throttle]:
    """The throttles of the probes and of the controls, which together keep to `prober.parallel`."""
    kept_back = min(ASKED_AT_ONCE, prober.parallel // 4)
    throttle = Throttle(prober.parallel - kept_back, prober.parallel_per_host)
    return throttle, throttle.spare(kept_back) if kept_back else throttle


def _is_refused(report: ProbeReport) -> bool:
    return report.has(FindingKind.ADDRESS_REFUSED)
