"""Sizes, durations and shares as people write them, in settings, forms and on command lines alike.

Everything raises ValueError with a message that names an example.  Only the standard library is needed here:
clients are installed without the rest.
"""

import re
from datetime import timedelta
from fractions import Fraction
from typing import NewType

Size = NewType("Size", int)  # bytes; the type of settings that are written as parse_size() reads them

_DECIMAL = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_BINARY = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_NUMBER = r"\d{1,15}(?:\.\d{1,15})?"
_PART = re.compile(rf"({_NUMBER})\s*([kmgt]?)(i?)b?", re.ASCII | re.IGNORECASE)
_SIZE = re.compile(rf"{_NUMBER}|(?:{_NUMBER}\s*(?:[kmgt]i?b?|b))+", re.ASCII | re.IGNORECASE)
_STATED_DURATION = re.compile(rf"({_NUMBER})\s*([smhdw]?)", re.ASCII)
_DURATION = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_UNITS = (("year", 31557600), ("month", 2629800), ("day", 86400), ("hour", 3600), ("minute", 60))  # seconds


def parse_size(text: str, *, binary: bool = False) -> int:
    """Bytes: ``500``, ``50MB``, ``1.5GiB``, ``1G512M``; a part of a byte is dropped.

    KiB, MiB, GiB and TiB are powers of 1024 (IEC 80000-13); K, M, G and T powers of 1000, with `binary` of
    1024 too.  Small letters mean the same, and so does a B behind them.
    """
    stated = text.strip()
    if not _SIZE.fullmatch(stated):
        raise ValueError(f"{text!r} is no size such as 500, 50MB, 1.5GiB or 1G512M")
    sizes = (
        Fraction(number) * (_BINARY if binary or iec else _DECIMAL)[unit.lower()]
        for number, unit, iec in _PART.findall(stated)
    )
    return int(sum(sizes))


def parse_duration(text: str) -> timedelta:
    """``90s``, ``15m``, ``24h``, ``7d`` or ``2w``; a bare number is seconds."""
    stated = _STATED_DURATION.fullmatch(text.strip())
    try:
        if stated is not None:
            return timedelta(**{_DURATION[stated[2] or "s"]: float(stated[1])})
    except OverflowError:
        pass
    raise ValueError(f"{text!r} is no duration such as 90s, 15m, 24h, 7d or 2w")


def relative(away: timedelta) -> str:
    """A moment in the words of people, by how far it is `away` from now; the past is negative: ``just now``,
    ``3 hours ago``, ``in 2 days``."""
    seconds = abs(away.total_seconds())
    for unit, length in _UNITS:
        if seconds >= length:
            count = int(seconds // length)
            words = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"in {words}" if away > timedelta(0) else f"{words} ago"
    return "just now"


def parse_share(text: str) -> Fraction:
    """A part of the whole, more than 0 and at most 1: ``1/30``, ``0.1`` or ``10%``."""
    stated = text.strip()
    try:
        share = Fraction(stated[:-1]) / 100 if stated.endswith("%") else Fraction(stated)
    except (ValueError, ZeroDivisionError):
        share = Fraction(0)
    if not 0 < share <= 1:
        raise ValueError(f"{text!r} is no share such as 1/30 or 10%")
    return share
