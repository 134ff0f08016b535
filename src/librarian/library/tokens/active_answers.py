"""The answers to bearers of tokens that this process is sending."""

from collections import Counter
from threading import Condition

WAIT_SECONDS = 1  # how long a client that comes back waits for the end of its earlier answers

Bearer = tuple[bytes, str]  # a token's hash, a client's key


class ActiveAnswers:
    """The number of answers being sent to each client of a token."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._counts: Counter[Bearer] = Counter()

    def begin(self, bearer: Bearer) -> None:
        """Count one more answer to this client."""
        with self._changed:
            self._counts[bearer] += 1

    def end(self, bearer: Bearer) -> None:
        """Count one answer less, and wake requests that wait for the last one."""
        with self._changed:
            self._counts[bearer] -= 1
            if not self._counts[bearer]:
                del self._counts[bearer]
            self._changed.notify_all()

    def ends_soon(self, bearer: Bearer) -> bool:
        """Wait up to WAIT_SECONDS for the end of an answer to `bearer`; False if there is none."""
        with self._changed:
            before = self._counts[bearer]
            return before > 0 and self._changed.wait_for(lambda: self._counts[bearer] < before, WAIT_SECONDS)
