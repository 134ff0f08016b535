"""What may happen to a cluster: a part is killed, or the network between nodes and store is cut or slow."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.servers.cutting import CuttingRelay
from tests.support.servers.engines import ZeoServer
from tools.cluster.cluster import Cluster
from tools.cluster.layout import Layout, NoCluster, free_ports

SLOW = 10_000  # bytes a second
TRIES = 20  # of PostgreSQL, whose killed processes hold its memory for a moment
START_SECONDS = 240.0  # in which one of them has to do


@dataclass
class Victim:
    """A cluster, the relay between its nodes and its store, and its ZEO server if it has one."""

    cluster: Cluster
    relay: CuttingRelay
    zeo: ZeoServer | None


@dataclass(frozen=True)
class Fault:
    """`begin` does harm, `end` mends it: after it every part runs and accepts connections."""

    name: str
    begin: Callable[[Victim], None]
    end: Callable[[Victim], None]


@contextmanager
def running_cluster(folder: Path, on_zeo: bool = False) -> Iterator[Victim]:
    """A cluster that is in nobody's care but the test's; on ZEO where PostgreSQL is not wanted."""
    folder.chmod(0o755)  # PostgreSQL may run as another user
    zeo = ZeoServer() if on_zeo else None
    ports = free_ports()
    with CuttingRelay(f"http://127.0.0.1:{ports['proxy']}/") as relay:
        relay_port = int(relay.url.rstrip("/").rpartition(":")[2])
        if zeo:
            zeo.start()
        layout = Layout(folder, ports, zeo.uri if zeo else "", relay_port)
        cluster = Cluster(layout)
        try:
            cluster.start()
            yield Victim(cluster, relay, zeo)
        finally:
            cluster.kill()
            if zeo:
                zeo.stop(signal.SIGKILL)
                zeo.remove()


def _kill(name: str) -> Callable[[Victim], None]:
    return lambda victim: victim.cluster.parts[name].kill()


def _start(name: str) -> Callable[[Victim], None]:
    def start(victim: Victim) -> None:
        deadline = time.monotonic() + START_SECONDS
        for turn in range(TRIES):
            try:
                victim.cluster.parts[name].start()
                return
            except NoCluster:
                if turn == TRIES - 1 or time.monotonic() > deadline:
                    raise

    return start


def _kill_worker(victim: Victim) -> None:
    pids = victim.cluster.parts["node1"].pids
    with suppress(ProcessLookupError):
        os.kill(pids[1], signal.SIGKILL)


def _kill_zeo(victim: Victim) -> None:
    if victim.zeo:
        victim.zeo.stop(signal.SIGKILL)


def _start_zeo(victim: Victim) -> None:
    if victim.zeo:
        victim.zeo.start()


def _cut(victim: Victim) -> None:
    victim.relay.cut()


def _slow(victim: Victim) -> None:
    victim.relay.rate = SLOW


def _mend(victim: Victim) -> None:
    victim.relay.is_cut, victim.relay.rate = False, None


PARTS = {
    "node": "node1",
    "PostgreSQL": "postgresql",
    "Swift proxy": "proxy",
    "object server": "object",
    "nginx": "nginx",
}
FAULTS = [
    *(Fault(name, _kill(part), _start(part)) for name, part in PARTS.items()),
    Fault("worker", _kill_worker, lambda _victim: None),
    Fault("network cut", _cut, _mend),
    Fault("network slow", _slow, _mend),
]
ON_ZEO = [Fault("ZEO", _kill_zeo, _start_zeo)]
