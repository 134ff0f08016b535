"""Freshness of a mirror: the recently published files it is asked for, and the status that follows.

A file published in the window of a status that a mirror already has proves that the mirror
synchronised after that publication.  The windows are in hours before the probe.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from librarian.mirrors.enums import MirrorStatus

STATUS_HOURS: tuple[tuple[MirrorStatus, float], ...] = (
    (MirrorStatus.UP, 0.5),
    (MirrorStatus.ONEHOURBEHIND, 1.5),
    (MirrorStatus.TWOHOURSBEHIND, 2.5),
    (MirrorStatus.SIXHOURSBEHIND, 6.5),
    (MirrorStatus.ONEDAYBEHIND, 24.5),
    (MirrorStatus.TWODAYSBEHIND, 48.5),
    (MirrorStatus.ONEWEEKBEHIND, 168.5),
)

T = TypeVar("T")


def as_utc(moment: datetime) -> datetime:
    """The same moment, aware; a naive one is in UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def choose_by_window(
    newest: Callable[[datetime | None, datetime], T | None], when: datetime
) -> dict[MirrorStatus, T]:
    """For each status whose window holds a publication, the newest one in it, freshest first.

    `newest(start, end)` gives the newest thing published at or after `start` (None: however old)
    and at or before `end`, or None.
    The windows touch and do not overlap; each takes its older edge.  When no window holds any, the newest
    of all stands for UP: nothing happened lately, so a mirror that has it is up to date.
    """
    chosen: dict[MirrorStatus, T] = {}
    end = when
    for status, hours in STATUS_HOURS:
        start = when - timedelta(hours=hours)
        found = newest(start, end)
        if found is not None:
            chosen[status] = found
        end = start - datetime.resolution
    if not chosen and (latest := newest(None, when)) is not None:
        chosen[MirrorStatus.UP] = latest
    return chosen


def status_for_lag(lag: timedelta) -> MirrorStatus:
    """The status of a mirror known to lack what was published `lag` ago."""
    for status, hours in STATUS_HOURS:
        if lag <= timedelta(hours=hours):
            return status
    return MirrorStatus.UNKNOWN


def overall(statuses: Iterable[MirrorStatus]) -> MirrorStatus:
    """The worst that is known for certain of a mirror's parts.

    With a part of unknown freshness it is UNKNOWN, unless another part is known to be behind.
    """
    found = list(statuses)
    behind = [status for status in found if MirrorStatus.UP < status < MirrorStatus.UNKNOWN]
    if behind:
        return max(behind)
    return max(found, default=MirrorStatus.UNKNOWN)
