"""The clock of the machine, and the pace of work that may take only so much at a time."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from zope.interface import implementer

from librarian.interfaces import IClock, IFollowingClock

# That a node's clock may be from the database's before the node follows that; more than a commit on a busy
# database takes.  Two nodes may be twice as far apart.
LEFT_ALONE = timedelta(seconds=5)


@implementer(IClock)
class SystemClock:
    """The operating system's clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


@implementer(IFollowingClock)
class NodeClock(SystemClock):
    """The operating system's, unless `librarian.operations.clocks` has found it far from the database's."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        return self.own() + self._ahead

    def own(self) -> datetime:
        return datetime.now(UTC)

    def follow(self, ahead: timedelta) -> None:
        self._ahead = ahead


def own_time(clock: Any) -> datetime:
    """The time of this machine, which the kernel gives to files, by an IClock."""
    found: datetime = clock.own() if IFollowingClock.providedBy(clock) else clock.now()
    return found


class Pace:
    """Sleeps so that no more than `rate` bytes a second are spent; None: no limit.

    The time that reading or sending took is part of it.  Idle time is not caught up with, but for one block:
    the rate is for the sake of the disk or the line, not an average.
    """

    def __init__(
        self,
        rate: int | None,
        sleep: Callable[[float], object] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._sleep = sleep
        self._monotonic = monotonic
        self._until: float | None = None  # the moment up to which the bytes so far are paid for

    def piece(self, most: int) -> int:
        """The bytes to move at a time, at most `most`, so that pauses are a quarter of a second."""
        return most if self._rate is None else max(1024, min(most, self._rate // 4))

    def spend(self, count: int) -> None:
        """Wait for as long as `count` more bytes must take."""
        if self._rate is None:
            return
        now, cost = self._monotonic(), count / self._rate
        until = now if self._until is None else self._until
        pause = cost - min(max(0.0, now - until), cost)
        self._until = max(now, until) + pause
        if pause > 0:
            self._sleep(pause)
