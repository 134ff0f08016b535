"""The runner of one job: a thread that prepares a directory, watches the worker process, and reports."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

from librarian.machines.agent.interfaces import (
    Assignment,
    JobLost,
    Refused,
    SchedulerClient,
    Unreachable,
)
from librarian.machines.agent.worker import BUNDLE, LAST, LOG, RESULT, Order
from librarian.machines.enums import CodeImportResultStatus

log = logging.getLogger(__name__)

LOGTAIL_BYTES = 4000
SECONDS_BETWEEN_CHECKS = 0.1  # polls of the worker process
SECONDS_BETWEEN_SURVEYS = 10.0  # of the disk usage of a job
SURVEY_SHARE = 0.02  # of the time, at most: a survey that takes longer is made less often
SECONDS_BETWEEN_TRIES = 5.0  # to report, while the service is out of reach
REPORT_PATIENCE_SECONDS = 3600.0


@dataclass(frozen=True)
class Limits:
    """The limits of one job."""

    seconds: float = 24 * 3600
    inactivity_seconds: float = 3600  # without a new line in the log
    log_bytes: int = 10 * 2**20
    file_bytes: int = 20 * 2**30
    disk_bytes: int = 60 * 2**30  # of everything below the job's directory together


class Runner(threading.Thread):
    """Runs one job to its end, in its own directory, which is removed afterwards."""

    def __init__(
        self,
        scheduler_client: SchedulerClient,
        assignment: Assignment,
        directory: Path,
        limits: Limits,
        local: bool,
    ) -> None:
        super().__init__(name=f"job-{assignment.job_id}", daemon=True)
        self.scheduler_client = scheduler_client
        self.assignment = assignment
        self.directory = directory
        self.limits = limits
        self.order = Order(assignment.rcs_type, assignment.url, local, limits.log_bytes, limits.file_bytes)
        self.started = False  # whether the registry counts the job as running
        self.survey_seconds = SECONDS_BETWEEN_SURVEYS
        self._abandoned = threading.Event()

    def abandon(self) -> None:
        """End the worker without a report: this machine does not have the job any more."""
        self._abandoned.set()

    def logtail(self) -> str:
        """The last 4,000 bytes of the log so far."""
        try:
            with (self.directory / LOG).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - LOGTAIL_BYTES))
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def run(self) -> None:
        job_id = self.assignment.job_id
        try:
            self.directory.mkdir(parents=True)
            self._retry(lambda: self.scheduler_client.start(job_id))
            self.started = True
            self._retry(lambda: self.scheduler_client.fetch_bundle(job_id, self.directory / LAST))
            status = self._work()
            self._report(status)
            log.info("job done job=%d import=%s status=%s", job_id, self.assignment.code_import, status.name)
        except (JobLost, Refused) as error:
            log.warning("job given up job=%d reason=%s", job_id, error)
        except OSError as error:
            log.error("job failed here job=%d error=%r", job_id, error)
            self._report_internal_failure()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _report_internal_failure(self) -> None:
        """Report a fault of this machine, such as a full disk, which does not count against the import."""
        failure = CodeImportResultStatus.INTERNAL_FAILURE.name
        try:
            self._retry(lambda: self.scheduler_client.finish(self.assignment.job_id, failure))
        except (JobLost, Refused, Unreachable) as error:
            log.warning("job given up job=%d reason=%s", self.assignment.job_id, error)

    def _retry(self, call: Callable[[], object]) -> None:
        """Repeat `call` while it raises Unreachable, for REPORT_PATIENCE_SECONDS at most.

        Raises Unreachable then, and JobLost once the job is abandoned.
        """
        began = time.monotonic()
        while True:
            if self._abandoned.is_set():
                raise JobLost("abandoned")
            try:
                call()
            except Unreachable as error:
                log.warning("server unreachable job=%d reason=%s", self.assignment.job_id, error)
                if time.monotonic() - began > REPORT_PATIENCE_SECONDS:
                    raise
                self._abandoned.wait(SECONDS_BETWEEN_TRIES)
            else:
                return

    def _work(self) -> CodeImportResultStatus:
        """Run the worker process within the limits; the status of the job.  Raises JobLost if abandoned."""
        self.order.write(self.directory)
        command = [sys.executable, "-m", "librarian.machines.agent.worker", str(self.directory)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        # A new session, so that its tools are killed with it; its stdin closes when this process ends.
        with subprocess.Popen(command, stdin=PIPE, start_new_session=True, env=environment) as worker:
            too_long = self._watch(worker)
            if too_long or self._abandoned.is_set():
                os.killpg(worker.pid, signal.SIGKILL)
        if self._abandoned.is_set():
            raise JobLost("abandoned")
        if too_long:
            self._add_to_log(too_long)
            return CodeImportResultStatus.FAILURE
        return self._result(worker.returncode)

    def _result(self, returncode: int) -> CodeImportResultStatus:
        """The status in the worker's result file; INTERNAL_FAILURE without one."""
        try:
            return CodeImportResultStatus[json.loads((self.directory / RESULT).read_text())["status"]]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            self._add_to_log(f"the worker ended with status {returncode} and no result")
            return CodeImportResultStatus.INTERNAL_FAILURE

    def _watch(self, worker: "subprocess.Popen[bytes]") -> str:
        """Wait for the worker to end; '', or which limit it exceeded."""
        began = heard = time.monotonic()
        size, next_survey = -1, began
        while worker.poll() is None and not self._abandoned.wait(SECONDS_BETWEEN_CHECKS):
            now = time.monotonic()
            size_now = self._log_size()
            if size_now != size:
                size, heard = size_now, now
            if exceeded := self._exceeded_time(now - began, now - heard):
                return exceeded
            if now >= next_survey:
                if exceeded := self._exceeded_disk():
                    return exceeded
                pause = max(self.survey_seconds, (time.monotonic() - now) / SURVEY_SHARE)
                next_survey = time.monotonic() + pause
        return ""

    def _exceeded_time(self, running: float, silent: float) -> str:
        if running > self.limits.seconds:
            return f"ended after {self.limits.seconds:.0f} seconds"
        if silent > self.limits.inactivity_seconds:
            return f"ended after {self.limits.inactivity_seconds:.0f} seconds without output"
        return ""

    def _exceeded_disk(self) -> str:
        taken = disk_usage(self.directory)
        if taken <= self.limits.disk_bytes:
            return ""
        return f"ended with {taken} bytes on the disk, above the limit of {self.limits.disk_bytes}"

    def _log_size(self) -> int:
        try:
            return (self.directory / LOG).stat().st_size
        except FileNotFoundError:
            return -1

    def _add_to_log(self, line: str) -> None:
        with (self.directory / LOG).open("a") as file:
            file.write(f"{line}\n")

    def _report(self, status: CodeImportResultStatus) -> None:
        job_id = self.assignment.job_id
        self._retry(lambda: self.scheduler_client.beat(job_id, self.logtail()))
        self._retry(lambda: self.scheduler_client.deliver(job_id, "log", self.directory / LOG))
        if status is CodeImportResultStatus.SUCCESS:
            self._retry(lambda: self.scheduler_client.deliver(job_id, "bundle", self.directory / BUNDLE))
        self._retry(lambda: self.scheduler_client.finish(job_id, status.name))


def disk_usage(directory: Path) -> int:
    """The disk usage of `directory` in bytes, each inode once, as du(1) counts.

    A file that is removed during the count, as a tool's temporary files are, counts as 0.
    """
    taken: dict[tuple[int, int], int] = {}
    for folder, _folders, files in os.walk(directory):
        for path in (Path(folder), *(Path(folder, name) for name in files)):
            try:
                found = path.lstat()
            except FileNotFoundError:
                continue
            taken[found.st_dev, found.st_ino] = found.st_blocks * 512  # stat(2): st_blocks counts 512 bytes
    return sum(taken.values())
