"""Rounds of one fault after the other under load, and what they came to."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import urllib3

from tests.chaos.faults import FAULTS, ON_ZEO, Fault, Victim, running_cluster
from tests.chaos.load import Client, Ledger, lost
from tests.support.servers.forked import with_path
from tools.cluster import storage
from tools.cluster.cluster import RUN
from tools.cluster.layout import NODES, NoCluster

CLIENTS = 6
CALM_SECONDS = 1.0  # before a fault
HARM_SECONDS = 2.0  # of a fault
RECOVERY_SECONDS = 180.0  # after which a cluster counts as broken
ENDING_SECONDS = 90.0  # of a client, after its last request has begun
COLLECTING_SECONDS = 180.0


@dataclass
class Outcome:
    """What a fault came to, over all its rounds."""

    name: str
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)  # seconds

    @property
    def is_good(self) -> bool:
        """Whether nothing is lost, wrong or failed."""
        return not (self.lost or self.wrong or self.failures)

    def row(self) -> str:
        """One line of the table."""
        seen = ", ".join(f"{what} {number}" for what, number in sorted(self.seen.items()))
        usual, slowest = median(self.recoveries or [0.0]), max(self.recoveries, default=0.0)
        numbers = f"{len(self.lost):5}{len(self.wrong):6}{len(self.failures):5}{usual:7.1f}{slowest:8.1f} s"
        return f"{self.name:<14}{len(self.recoveries):6}{self.acknowledged:7}{numbers}  {seen}"


COLUMNS = f"{'killed':<14}{'rounds':>6}{'acked':>7}{'lost':>5}{'wrong':>6}{'500':>5}"
HEADING = f"{COLUMNS}{'usual':>7}{'slowest':>10}  seen"  # seconds until all serve: the median, and the most


def all_outcomes(rounds: int, only: Sequence[str], tell: Callable[[str], None]) -> list[Outcome]:
    """`rounds` of each fault, or of those named; a line is told as each is done."""
    tell(HEADING)
    found = []
    for faults, on_zeo in ((FAULTS, False), (ON_ZEO, True)):
        wanted = [fault for fault in faults if not only or fault.name in only]
        if wanted:
            with ExitStack() as running:
                folder = running.enter_context(tempfile.TemporaryDirectory(prefix="librarian-chaos-"))
                victim = running.enter_context(running_cluster(Path(folder), on_zeo))
                for fault in wanted:
                    found.append(outcome(victim, fault, rounds))
                    tell(found[-1].row())
                    with suppress(NoCluster):  # which the next one tells
                        victim.cluster.start()
    return found


def summary(outcomes: Sequence[Outcome], seconds: float) -> str:
    """One line about all of them."""
    counts = {
        name: sum(len(getattr(each, name)) for each in outcomes) for name in ("lost", "wrong", "failures")
    }
    slowest = max((max(each.recoveries, default=0.0) for each in outcomes), default=0.0)
    return (
        f"{sum(len(each.recoveries) for each in outcomes)} rounds in {seconds / 60:.1f} min:"
        f" {sum(each.acknowledged for each in outcomes)} acknowledged, {counts['lost']} lost,"
        f" {counts['wrong']} wrong, {counts['failures']} answers 500 or waits without end;"
        f" all serve again after {slowest:.1f} s at most"
    )


def outcome(victim: Victim, fault: Fault, rounds: int, clients: int = CLIENTS) -> Outcome:
    """What `rounds` of one fault come to, under the load of so many clients."""
    found, ledger = Outcome(fault.name), Ledger()
    with loaded(victim, ledger, clients), collected(victim, ledger):
        for _round in range(rounds):
            if not _is_survived(victim, fault, ledger, found.recoveries):
                break
    for node in NODES:
        found.lost += lost(ledger, victim.cluster.layout.node_urls(node))
    found.acknowledged = len(ledger.files) + len(ledger.restricted) + len(ledger.tracked)
    found.seen, found.wrong, found.failures = ledger.seen, ledger.wrong, ledger.failures
    return found


def _is_survived(victim: Victim, fault: Fault, ledger: Ledger, recoveries: list[float]) -> bool:
    """One round; False where the cluster did not come back."""
    time.sleep(CALM_SECONDS)
    fault.begin(victim)
    time.sleep(HARM_SECONDS)
    try:
        fault.end(victim)
    except NoCluster as error:
        ledger.note_endless(f"the start of a part ({error})")
        return False
    recoveries.append(seconds_until_all_serve(victim))
    if recoveries[-1] >= RECOVERY_SECONDS:
        ledger.note_endless("the recovery")
    return recoveries[-1] < RECOVERY_SECONDS


@contextmanager
def loaded(victim: Victim, ledger: Ledger, number: int) -> Iterator[None]:
    """So many clients at nginx, for the length of a `with`."""
    urls, password = victim.cluster.layout.urls, victim.cluster.admin_password
    ended = threading.Event()
    clients = [Client(one, urls, password, ledger) for one in range(number)]
    threads = [threading.Thread(target=client.run, args=(ended,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        deadline = time.monotonic() + ENDING_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                ledger.note_endless("a request")


@contextmanager
def collected(victim: Victim, ledger: Ledger) -> Iterator[None]:
    """The garbage collection of both nodes runs, one after the other, for the length of a `with`."""
    ended = threading.Event()
    thread = threading.Thread(target=_collect, args=(victim, ledger, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _collect(victim: Victim, ledger: Ledger, ended: threading.Event) -> None:
    while not ended.is_set():
        for node in NODES:
            ini = victim.cluster.layout.folder / node / "librarian.ini"
            try:
                subprocess.run(
                    [sys.executable, "-c", RUN, "gc"],
                    env=with_path({**os.environ, **storage.credentials(), "LIBRARIAN_INI": str(ini)}),
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    check=False,  # without its database it fails, which is no fault
                    timeout=COLLECTING_SECONDS,
                )
            except subprocess.TimeoutExpired:
                ledger.note_endless("a garbage collection")
        ended.wait(1.0)


def seconds_until_all_serve(victim: Victim) -> float:
    """From now until a file can be put at nginx, and read there and at each node."""
    begun = time.monotonic()
    while time.monotonic() < begun + RECOVERY_SECONDS:
        with suppress(urllib3.exceptions.HTTPError):
            if _all_serve(victim):
                break
        time.sleep(0.02)
    return time.monotonic() - begun


def _all_serve(victim: Victim) -> bool:
    http = urllib3.PoolManager(retries=False, timeout=10.0)
    layout = victim.cluster.layout
    data = os.urandom(1000)
    put = http.request("PUT", f"{layout.urls['upload']}probe.bin", body=data)
    if put.status != 201:
        return False
    path = put.json()["url"].removeprefix(layout.urls["public"])
    publics = [layout.urls["public"], *(layout.node_urls(node)["public"] for node in NODES)]
    return all(http.request("GET", public + path).data == data for public in publics)
