"""Limits on connections at the same time, and the hosts that are given up for the rest of the run."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Any

from librarian.mirrors.probing.interfaces import ConnectionSkipped

_KEPT_FOR = 16  # requests that a host may make of a connection while other hosts wait for one


class _Queue:
    """A semaphore that knows the number of its waiters; threading's does not tell."""

    def __init__(self) -> None:
        self.length = 0

    async def wait_for(self, slots: asyncio.Semaphore) -> None:
        self.length += 1
        try:
            await slots.acquire()
        finally:
            self.length -= 1


class Connection:
    """One connection to a server, open or about to be; `session` is the client's, which keeps it open."""

    def __init__(self, throttle: "Throttle", host: "_Host", key: Hashable) -> None:
        self.throttle = throttle
        self.host = host
        self.key = key
        self.served = 0  # requests
        self.session: Any = None  # with an async close()

    async def close(self) -> None:
        """Close the connection, so that another host can have one."""
        self.host.forget(self)
        try:
            if self.session is not None:
                await self.session.close()
        finally:
            self.host.connections -= 1
            self.throttle.give_back()


class _Host:
    """The connections to one host, of all throttles that share it."""

    def __init__(self, slots: int) -> None:
        self.limit = slots
        self.slots = asyncio.Semaphore(slots)
        self.queue = _Queue()
        self.connections = 0  # in use, idle, or about to be opened
        self.idle: list[Connection] = []

    def forget(self, connection: Connection) -> None:
        if connection in self.idle:
            self.idle.remove(connection)
            connection.throttle.idle.pop(connection)


class Throttle:
    """Limits connections, per host and overall.  Idle ones count as well as busy ones.

    The host's slot is taken first.  The other way round, requests that queue for one slow host
    would sit on the connections that every other host is waiting for.
    """

    def __init__(self, overall: int, per_host: int) -> None:
        self._overall = asyncio.Semaphore(overall)
        self._queue = _Queue()
        self._hosts: defaultdict[str, _Host] = defaultdict(lambda: _Host(per_host))
        self.idle: dict[Connection, None] = {}  # longest idle first

    def spare(self, count: int) -> "Throttle":
        """A throttle with `count` further connections and the same limit by host, for requests that must not
        wait behind the others."""
        made = Throttle(count, 1)
        made._hosts = self._hosts
        return made

    @asynccontextmanager
    async def connection(
        self, name: str, key: Hashable = None, keep: bool = True
    ) -> AsyncIterator[Connection]:
        """A connection to the host called `name`: one that was used for `key` before, or a new one.  It is
        closed afterwards unless `keep` is true."""
        host = self._hosts[name]
        await host.queue.wait_for(host.slots)
        try:
            connection = await self._take(host, key)
            try:
                yield connection
            except asyncio.CancelledError:
                keep = False
                raise
            finally:
                await self._leave(connection, keep)
        finally:
            host.slots.release()

    async def _take(self, host: _Host, key: Hashable) -> Connection:
        for connection in host.idle:
            if connection.key == key and connection.throttle is self:
                host.forget(connection)
                return connection
        while host.connections >= host.limit and host.idle:  # to another port, or of another throttle
            await host.idle[0].close()
        return await self._open(host, key)

    async def _open(self, host: _Host, key: Hashable) -> Connection:
        host.connections += 1
        try:
            while self._overall.locked() and self.idle:
                await next(iter(self.idle)).close()
            await self._queue.wait_for(self._overall)
        except BaseException:
            host.connections -= 1
            raise
        return Connection(self, host, key)

    async def _leave(self, connection: Connection, keep: bool) -> None:
        """Keep the connection for its host, unless another host waits and this one has had it for long, or
        has no request for it."""
        connection.served += 1
        own_turn = connection.host.queue.length and connection.served % _KEPT_FOR
        if keep and (own_turn or not self._queue.length):
            connection.host.idle.append(connection)
            self.idle[connection] = None
        else:
            await connection.close()

    async def close(self) -> None:
        """Close idle connections."""
        while self.idle:
            await next(iter(self.idle)).close()

    def give_back(self) -> None:
        """Count a connection less: it was closed."""
        self._overall.release()


class HostLedger:
    """Counts requests and time-outs by host; a host most of whose requests time out is given up."""

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
