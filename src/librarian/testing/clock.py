"""Time that passes when a test says so."""

from datetime import UTC, datetime, timedelta

from zope.interface import implementer

from librarian.interfaces import IClock

BEGINNING = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)  # a Sunday at noon, when every test begins


@implementer(IClock)
class HandMovedClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self._now = BEGINNING
        self._monotonic = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def move(self, **duration: float) -> None:
        """Let time pass, as timedelta() takes it: ``clock.move(days=7, hours=1)``; or step back."""
        span = timedelta(**duration)
        self._now += span
        self._monotonic += max(span.total_seconds(), 0)

    def step(self, **duration: float) -> None:
        """Set the wall clock on or back, in no time."""
        self._now += timedelta(**duration)

    def set(self, moment: datetime) -> None:
        """Set the wall clock to an aware moment; the monotonic clock stays."""
        self._now = moment
