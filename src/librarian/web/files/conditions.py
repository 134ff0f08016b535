"""Conditional requests: RFC 9110, section 13."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache

CONDITION_FIELDS = frozenset({"if-match", "if-none-match", "if-modified-since", "if-unmodified-since"})


@lru_cache(maxsize=4096)
def http_date(moment: datetime) -> str:
    """An aware time as an HTTP date, to the second; remembered, as formatting is 3 us of a hot path."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def parse_http_date(text: str) -> datetime | None:
    """An HTTP date in any of the three forms of RFC 9110, section 5.6.7; None if it is no date."""
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):  # OverflowError: a day of thirty digits
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def failed_condition(headers: Mapping[str, str], etag: str, last_modified: datetime) -> int | None:
    """The status that the conditions of a GET or HEAD lead to: 412, 304, or None to go on.

    In the order of RFC 9110, section 13.2.2.  A field with entity tags makes its counterpart
    with a date count for nothing, even where the tags are malformed.
    """
    if_match = headers.get("if-match")
    if if_match is not None:
        if not _lists(if_match, etag, strongly=True):
            return 412
    elif _is_newer(last_modified, headers.get("if-unmodified-since")) is True:
        return 412
    if_none_match = headers.get("if-none-match")
    if if_none_match is not None:
        return 304 if _lists(if_none_match, etag, strongly=False) else None
    return 304 if _is_newer(last_modified, headers.get("if-modified-since")) is False else None


def refuses_write(headers: Mapping[str, str], etag: str | None) -> bool:
    """Whether the conditions of a PUT, POST or DELETE forbid it: then it is answered with 412.

    `etag` is that of what is there, None where nothing is (RFC 9110, 13.1.1 and 13.1.2).
    """
    if_match, if_none_match = headers.get("if-match"), headers.get("if-none-match")
    if if_match is not None and (etag is None or not _lists(if_match, etag, strongly=True)):
        return True
    return if_none_match is not None and etag is not None and _lists(if_none_match, etag, strongly=False)


def range_applies(if_range: str | None, etag: str, last_modified: datetime, *, date_is_strong: bool) -> bool:
    """Whether an If-Range field lets the Range beside it count (RFC 9110, section 13.1.5).

    An entity tag must be ours, strong and alone.  A date must be exactly ours, not merely later;
    and it identifies bytes only where they cannot have changed twice within that second.
    """
    if if_range is None:
        return True
    value = if_range.strip(" \t")
    if value.startswith(('"', "W/")):
        return value == etag
    if not date_is_strong:
        return False
    return value == http_date(last_modified) or parse_http_date(value) == last_modified.replace(microsecond=0)


def _lists(field: str, etag: str, *, strongly: bool) -> bool:
    """Whether a list of entity tags names ours, which is strong and holds neither quote nor comma.

    No tag may hold a quote, so ours, quotes included, is found in a well-formed list only where
    it stands as an element: a search does for a parser, in time linear in any input.
    """
    if field.strip(" \t") == "*":
        return True
    if not strongly:
        return etag in field
    return any(not before.endswith("/") for before in field.split(etag)[:-1])


def _is_newer(last_modified: datetime, date_field: str | None) -> bool | None:
    """Whether the file is newer than a date field says; None where there is no field or no date in it."""
    if date_field is None:
        return None
    moment = parse_http_date(date_field)
    return None if moment is None else last_modified.replace(microsecond=0) > moment
