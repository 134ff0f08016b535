"""How far a lease that is written down in wall-clock time can be believed.

A job's heartbeat is a moment of the wall clock.  When that clock is stepped, or when this process (and
with it the door that heartbeats come in by) was not there, every lease looks older than it is.  So leases
are judged only after both clocks have gone alike, under this process's eyes, for as long as a lease lasts:
by then each controller that lives has renewed its own.
"""

from datetime import timedelta
from threading import Lock

from librarian.interfaces import IClock

# More than slewing and slow reading explain; less than any step that could cost a lease.
TOLERANCE_SECONDS = 10.0


class SteadyClock:
    """Compares the wall clock with the monotonic one, whenever it is asked."""

    def __init__(self, clock: IClock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._since = clock.monotonic()  # seconds
        self._offset = self._measure()
        self._stepped: float | None = None  # when, by the monotonic clock; None: never seen

    def steady_for(self) -> timedelta:
        """How long this process has seen no step, since its start at most."""
        with self._lock:
            return timedelta(seconds=self._look() - self._since)

    def stepped_within(self, span: timedelta) -> bool:
        """Whether a step was seen during the last `span`."""
        with self._lock:
            now = self._look()
            return self._stepped is not None and now - self._stepped < span.total_seconds()

    def _look(self) -> float:
        now, offset = self._clock.monotonic(), self._measure()
        if abs(offset - self._offset) > TOLERANCE_SECONDS:
            self._since = self._stepped = now
        self._offset = offset
        return now

    def _measure(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()
