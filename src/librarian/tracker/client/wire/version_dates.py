"""Versions as dates, as the protocol has them in queries and headers (RFC 2822, section 3.3)."""

from email.utils import formatdate, mktime_tz, parsedate_tz

from librarian.tracker.client.interfaces import InvalidDate
from librarian.tracker.client.versioned_names import MAX_VERSION


def version_to_date(version: int) -> str:
    """Seconds since 1970 -> ``"Thu, 01 Jan 1970 00:01:40 GMT"``.

    ``GMT`` and not the ``-0000`` of a bare formatdate(): dates of HTTP (RFC 9110, section 5.6.7) end so,
    and RFC 2822, section 3.3, allows both.  Raises InvalidDate for a version that is out of range.
    """
    if not 0 <= version <= MAX_VERSION:
        raise InvalidDate(str(version))
    return formatdate(version, usegmt=True)


def date_to_version(text: str) -> int:
    """The version of a date with any zone.  Raises InvalidDate, also for dates before 1970."""
    try:
        parts = parsedate_tz(text)
        version = None if parts is None or not _in_calendar(parts) else int(mktime_tz(parts))
    except (ValueError, OverflowError, TypeError, IndexError):
        version = None
    if version is None or not 0 <= version <= MAX_VERSION:
        raise InvalidDate(text)
    return version


def _in_calendar(parts: tuple[int | None, ...]) -> bool:
    """Whether month to second are in range; mktime_tz() would add a 99th minute to the hour."""
    _year, month, day, hour, minute, second = parts[:6]
    ranges = ((month, 1, 12), (day, 1, 31), (hour, 0, 23), (minute, 0, 59), (second, 0, 60))
    return all(value is not None and low <= value <= high for value, low, high in ranges)
