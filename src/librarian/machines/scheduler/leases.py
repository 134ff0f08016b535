"""Whether the ages of leases can be trusted: a comparison of the wall clock with the monotonic one.

The heartbeat of a job is a moment of the wall clock.  After a step of that clock, and after a time in which
this process did not run and so received no heartbeats, every lease looks older than it is.  So leases are
judged only after both clocks have gone alike for as long as a lease lasts, as seen by this process: by then
every controller that is alive has renewed its leases.
"""

from datetime import timedelta
from threading import Lock

from librarian.interfaces import IClock

# Above what slewing and slow reading cause, below any step that could end a lease.
TOLERANCE_SECONDS = 10.0


class SteadyClock:
    """Notices steps of the wall clock, at each call."""

    def __init__(self, clock: IClock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._since = clock.monotonic()  # seconds
        self._offset = self._measure()
        self._stepped: float | None = None  # monotonic seconds of the last step; None: there was none

    def steady_for(self) -> timedelta:
        """The time since the clock last made a step; at most the time since the start of this process."""
        with self._lock:
            return timedelta(seconds=self._compare() - self._since)

    def stepped_within(self, span: timedelta) -> bool:
        """Whether a step was seen during the last `span`."""
        with self._lock:
            now = self._compare()
            return self._stepped is not None and now - self._stepped < span.total_seconds()

    def _compare(self) -> float:
        now, offset = self._clock.monotonic(), self._measure()
        if abs(offset - self._offset) > TOLERANCE_SECONDS:
            self._since = self._stepped = now
        self._offset = offset
        return now

    def _measure(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()
