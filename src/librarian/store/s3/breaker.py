"""A circuit breaker: a store that is away is not asked by every request anew."""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

FAILURES = 3  # in a row
PAUSE_SECONDS = 2.0


class Breaker:
    """Closed while the store answers.  Open after FAILURES in a row: then one try every PAUSE_SECONDS.

    `monotonic` gives seconds.  Threads share one.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._failures = 0
        self._next_try = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the store is taken for away."""
        return self._failures >= FAILURES

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
            if self._failures >= FAILURES:
                log.warning("object store is back")
            self._failures = 0

    def failed(self) -> None:
        """The store did not answer, or refused to work."""
        with self._lock:
            self._failures += 1
            if self._failures == FAILURES:
                log.error("object store is away")
            self._next_try = self._monotonic() + PAUSE_SECONDS
