"""How many requests run at once, and which hosts are not asked any more in this run."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from librarian.mirrors.probing.interfaces import ConnectionSkipped


class Throttle:
    """Slots for requests: so many per host, so many overall.

    The host's slot is taken first.  The other way round, requests that queue for one slow host
    would sit on the slots that every other host is waiting for.
    """

    def __init__(self, overall: int, per_host: int) -> None:
        self._overall = asyncio.Semaphore(overall)
        self._hosts: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(per_host))

    def spare(self, count: int) -> "Throttle":
        """A throttle of `count` slots of its own, which shares the slots by host: for questions that must
        not wait behind the others."""
        made = Throttle(count, 1)
        made._hosts = self._hosts
        return made

    @asynccontextmanager
    async def slot(self, host: str) -> AsyncIterator[None]:
        async with self._hosts[host], self._overall:
            yield


class HostLedger:
    """Counts requests and time-outs by host, and gives up on a host that mostly hangs."""

    def __init__(self, after_requests: int = 30, below_ratio: int = 3) -> None:
        self._after = after_requests
        self._ratio = below_ratio
        self.requests: Counter[str] = Counter()
        self.timeouts: Counter[str] = Counter()

    def should_skip(self, host: str) -> bool:
        """Whether `host` was asked often enough to be judged, and timed out too often."""
        requests, timeouts = self.requests[host], self.timeouts[host]
        return requests >= self._after and timeouts > 0 and requests / timeouts < self._ratio

    def admit(self, host: str, url: str) -> None:
        """Count one more request to `host`.  Raises ConnectionSkipped instead if it is given up."""
        if self.should_skip(host):
            raise ConnectionSkipped(url)
        self.requests[host] += 1

    def timed_out(self, host: str) -> None:
        """Count one more time-out of `host`."""
        self.timeouts[host] += 1
