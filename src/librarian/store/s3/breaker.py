"""A circuit breaker: a store that is away is not asked by every request anew."""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

FAILURES = 3  # in a row
PAUSE_SECONDS = 2.0


class Breaker:
    """Closed while the store answers.  Open after FAILURES in a row: then one try every PAUSE_SECONDS.

    `monotonic` gives seconds.  Threads share one.  `changed` is called when it opens and when it closes.
    """

    def __init__(
        self, monotonic: Callable[[], float], changed: Callable[[bool], object] = lambda is_open: None
    ) -> None:
        self._monotonic = monotonic
        self._changed = changed
        self._lock = threading.Lock()
        self._failures = 0
        self._next_try = 0.0
        self._opened_at = 0.0
        self._reason = ""

    @property
    def is_open(self) -> bool:
        """Whether the store is taken for away."""
        return self._failures >= FAILURES

    @property
    def trouble(self) -> str:
        """Since when the store is away, and what went wrong last; empty where it is not."""
        with self._lock:
            if not self.is_open:
                return ""
            return f"away for {self._monotonic() - self._opened_at:.0f} s: {self._reason}"

    def admits(self) -> bool:
        """Whether to ask the store now; the thread that is told so reports how it went."""
        with self._lock:
            if self._failures < FAILURES:
                return True
            now = self._monotonic()
            if now < self._next_try:
                return False
            self._next_try = now + PAUSE_SECONDS
            return True

    def succeeded(self) -> None:
        """The store has answered, if only that it has no such key."""
        with self._lock:
            was_open, self._failures = self.is_open, 0
            if was_open:
                log.warning("object store is back")
                self._changed(False)

    def failed(self, reason: str = "") -> None:
        """The store did not answer, or refused to work."""
        with self._lock:
            self._failures += 1
            self._reason = reason
            self._next_try = self._monotonic() + PAUSE_SECONDS
            if self._failures == FAILURES:
                self._opened_at = self._monotonic()
                log.error("object store is away")
                self._changed(True)
