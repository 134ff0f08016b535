"""The prober on 1,000 mirrors of 20 files each, on loopback: bin/py -m benchmarks.mirrors

Beside it, in the same run, the client library alone (aiohttp) asking for the same URLs with the same
number of requests under way: what the rules of the prober cost.  Each runs in its own process, so that
peak memory is told apart.
"""

import asyncio
import multiprocessing
import random
import resource
import socket
import time
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_network
from typing import Any

import aiohttp

from librarian.clock import SystemClock
from librarian.mirrors.enums import PackagePublishingPocket
from librarian.mirrors.paths import join_url
from librarian.mirrors.probing.interfaces import ProberSettings
from librarian.mirrors.probing.parallel import probe_all
from librarian.mirrors.probing.plan import ContentCheck, ContentKey, ProbePlan, ProbeReport

MIRRORS, PATHS = 1000, 20
PARALLEL = 100
SERVERS = 2  # processes
ROUNDS = 2  # in turn, so that what else the machine does meets both
_FOUND = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

KEYS = [
    ContentKey(release, pocket, component, architecture)
    for release in ("hoary", "warty")
    for pocket in PackagePublishingPocket
    for component, architecture in (("main", None), ("main", "i386"))
][:PATHS]


class _Mirror(asyncio.Protocol):
    """Has every index and nothing else; answers HEAD without looking at anything but the path."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for head in data.split(b"\r\n\r\n")[:-1]:
            self._transport.write(_FOUND if b".gz " in head[:200] else _NOT_FOUND)


def serve(port: int) -> None:
    """Every address of 127.0.0.0/8 is a mirror."""

    async def run() -> None:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("0.0.0.0", port))  # noqa: S104  # the mirrors are told apart by address
        server = await asyncio.get_running_loop().create_server(_Mirror, sock=sock, backlog=4096)
        await server.serve_forever()

    asyncio.run(run())


def base_urls(port: int) -> list[str]:
    """A host each."""
    return [f"http://127.{1 + n // 250}.{n // 250}.{1 + n % 250}:{port}/archive" for n in range(MIRRORS)]


def prober(port: int) -> int:
    """Probe them all; the number of requests."""
    count = 0
    settings = ProberSettings(parallel=PARALLEL, allowed_networks=(ip_network("127.0.0.0/8"),))

    async def plans() -> AsyncIterator[ProbePlan]:
        for number, url in enumerate(base_urls(port)):
            yield ProbePlan(number, f"mirror{number}", url, checks=tuple(map(ContentCheck, KEYS)))

    async def deliver(report: ProbeReport) -> None:
        nonlocal count
        assert len(report.contents) == PATHS, report.log_lines
        count += report.requests

    asyncio.run(probe_all(plans(), settings, SystemClock(), deliver, random.Random(1)))
    return count


def client_alone(port: int) -> int:
    """The same URLs, with nothing around the client but a bound on what is under way."""
    urls = [join_url(url, key.path) for url in base_urls(port) for key in KEYS]

    async def ask(session: aiohttp.ClientSession, waiting: asyncio.Queue[str]) -> None:
        while not waiting.empty():
            async with session.head(waiting.get_nowait()) as response:
                assert response.status == 200  # OK

    async def run() -> None:
        waiting: asyncio.Queue[str] = asyncio.Queue()
        for url in urls:
            waiting.put_nowait(url)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(ask(session, waiting) for _ in range(PARALLEL)))

    asyncio.run(run())
    return len(urls)


def timed(work: Callable[[int], int], port: int, result: Any) -> None:
    """Send (requests, seconds, peak RSS in KiB) of `work`."""
    began = time.perf_counter()
    count = work(port)
    elapsed = time.perf_counter() - began
    result.send((count, elapsed, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


def main() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    servers = [context.Process(target=serve, args=(port,), daemon=True) for _ in range(SERVERS)]
    for server in servers:
        server.start()
    time.sleep(1.5)  # interpreters start
    print(f"{MIRRORS} mirrors of {PATHS} files, {PARALLEL} requests under way\n")
    print(f"{'':<16}{'requests':>10}{'seconds':>10}{'per second':>12}{'peak MiB':>10}")
    rates: dict[str, float] = {}
    for name, work in (("prober", prober), ("aiohttp alone", client_alone)) * ROUNDS:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=timed, args=(work, port, theirs))
        process.start()
        count, seconds, peak = ours.recv()
        process.join()
        rates[name] = max(count / seconds, rates.get(name, 0))
        print(f"{name:<16}{count:>10}{seconds:>10.2f}{count / seconds:>12.0f}{peak / 1024:>10.0f}")
    print(f"\nratio of requests per second, best of each: {rates['prober'] / rates['aiohttp alone']:.2f}")
    for server in servers:
        server.kill()


if __name__ == "__main__":
    main()
