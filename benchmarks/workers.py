"""One process and two workers: processor time of a request, and requests a second.

Alone: bin/py -m benchmarks workers

Processor time is the sum over the parent and its workers.  The two servers run for the whole time and are
asked in turn, so that what else the machine does meets both.
"""

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks.library import KIB, noise
from benchmarks.load import get, measure, put
from tests.support.servers.librarian import ServerProcess

CONNECTIONS, SECONDS, RUNS = 8, 2.0, 5
Requests = Callable[[int, int], list[list[bytes]]]  # of a server and a run, for each connection
TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


def main() -> None:
    with ExitStack() as stack:
        servers = [_started(stack, number) for number in (1, 2)]
        print(f"{CONNECTIONS} connections, medians of {RUNS} times {SECONDS:g} s\n")
        paths = [_add(server) for server in servers]
        gets = [[[get(path)]] * CONNECTIONS for path in paths]
        _compare("GET 1 KiB", servers, "public", lambda server, run: gets[server])
        _compare("PUT 1 KiB", servers, "upload", _puts)


def _started(stack: ExitStack, workers: int) -> ServerProcess:
    server = ServerProcess(workers=workers)
    server.start()
    stack.callback(server.remove)
    stack.callback(server.stop)
    return server


def _add(server: ServerProcess) -> str:
    """Upload; the path it is downloaded from."""
    answer = server.request("PUT", server.urls["upload"] + "a.bin", body=noise(KIB))
    return "/" + answer.json()["url"].split("/", 3)[3]


def _puts(server: int, run: int) -> list[list[bytes]]:
    ways = range(CONNECTIONS)
    return [
        [put("/b.bin", f"{server} {run} {way} {n}".encode().ljust(KIB)) for n in range(2000)] for way in ways
    ]


def _compare(
    title: str, servers: list[ServerProcess], endpoint: str, requests: Callable[[int, int], list[list[bytes]]]
) -> None:
    """Print microseconds of processor time and requests a second of both, and the second over the first."""
    costs: list[list[float]] = [[], []]
    rates: list[list[float]] = [[], []]
    for run in range(RUNS):
        for number, server in enumerate(servers):
            before = _seconds(server)
            rate = measure(server.urls[endpoint], requests(number, run), SECONDS)
            costs[number].append((_seconds(server) - before) / (rate.per_second * SECONDS) * 1e6)
            rates[number].append(rate.per_second)
    cost, rate_of = [median(one) for one in costs], [median(one) for one in rates]
    for number in range(2):
        print(f"{title}  workers {number + 1}  {cost[number]:7.0f} us  {rate_of[number]:7.0f}/s", flush=True)
    print(f"{title}  ratio      {cost[1] / cost[0]:7.2f}     {rate_of[1] / rate_of[0]:7.2f}", flush=True)


def _seconds(server: ServerProcess) -> float:
    """The processor time, user and system, of all its processes."""
    total = 0
    for pid in (server.pid, *server.worker_pids):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total * TICK_SECONDS
