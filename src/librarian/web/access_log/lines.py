"""A line of the access log: its facts, and how they are written.

The combined format is that of Apache's mod_log_config, with the seconds the answer took behind it.  Where
another server was told to send the file, what it was told to give follows: ``granted=206:1048576``.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

_UNSAFE = re.compile(r'[^ -~]|["\\]')
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Entry(NamedTuple):
    """The fields of one request's log line; texts as the client sent them, tokens masked."""

    client: str  # address
    time: datetime  # when the answer was sent, aware
    method: str
    target: str  # path and query
    protocol: str
    status: int
    size: int  # bytes of the body that were sent
    referer: str
    agent: str
    seconds: float  # from the request's arrival to the end of its answer
    granted: tuple[int, int] | None = None  # status and bytes of an answer that another server gives


def combined(entry: Entry) -> str:
    """A line in Apache's Combined Log Format; a character that could break it is ``\\xHH``."""
    request = f"{entry.method} {entry.target} {entry.protocol}"
    return (
        f'{entry.client or "-"} - - [{_stamp(int(entry.time.timestamp()))}] "{_safe(request)}"'
        f' {entry.status} {entry.size} "{_safe(entry.referer or "-")}" "{_safe(entry.agent or "-")}"'
        f" {entry.seconds:.3f}{_granted(entry, ' granted=')}\n"
    )


def as_json(entry: Entry) -> str:
    """A line of JSON; the time as in RFC 3339, section 5.6."""
    facts = entry._asdict() | {"time": entry.time.isoformat(), "seconds": round(entry.seconds, 3)}
    del facts["granted"]
    if entry.granted is not None:
        facts["granted"] = _granted(entry)
    return json.dumps(facts, separators=(",", ":")) + "\n"


def _granted(entry: Entry, before: str = "") -> str:
    return "" if entry.granted is None else f"{before}{entry.granted[0]}:{entry.granted[1]}"


FORMATS: dict[str, Callable[[Entry], str]] = {"combined": combined, "json": as_json}


@lru_cache(maxsize=16)
def _stamp(seconds: int) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%d}/{_MONTHS[moment.month - 1]}/{moment:%Y:%H:%M:%S} +0000"  # %b would be local


def _safe(text: str) -> str:
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:  # the usual case
        return text
    return _UNSAFE.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02X}", text)
