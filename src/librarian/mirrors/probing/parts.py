"""The judgement of one part of a mirror, by the files it has and lacks.  Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from librarian.mirrors.enums import MirrorStatus
from librarian.mirrors.freshness import STATUS_HOURS, status_for_lag
from librarian.mirrors.probing.plan import ContentCheck, SuiteState

_HOURS = dict(STATUS_HOURS)
_OF_ONE_VERSION = (".deb", ".dsc")  # a tarball may have come with an earlier version, so it proves no date


@dataclass(frozen=True, slots=True)
class AskedFile:
    """A published file, and whether the mirror has it; None: its answer did not tell."""

    path: str
    there: bool | None
    date: datetime | None = None  # when it was published


@dataclass(frozen=True, slots=True)
class PartJudgement:
    """The status of a part that is certain, and the files it must have and lacks."""

    status: MirrorStatus
    lag: timedelta | None = None  # how far behind; None: not known
    lacking: tuple[str, ...] = ()  # paths
    unsure: bool = False  # it lacks what the archive may have taken out meanwhile


def judge_part(
    check: ContentCheck, asked: Sequence[AskedFile], state: SuiteState | None, now: datetime
) -> PartJudgement:
    """The judgement of a part whose files were asked for: the worst status that is certain.

    With a Release file that the archive had, the mirror must have every file published until its date, and
    none published later.  Without one, a mirror that has a file has synchronised since it was published,
    and so must have the older ones.
    """
    if state is None:
        found = _by_windows(check, asked, now)
    elif state.ahead:
        absent = any(file.there is False for file in asked)
        found = PartJudgement(MirrorStatus.UP, timedelta(0), unsure=absent)
    else:
        due = [file for file in asked if file.date is None or file.date <= state.date]
        found = _with_lacking(status_for_lag(state.lag), state.lag, due, now)
    if any(file.there is None for file in asked):
        return PartJudgement(MirrorStatus.UNKNOWN, None, found.lacking, found.unsure)
    return found


def _by_windows(check: ContentCheck, asked: Sequence[AskedFile], now: datetime) -> PartJudgement:
    """The judgement without a Release file: the freshest file that is there decides."""
    there = {file.path for file in asked if file.there}
    status = min(
        (each for each, path in check.freshness.items() if path in there), default=MirrorStatus.UNKNOWN
    )
    if status is MirrorStatus.UNKNOWN:
        return PartJudgement(status)
    since = check.dates.get(check.freshness[status])
    lag = timedelta(hours=_HOURS[status]) if since is None else now - since
    newest = max(
        (file.date for file in asked if file.there and file.date and file.path.endswith(_OF_ONE_VERSION)),
        default=None,
    )
    older = {path for each, path in check.freshness.items() if each > status}
    due = [
        file
        for file in asked
        if file.path in older or (newest is not None and file.date is not None and file.date <= newest)
    ]
    return _with_lacking(status, timedelta(0) if status is MirrorStatus.UP else lag, due, now)


def _with_lacking(
    status: MirrorStatus, lag: timedelta, due: Sequence[AskedFile], now: datetime
) -> PartJudgement:
    """A part that lacks a file is at least as far behind as that is old, and never up to date."""
    lacking = [file for file in due if file.there is False]
    if not lacking:
        return PartJudgement(status, lag)
    paths = tuple(file.path for file in lacking)
    dates = [file.date for file in lacking if file.date is not None]
    lag = max(lag, now - min(dates)) if len(dates) == len(lacking) else timedelta.max
    worst = max(status, status_for_lag(lag))
    if worst in (MirrorStatus.UP, MirrorStatus.UNKNOWN):
        return PartJudgement(MirrorStatus.UNKNOWN, None, paths)
    return PartJudgement(worst, lag, paths)
