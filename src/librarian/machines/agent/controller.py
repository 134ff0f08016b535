"""The daemon on a machine: says that it lives, asks for work, keeps its jobs' leases, obeys."""

import fcntl
import logging
import math
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from librarian.interfaces import LibrarianError
from librarian.machines.agent.runner import Limits, Runner
from librarian.machines.agent.scheduler_client import JobLost, SchedulerClient, Standing, Unreachable

log = logging.getLogger(__name__)


class AlreadyRunning(LibrarianError, RuntimeError):
    """Another controller works in this directory."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"another controller works in {directory}")
        self.directory = directory


class Controller:
    """Runs up to `workers` jobs at a time for one machine.

    Reports go out from the jobs' own threads, so that a slow upload delays nobody's heartbeat.
    """

    def __init__(
        self,
        scheduler_client: SchedulerClient,
        directory: Path,
        workers: int,
        *,
        limits: Limits | None = None,
        local: bool = False,
        drain_seconds: float | None = None,
        beat_seconds: float = 60.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.scheduler_client = scheduler_client
        self.directory = directory
        self.workers = workers
        self.limits = limits or Limits()
        self.local = local
        self.drain_seconds = drain_seconds  # None: a drain takes as long as its longest job
        self.beat_seconds = beat_seconds
        self.monotonic = monotonic
        self.runners: list[Runner] = []
        self.standing: Standing | None = None  # what the registry last thought of us
        self._beaten: dict[int, float] = {}  # job id -> when
        self._draining_since: float | None = None

    def lock(self) -> IO[str]:
        """Make the directory ours until the file is closed, and clear away what a former run left.

        Raises AlreadyRunning: two controllers of one host name would take each other's jobs.
        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (self.directory / "controller.lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise AlreadyRunning(self.directory) from None
        shutil.rmtree(self.directory / "jobs", ignore_errors=True)
        return file

    def run(self, stop: threading.Event, poll_seconds: float, *, exit_when_quiesced: bool = False) -> None:
        """Work until `stop` is set, or, if so asked, until a person's quiescing is done."""
        with self.lock():
            self.arrive()
            while not stop.is_set():
                self.turn()
                if exit_when_quiesced and self.is_quiesced():
                    return
                stop.wait(poll_seconds)
            self.leave()

    def run_once(self) -> None:
        """Come, do what there is to do, and leave."""
        with self.lock():
            self.arrive()
            self.turn()
            while self.runners:
                for runner in self.runners:
                    runner.join(self.beat_seconds / 2)
                self.turn()
            self.leave()

    def is_quiesced(self) -> bool:
        return self.standing is not None and self.standing.state == "OFFLINE" and self.standing.held

    def arrive(self) -> None:
        """Tell that we start; who cannot be told now is told in the next turn."""
        try:
            self._follow(self.scheduler_client.arrive())
        except Unreachable as error:
            log.warning("registry out of reach reason=%s", error)

    def turn(self) -> None:
        """Everything that is to be done now and then."""
        self.runners = [runner for runner in self.runners if runner.is_alive()]
        try:
            self._beat()
            if self.standing is None or (self.standing.state == "OFFLINE" and not self.standing.held):
                self._follow(self.scheduler_client.arrive())
            self._look()
        except Unreachable as error:
            log.warning("registry out of reach reason=%s", error)

    def leave(self) -> None:
        """Stop in good order: end all workers, then tell; others take the jobs at once."""
        self._abandon_all()
        try:
            self.scheduler_client.leave()
        except Unreachable as error:
            # The watchdog will find out.
            log.warning("registry out of reach reason=%s", error)

    def _beat(self) -> None:
        now = self.monotonic()
        for runner in self.runners:
            job_id = runner.assignment.job_id
            if runner.started and now - self._beaten.get(job_id, 0.0) >= self.beat_seconds:
                try:
                    self.scheduler_client.beat(job_id, runner.logtail())
                except JobLost as error:
                    log.warning("job lost job=%d reason=%s", job_id, error)
                    runner.abandon()
                self._beaten[job_id] = now
        running = {runner.assignment.job_id for runner in self.runners}
        self._beaten = {job_id: when for job_id, when in self._beaten.items() if job_id in running}

    def _look(self) -> None:
        """Ask for jobs until there is none, or no worker free.  Asking is our sign of life, so we do it
        when we are full as well; the registry counts."""
        while True:
            standing = self.scheduler_client.look(self.workers)
            self._follow(standing)
            if standing.job is None:
                return
            directory = self.directory / "jobs" / str(standing.job.job_id)
            runner = Runner(self.scheduler_client, standing.job, directory, self.limits, self.local)
            self._beaten[standing.job.job_id] = self.monotonic()
            self.runners.append(runner)
            runner.start()

    def _follow(self, standing: Standing) -> None:
        """Do as the registry says about our state."""
        if self.standing is None or self.standing.state != standing.state:
            log.info("state %s note=%s", standing.state, standing.note)
        self.standing = standing
        if standing.state == "OFFLINE":
            self._abandon_all()  # an OFFLINE machine runs nothing
        if standing.state != "QUIESCING":
            self._draining_since = None
        elif self._draining_since is None:
            self._draining_since = self.monotonic()
        elif self.runners and self._drained_for() > (self.drain_seconds or math.inf):
            log.warning("drain took too long jobs=%d", len(self.runners))
            self._abandon_all()
            self.scheduler_client.drained()

    def _drained_for(self) -> float:
        return self.monotonic() - (self._draining_since or 0.0)

    def _abandon_all(self) -> None:
        for runner in self.runners:
            runner.abandon()
        for runner in self.runners:
            runner.join(30)
        self.runners = []
