"""Waiting for an answer for a bounded time, in which time lost by this process itself does not count."""

import time
from collections.abc import Callable

from librarian.tree.engines.interfaces import NoAnswer

SLICE_SECONDS = 0.1
LATE_SECONDS = 0.1  # a slice that took so much longer was lost by this process, not by the engine


def patiently(seconds: float, arrived: Callable[[float], bool]) -> None:
    """Wait for `arrived`, called with the seconds it may take.  Raises NoAnswer.

    Time in which this process itself did not run is not held against the engine: a busy machine
    delays both.
    """
    left = seconds
    while left > 0:
        begun = time.monotonic()
        if arrived(min(SLICE_SECONDS, left)):
            return
        left -= min(time.monotonic() - begun, SLICE_SECONDS + LATE_SECONDS)
    raise NoAnswer(f"no answer within {seconds:g} s")
