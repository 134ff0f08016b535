"""The controller: the daemon of a machine, which sends heartbeats, polls for jobs and runs them."""

import fcntl
import logging
import math
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from librarian.machines.agent.interfaces import (
    AlreadyRunning,
    Assignment,
    JobLost,
    MachineStatus,
    SchedulerClient,
    Unreachable,
)
from librarian.machines.agent.runner import Limits, Runner

log = logging.getLogger(__name__)


class Controller:
    """Runs up to `workers` jobs at a time for one machine.

    Each job reports from its own thread, so that a slow upload delays no heartbeat of another job.
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
        self.status: MachineStatus | None = None  # the last that was received
        self._beaten: dict[int, float] = {}  # job id -> monotonic seconds of its last heartbeat
        self._draining_since: float | None = None

    def lock(self) -> IO[str]:
        """Lock the directory until the returned file is closed, and remove the jobs of an earlier run.

        Raises AlreadyRunning: two controllers in one directory would remove each other's jobs.
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
        """Take turns every `poll_seconds` until `stop` is set.

        `exit_when_quiesced` ends it as well once the machine is OFFLINE by the decision of a person.
        """
        with self.lock():
            self.arrive()
            while not stop.is_set():
                self.turn()
                if exit_when_quiesced and self.status is not None and self.status.needs_person:
                    return
                stop.wait(poll_seconds)
            self.leave()

    def run_once(self) -> None:
        """Arrive, run the jobs that are due, and leave."""
        with self.lock():
            self.arrive()
            self.turn()
            while self.runners:
                for runner in self.runners:
                    runner.join(self.beat_seconds / 2)
                self.turn()
            self.leave()

    def arrive(self) -> None:
        """Report the start; where the service is out of reach, the next turn does it."""
        try:
            self._follow(self.scheduler_client.arrive())
        except Unreachable as error:
            log.warning("server unreachable reason=%s", error)

    def turn(self) -> None:
        """Forget runners that ended, send heartbeats, and poll."""
        self.runners = [runner for runner in self.runners if runner.is_alive()]
        try:
            self._beat()
            if self.status is None or (self.status.state == "OFFLINE" and not self.status.needs_person):
                self._follow(self.scheduler_client.arrive())
            self._poll()
        except Unreachable as error:
            log.warning("server unreachable reason=%s", error)

    def leave(self) -> None:
        """Stop in good order: end all workers, and report it, so that other machines get the jobs."""
        self._abandon_all()
        try:
            self.scheduler_client.leave()
        except Unreachable as error:
            # The watchdog will set the machine OFFLINE.
            log.warning("server unreachable reason=%s", error)

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

    def _poll(self) -> None:
        """Ask for jobs until none is given.  A full machine asks too, because this is its heartbeat."""
        while True:
            status = self.scheduler_client.poll(self.workers)
            self._follow(status)
            if status.job is None:
                return
            self._start(status.job)

    def _start(self, assignment: Assignment) -> None:
        directory = self.directory / "jobs" / str(assignment.job_id)
        runner = Runner(self.scheduler_client, assignment, directory, self.limits, self.local)
        self._beaten[assignment.job_id] = self.monotonic()
        self.runners.append(runner)
        runner.start()

    def _follow(self, status: MachineStatus) -> None:
        """Act on the state that the service has for this machine."""
        if self.status is None or self.status.state != status.state:
            log.info("state %s note=%s", status.state, status.note)
        self.status = status
        if status.state == "OFFLINE":
            self._abandon_all()  # an OFFLINE machine has no jobs
        if status.state != "QUIESCING":
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
