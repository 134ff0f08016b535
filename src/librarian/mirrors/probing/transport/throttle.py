"""How many connections there are at once, and which hosts are not asked any more in this run."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Any

from librarian.mirrors.probing.interfaces import ConnectionSkipped

_KEPT_FOR = 16  # requests that a host may make of a connection while other hosts wait for one


class _Queue:
    """How many wait for a semaphore, which does not tell."""

    def __init__(self) -> None:
        self.length = 0

    async def wait_for(self, slots: asyncio.Semaphore) -> None:
        self.length += 1
        try:
            await slots.acquire()
        finally:
            self.length -= 1


class Line:
    """Room for one connection to a server; `session` is whatever keeps the connection open in between."""

    def __init__(self, throttle: "Throttle", host: "_Host", key: Hashable) -> None:
        self.throttle = throttle
        self.host = host
        self.key = key
        self.served = 0  # requests
        self.session: Any = None  # with an async close()

    async def hang_up(self) -> None:
        """Close the connection, so that another host can have one."""
        self.host.forget(self)
        try:
            if self.session is not None:
                await self.session.close()
        finally:
            self.host.lines -= 1
            self.throttle.give_back()


class _Host:
    """The lines to one host, of all throttles that share it."""

    def __init__(self, slots: int) -> None:
        self.limit = slots
        self.slots = asyncio.Semaphore(slots)
        self.queue = _Queue()
        self.lines = 0  # in use, idle, or about to be opened
        self.idle: list[Line] = []

    def forget(self, line: Line) -> None:
        if line in self.idle:
            self.idle.remove(line)
            line.throttle.idle.pop(line)


class Throttle:
    """Lines: so many per host, so many overall.  An idle connection has its line as well as a busy one.

    The host's slot is taken first.  The other way round, requests that queue for one slow host
    would sit on the lines that every other host is waiting for.
    """

    def __init__(self, overall: int, per_host: int) -> None:
        self._overall = asyncio.Semaphore(overall)
        self._queue = _Queue()
        self._hosts: defaultdict[str, _Host] = defaultdict(lambda: _Host(per_host))
        self.idle: dict[Line, None] = {}  # longest idle first

    def spare(self, count: int) -> "Throttle":
        """A throttle with `count` further lines and the same limit by host: for requests that must not wait
        behind the others."""
        made = Throttle(count, 1)
        made._hosts = self._hosts
        return made

    @asynccontextmanager
    async def line(self, name: str, key: Hashable = None, keep: bool = True) -> AsyncIterator[Line]:
        """A line to the host called `name`: one that was used for `key` before, or a new one.  Unless it is
        to be kept it is closed afterwards."""
        host = self._hosts[name]
        await host.queue.wait_for(host.slots)
        try:
            line = await self._take(host, key)
            try:
                yield line
            except asyncio.CancelledError:
                keep = False
                raise
            finally:
                await self._leave(line, keep)
        finally:
            host.slots.release()

    async def _take(self, host: _Host, key: Hashable) -> Line:
        for line in host.idle:
            if line.key == key and line.throttle is self:
                host.forget(line)
                return line
        while host.lines >= host.limit and host.idle:  # to another port, or of another throttle
            await host.idle[0].hang_up()
        return await self._open(host, key)

    async def _open(self, host: _Host, key: Hashable) -> Line:
        host.lines += 1
        try:
            while self._overall.locked() and self.idle:
                await next(iter(self.idle)).hang_up()
            await self._queue.wait_for(self._overall)
        except BaseException:
            host.lines -= 1
            raise
        return Line(self, host, key)

    async def _leave(self, line: Line, keep: bool) -> None:
        """Keep the line for the host that has it as long as no other host waits for one, or the host has not
        had it for long."""
        line.served += 1
        own_turn = line.host.queue.length and line.served % _KEPT_FOR
        if keep and (own_turn or not self._queue.length):
            line.host.idle.append(line)
            self.idle[line] = None
        else:
            await line.hang_up()

    async def close(self) -> None:
        """Close what is idle."""
        while self.idle:
            await next(iter(self.idle)).hang_up()

    def give_back(self) -> None:
        """A line was closed."""
        self._overall.release()


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
