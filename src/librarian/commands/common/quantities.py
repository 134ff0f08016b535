"""Sizes and shares as they are given on a command line."""

import re
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import click

_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_BINARY = {"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]i?|)b?", re.IGNORECASE)


class Size(click.ParamType[int]):
    """Bytes: ``500``, ``50MB``, ``1.5GiB``."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        found = _SIZE.fullmatch(str(value).strip())
        size = 0 if found is None else int(Fraction(found[1]) * {**_UNITS, **_BINARY}[found[2].lower()])
        if size < 1:
            self.fail(f"{value!r} is no size such as 500, 50MB or 1.5GiB", param, ctx)
        return size


class Share(click.ParamType[Fraction]):
    """A part of the whole: ``1/30``, ``0.1``, ``10%``."""

    name = "share"

    def convert(self, value: Any, param: Any, ctx: Any) -> Fraction:
        text = str(value).strip()
        try:
            share = Fraction(text[:-1]) / 100 if text.endswith("%") else Fraction(text)
        except (ValueError, ZeroDivisionError):
            share = Fraction(0)
        if not 0 < share <= 1:
            self.fail(f"{value!r} is no share such as 1/30 or 10%", param, ctx)
        return share


class Pace:
    """Sleeps so that no more than `rate` bytes a second are told to it; None: as fast as it goes."""

    def __init__(
        self,
        rate: int | None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._rate = rate
        self._now = now
        self._sleep = sleep
        self._due = now()  # when what was told so far should have taken place

    def __call__(self, size: int) -> None:
        if self._rate is None:
            return
        # A pause of the work is not caught up with: the rate is for the disk's sake, not an average.
        self._due = max(self._due, self._now()) + size / self._rate
        self._sleep(max(self._due - self._now(), 0))
