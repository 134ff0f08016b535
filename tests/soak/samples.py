"""A look at the server every so often: what its processes take, and how long requests took."""

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak.world import World
from tests.support import processes


@dataclass(frozen=True)
class Sample:
    """One look."""

    at: float  # seconds since the start
    life: int  # changes with every process that is new
    memory: float  # MiB of all processes, pages that they share counted once
    resident: float  # MiB, shared pages counted for each
    descriptors: int
    threads: int
    tree: float  # MiB
    store: float  # MiB
    median: float  # milliseconds, of all requests over plain HTTP since the last look
    p99: float  # milliseconds
    operations: int  # since the last look

    def __str__(self) -> str:
        used = f"{self.memory:.0f} MiB, {self.descriptors} descriptors, {self.threads} threads"
        return f"{used}, p99 {self.p99:.0f} ms"


@dataclass
class Sampler:
    """Takes them."""

    world: World
    samples: list[Sample] = field(default_factory=list)
    times: dict[str, list[float]] = field(default_factory=dict)  # seconds, of all operations, by kind
    _life: int = 0
    _pids: frozenset[int] = frozenset()

    def run(self, ended: threading.Event, every: float) -> None:
        """One after the other until `ended`."""
        while not ended.wait(every):
            with suppress(OSError, AssertionError):  # the server is being restarted
                self.take()

    def take(self) -> None:
        """Raises OSError if a process ends meanwhile."""
        pids = frozenset(self.world.pids)
        taken = self.world.watch.take_times()
        for kind, times in taken.items():
            self.times.setdefault(kind, []).extend(times)
        plain = sorted(time for kind, times in taken.items() if kind.startswith("http ") for time in times)
        if pids != self._pids:
            self._life, self._pids = self._life + 1, pids
        self.world.read_log()
        self.samples.append(
            Sample(
                self.world.watch.now(),
                self._life,
                sum(processes.share_mib(pid) for pid in pids),
                sum(processes.memory_mib(pid) for pid in pids),
                sum(processes.descriptors(pid) for pid in pids),
                sum(processes.threads(pid) for pid in pids),
                size_mib(self.world.server.folder / "tree"),
                size_mib(self.world.server.byte_store),
                1000 * quantile(plain, 0.5),
                1000 * quantile(plain, 0.99),
                sum(map(len, taken.values())),
            )
        )


def quantile(ordered: list[float], share: float) -> float:
    """Of values in their order; 0 of none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def size_mib(folder: Path) -> float:
    """What the files below it take; one that vanishes meanwhile counts nothing."""
    found = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            found += path.lstat().st_size
    return found / (1 << 20)
