"""A parser of access logs' lines, as this server, nginx and Apache write them.

The Combined Log Format is the one that Apache's mod_log_config calls so:
``%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i"``.  More fields may follow.  Our own JSON
lines are read as well.

Parsers of others were tried: clfparser gives empty fields for a user name with a space in it and raises
nothing for a line that is none; apachelogs refuses lines with more fields or without referer and agent (each
such format would have to be configured), and takes 60 us a line where this module takes 10.
"""

import json
import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from librarian.library.counts.interfaces import MalformedLine

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_COMBINED = re.compile(
    rf'(?P<client>\S+) \S+ [^\["]*\[(?P<time>[^\]]+)\] {_QUOTED}'
    rf" (?P<status>\d{{3}}) (?P<size>\d{{1,18}}|-)(?: {_QUOTED} {_QUOTED})?",
    re.ASCII,
)
_GRANTED = re.compile(r" granted=(\d{3}:\d{1,18})\s*$", re.ASCII)
_TIME = re.compile(r"(\d{1,2})/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII)
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_FILE = re.compile(r"/+([1-9][0-9]{0,15})/+[^/]", re.ASCII)


class Hit(NamedTuple):
    """A request in which bytes of a file were sent."""

    alias_id: int
    time: datetime  # aware, in UTC
    client: str  # an address, or what the log has instead
    agent: str  # as logged; with the client it tells one download from another
    status: int  # 200 or 206
    size: int  # bytes of the body, as far as they were sent

    @property
    def day(self) -> date:
        """The day of the request in UTC."""
        return self.time.date()


def read_line(line: str) -> Hit | None:
    """The download in a line; None if the line is of another request.  Raises MalformedLine.

    A download is a GET that was answered with a file or a part of one, or had another server give such an
    answer; its path is ``/<id>/<name>``, in which repeated slashes count as one.
    """
    facts = _from_json(line) if line.startswith("{") else _from_combined(line)
    client, time, method, target, status, size, agent, granted = facts
    if granted:
        status, size = _granted(granted)
    if method != "GET" or status not in (200, 206):
        return None
    alias_id = _alias_id(target)
    return None if alias_id is None else Hit(alias_id, _moment(time), client, agent, status, size)


Facts = tuple[str, str, str, str, int, int, str, str]  # as read_line() takes them apart


def _from_combined(line: str) -> Facts:
    found = _COMBINED.match(line)
    if found is None:
        raise MalformedLine(line)
    words = found[3].split(" ")
    size = 0 if found["size"] == "-" else int(found["size"])
    # Whatever clients that speak no HTTP send is logged like a request.
    method, target = (words[0], words[1]) if len(words) > 1 else ("", "")
    tail = _GRANTED.search(line, found.end())
    granted = tail[1] if tail else ""
    return found["client"], found["time"], method, target, int(found["status"]), size, found[7] or "", granted


def _granted(text: str) -> tuple[int, int]:
    """Status and bytes of an answer that another server was told to give."""
    status, _colon, size = text.partition(":")
    return int(status), int(size)


def _from_json(line: str) -> Facts:
    try:
        facts: dict[str, Any] = json.loads(line)
        texts = (str(facts[name]) for name in ("client", "time", "method", "target"))
        client, time, method, target = texts
        status, size = int(facts["status"]), int(facts["size"])
        granted = str(facts.get("granted") or "")
        if granted and not _GRANTED.fullmatch(f" granted={granted}"):
            raise ValueError(granted)
        return client, time, method, target, status, size, str(facts["agent"]), granted
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):  # OverflowError: Infinity
        raise MalformedLine(line) from None


def _alias_id(target: str) -> int | None:
    if not target.startswith("/"):  # a proxy was asked: the whole URL
        try:
            target = urlsplit(target).path
        except ValueError:
            return None
    found = _FILE.match(target.partition("?")[0])
    return None if found is None else int(found[1])


@lru_cache(maxsize=256)
def _moment(text: str) -> datetime:
    """``01/Nov/2006:05:10:39 +0200``, or RFC 3339, in UTC.  Raises MalformedLine."""
    found = _TIME.fullmatch(text)
    try:
        if found is None:
            return datetime.fromisoformat(text).astimezone(UTC)
        day, month, year, hour, minute, second, sign, hours, minutes = found.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
        clock = (int(hour), int(minute), min(int(second), 59))  # 60: a leap second
        moment = datetime(int(year), _MONTHS.index(month) + 1, int(day), *clock, tzinfo=timezone(offset))
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise MalformedLine(text) from None
