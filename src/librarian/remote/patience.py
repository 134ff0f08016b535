"""Pauses between tries: as long as the server says, or doubling."""

import time
from collections.abc import Callable
from typing import TypeVar

import urllib3

from librarian.remote.interfaces import TransferFailed, TriesAgain

T = TypeVar("T")

BUSY = frozenset((429, 503))  # Too Many Requests, Service Unavailable
PASSING_AWAY = BUSY | {500, 502, 504}  # of a server, or a proxy before it, that will be back


class Patience:
    """Pauses between the tries, which double; `seconds` without a byte more are the end."""

    sleep: Callable[[float], None] = staticmethod(time.sleep)

    def __init__(self, seconds: float = 600, first: float = 0.25, longest: float = 30) -> None:
        self._seconds, self._first, self._longest = seconds, first, longest
        self._reached = -1  # bytes
        self.reach(0)

    def reach(self, offset: int) -> None:
        """Begin anew with short pauses, if more bytes are there than ever before."""
        if offset > self._reached:
            self._reached, self._pause, self._spent = offset, self._first, 0.0

    def wait(self, error: TransferFailed, told: float | None) -> None:
        """Pause, `told` seconds at least.  Raises `error` if the end has come."""
        pause = max(self._pause, told or 0)
        if self._spent + pause > self._seconds:
            raise error
        self.sleep(pause)
        self._spent += pause
        self._pause = min(self._pause * 2, self._longest)

    def answered(self, ask: Callable[[], T]) -> T:
        """What `ask` returns, asked again while it raises TriesAgain.  Raises its error at the end."""
        while True:
            try:
                return ask()
            except TriesAgain as failed:
                self.wait(failed.error, failed.after)


def retry_after(answer: urllib3.BaseHTTPResponse) -> float | None:
    """Retry-After in seconds (RFC 9110, section 10.2.3); None without it, and for a date."""
    field = answer.headers.get("Retry-After")
    return float(field) if field is not None and field.isascii() and field.isdigit() else None
