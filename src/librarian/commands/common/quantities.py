"""Types of click for the sizes, durations and shares of librarian.quantities."""

from fractions import Fraction
from typing import Any

import click

from librarian.quantities import parse_duration, parse_share, parse_size


class Size(click.ParamType[int]):
    """Bytes, `least` or more.  With `binary`, K, M and G are powers of 1024, otherwise of 1000."""

    name = "size"

    def __init__(self, *, binary: bool = False, least: int = 1) -> None:
        self._binary = binary
        self._least = least

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        try:
            size = parse_size(str(value), binary=self._binary)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if size < self._least:
            self.fail(f"{value!r} is less than {self._least} bytes", param, ctx)
        return size


class Duration(click.ParamType[float]):
    """Seconds, more than 0."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        try:
            seconds = parse_duration(str(value)).total_seconds()
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if seconds <= 0:
            self.fail(f"{value!r} is not more than 0 seconds", param, ctx)
        return seconds


class Share(click.ParamType[Fraction]):
    """A part of the whole."""

    name = "share"

    def convert(self, value: Any, param: Any, ctx: Any) -> Fraction:
        try:
            return parse_share(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
