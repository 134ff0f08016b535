"""The verdict of a probe: for the mirror, for the run, and over time.  Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from statistics import fmean, pstdev

from librarian.mirrors.enums import FindingKind, MirrorContent, MirrorStatus
from librarian.mirrors.probing.plan import ProbeReport


class Verdict(Enum):
    """The verdict of one probe on a mirror."""

    GOOD = "good"
    FAILED = "failed"
    UNKNOWN = "unknown"  # nothing wrong was found, but the freshness of a part is not known
    INCONCLUSIVE = "inconclusive"  # the prober was offline: it says nothing about the mirror


def judge(report: ProbeReport) -> Verdict:
    """A mirror fails when it has nothing of what it should have, or hands out something else.

    An image mirror should have every image.  An archive mirror may leave out whole parts, but of those it
    has nothing the archive's indices list may be missing, and it is good only if of each it is known how
    fresh that is.  Where it is not known what it should have, nothing follows; nor where it changed while it
    was asked, or is ahead of what was read of the archive and lacks something that may be gone there too.
    """
    if report.broken_off or not (report.plan.checks or report.plan.images):
        return Verdict.INCONCLUSIVE
    if any(finding.kind.dishonest for finding in report.findings):
        return Verdict.FAILED
    if report.plan.content is MirrorContent.RELEASE:
        complete = len(report.images) == len(report.plan.images)
        return Verdict.GOOD if complete else Verdict.FAILED
    if not report.contents or report.has(FindingKind.INCOMPLETE):
        return Verdict.FAILED
    return _well(report)


def _well(report: ProbeReport) -> Verdict:
    """The verdict on an archive mirror without a finding that fails it."""
    if report.moving or report.unsure:
        return Verdict.INCONCLUSIVE
    return Verdict.UNKNOWN if MirrorStatus.UNKNOWN in report.contents.values() else Verdict.GOOD


def is_incomplete(report: ProbeReport) -> bool:
    """Whether it lacks files that it must have, and has no wrong ones."""
    honest = not any(finding.kind.dishonest for finding in report.findings)
    return honest and bool(report.contents) and report.has(FindingKind.INCOMPLETE)


def was_reached(report: ProbeReport) -> bool:
    """Whether the mirror's server answered any request, even with a refusal."""
    return bool(report.seconds) or report.has(
        FindingKind.MISSING, FindingKind.REDIRECTED_ELSEWHERE, FindingKind.REDIRECT_LOOP, FindingKind.SOFT_404
    )


@dataclass(frozen=True, slots=True)
class BatchGuard:
    """Tells an outage of the prober from failures of mirrors: most mirrors do not fail in one run."""

    smallest_batch: int = 4
    share: float = 0.5

    def prober_is_offline(self, unreached: int, probed: int) -> bool:
        """Whether more than `share` of a run large enough to tell could not be reached."""
        return probed >= self.smallest_batch and unreached > self.share * probed


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One past probe, as far as scoring is concerned."""

    date: datetime
    good: bool
    seconds: float  # mean of the answered requests
    lag_hours: float


@dataclass(frozen=True, slots=True)
class Score:
    """The score of a mirror over a time; lower is better.  The formula is archweb's."""

    checks: int
    completion: float  # 0 to 1
    delay_hours: float
    mean_seconds: float
    deviation_seconds: float

    @property
    def value(self) -> float | None:
        """(hours of delay + mean + standard deviation of the duration) / completion; None if never up."""
        if not self.completion:
            return None
        return (self.delay_hours + self.mean_seconds + self.deviation_seconds) / self.completion


def score(history: Sequence[HistoryEntry]) -> Score:
    """Sum up the probes of a period."""
    good = [entry for entry in history if entry.good]
    seconds = [entry.seconds for entry in good]
    return Score(
        checks=len(history),
        completion=len(good) / len(history) if history else 0.0,
        delay_hours=fmean(entry.lag_hours for entry in good) if good else 0.0,
        mean_seconds=fmean(seconds) if seconds else 0.0,
        deviation_seconds=pstdev(seconds) if seconds else 0.0,
    )
