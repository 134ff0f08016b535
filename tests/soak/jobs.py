"""What happens beside the load: upkeep by the commands of an administrator, restarts, and kills."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak.watch import Span, Watch
from tests.soak.world import AFTERWARDS, World

PATIENCE = 180.0  # seconds until there are new workers, one after the other
# Days of history that a pack keeps, about three minutes: where what two changes began with is packed away,
# their conflict cannot be resolved, and ZODB logs an error before the later one is repeated.
HISTORY = "0.002"
CALM = 0.4  # of the run, at its end: without restarts, so that what grows is seen


@dataclass
class Job:
    """Something that is done every so many seconds."""

    name: str
    every: float
    do: Callable[[], None]
    due: float = 0.0  # in seconds since the start


def repeated(
    jobs: list[Job], watch: Watch, chance: random.Random, ended: threading.Event, until: float
) -> Iterator[Span]:
    """Each job at least twice, the first time at a moment by chance; the moments at which one was done.

    One that raises is noted, and goes on.
    """
    for job in jobs:
        job.every = min(job.every, until / 3.5)
        job.due = job.every * chance.uniform(0.2, 0.9)
    while watch.now() < until and not ended.wait(min(0.2, until / 100)):
        if ready := [job for job in jobs if job.due <= watch.now()]:
            job = min(ready, key=lambda each: each.due)
            begun = watch.now()
            try:
                job.do()
            except Exception as error:  # noqa: BLE001  # in a thread it would be seen by nothing
                watch.fail(Span(begun, watch.now(), job.name), f"{type(error).__name__}: {error}"[:2000])
            yield Span(begun, watch.now(), job.name)
            job.due = watch.now() + job.every * chance.uniform(0.7, 1.3)


@dataclass
class Jobs:
    """All jobs of a run of `length` seconds; `backup` is that of the library that ended well last."""

    world: World
    length: float
    seed: str
    done: list[Span] = field(default_factory=list)
    backup: Span | None = None

    def upkeep(self, ended: threading.Event) -> None:
        """One command after the other, as each is due."""
        commands = {
            "gc": (240, "gc"),
            "sweep": (300, "sweep"),
            "scrub": (300, "scrub", "--share", "1/4"),
            "backup": (300, "backup", str(self.backups)),
            "pack": (420, "pack", "--days", HISTORY),
            "prune": (600, "tracker", "prune"),
            "fsck": (600, "fsck"),
        }
        jobs = [
            Job(name, float(every), lambda name=name, words=words: self.command(name, *words))  # type: ignore[misc]  # mypy cannot tell
            for name, (every, *words) in commands.items()
        ]
        self._repeat([*jobs, Job("rotation", 180.0, self.rotate)], ended, self.length)

    def harm(self, ended: threading.Event) -> None:
        """Restarts and kills; none at the end of the run."""
        jobs = [
            Job("SIGHUP", 240.0, self.replace_workers),
            Job("worker killed", 300.0, self.kill_worker),
            Job("restart", 480.0, self.restart),
            Job("all killed", 600.0, self.kill),
            Job("parent killed", 900.0, self.kill_parent),
        ]
        self._repeat(jobs, ended, self.length * (1 - CALM))

    def _repeat(self, jobs: list[Job], ended: threading.Event, until: float) -> None:
        chance = random.Random(f"{self.seed} {jobs[0].name}")  # no secret
        for span in repeated(jobs, self.world.watch, chance, ended, until):
            self.done.append(span)

    @property
    def backups(self) -> Path:
        """The folder of the backup."""
        return self.world.folder / "backup"

    # Upkeep

    def command(self, name: str, *words: str) -> None:
        """A command, which must end with 0 unless the server is restarted meanwhile."""
        watch = self.world.watch
        begun = watch.now()
        complaint = self.world.command(*words)
        span = Span(begun, watch.now(), f"librarian {name}")
        if complaint:
            watch.fail(span, complaint, is_outage=True)
        elif name == "backup":
            self.backup = span

    def rotate(self) -> None:
        """As logrotate does it; then downloads are counted from the log that was renamed."""
        log = self.world.folder / "log" / "access.log"
        rotated = log.with_suffix(f".log.{len(self.done)}")
        with suppress(FileNotFoundError):
            log.rename(rotated)
        with suppress(ProcessLookupError, AssertionError):  # it is being restarted
            os.kill(self.world.server.pid, signal.SIGUSR1)
        self.command("count-downloads", "count-downloads", str(rotated))
        for old in sorted(log.parent.glob("access.log.*"), key=lambda each: each.stat().st_mtime)[:-3]:
            old.unlink()

    # Restarts and kills

    def replace_workers(self) -> None:
        """No request may notice."""
        before = set(self.world.server.worker_pids)
        if before:
            os.kill(self.world.server.pid, signal.SIGHUP)
            self._until(lambda: self._workers_are_new(before, len(before)))

    def kill_worker(self) -> None:
        """Requests that it was at have no answer."""
        if before := self.world.server.worker_pids:
            with self.world.watch.disturbed("worker killed", AFTERWARDS):
                with suppress(ProcessLookupError):
                    os.kill(before[0], signal.SIGKILL)
                self._until(lambda: self._workers_are_new({before[0]}, len(before)))

    def restart(self) -> None:
        """What is under way is finished; meanwhile, and until it is started, connections are refused."""
        with self.world.watch.disturbed("restart", AFTERWARDS):
            self._start(self.world.server.stop)

    def kill(self) -> None:
        """As a power cut would, except that the disk's cache survives."""
        with self.world.watch.disturbed("all killed", AFTERWARDS):
            self._start(self.world.server.kill)

    def kill_parent(self) -> None:
        """Its workers finish what they are at."""
        with self.world.watch.disturbed("parent killed", AFTERWARDS):
            self._start(self.world.server.kill_parent)

    def _start(self, end: Callable[[], None]) -> None:
        self.world.is_up.clear()
        end()
        self.world.read_log()
        self.world.start()

    def _workers_are_new(self, before: set[int], number: int) -> bool:
        now = set(self.world.server.worker_pids)
        return len(now) >= number and not now & before

    def _until(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > until:
                raise TimeoutError(f"no new workers within {PATIENCE:g} s")
            time.sleep(0.1)
