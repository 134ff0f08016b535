"""A controller's scheduler_client without HTTP between: the scheduler itself, as `importd`."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from zope.component import getUtility

from librarian.machines.agent.scheduler_client import Assignment, JobLost, Standing, Unreachable
from librarian.machines.enums import CodeImportResultStatus
from librarian.machines.interfaces import (
    ICodeImportMachineSet,
    ICodeImportScheduler,
    ICodeImportSet,
    JobGone,
    MachineHeld,
)
from librarian.security.interaction import acting_as
from librarian.security.principals import script_principal
from librarian.tree.interfaces import ITree

T = TypeVar("T")


class LocalHeadquarters:
    """Each call is a transaction of its own, in whichever thread it comes from.

    `unreachable`, once set, makes every call fail as a broken network would.
    """

    def __init__(self, hostname: str) -> None:
        self.hostname = hostname
        self.unreachable = threading.Event()
        self.calls: list[str] = []

    def _do(self, call: Callable[[Any], T]) -> T:
        if self.unreachable.is_set():
            raise Unreachable("the network is down")
        with acting_as(script_principal("importd")):
            try:
                return getUtility(ITree).run(lambda: call(getUtility(ICodeImportScheduler)))
            except JobGone as error:
                raise JobLost(str(error)) from error

    def arrive(self) -> Standing:
        self.calls.append("arrive")

        def work(scheduler: Any) -> Standing:
            machine = scheduler.arrive(self.hostname)
            return Standing(machine.state.name, machine.held, "")

        try:
            return self._do(work)
        except MachineHeld as error:
            return Standing("OFFLINE", True, str(error))

    def look(self, worker_limit: int) -> Standing:
        def work(scheduler: Any) -> Standing:
            job = scheduler.getJobForMachine(self.hostname, worker_limit)
            machine = getUtility(ICodeImportMachineSet)[self.hostname]
            given = None
            if job is not None:
                code_import = getUtility(ICodeImportSet)[job.code_import]
                given = Assignment(job.id, code_import.name, code_import.rcs_type.name, code_import.url)
            return Standing(machine.state.name, machine.held, "", given)

        return self._do(work)

    def start(self, job_id: int) -> None:
        self.calls.append("start")
        self._do(lambda scheduler: scheduler.startJob(job_id, self.hostname))

    def beat(self, job_id: int, logtail: str) -> None:
        self.calls.append("beat")
        self._do(lambda scheduler: scheduler.updateHeartbeat(job_id, self.hostname, logtail))

    def fetch_bundle(self, job_id: int, target: Path) -> bool:
        def work(scheduler: Any) -> bool:
            opened = scheduler.openBundle(job_id, self.hostname)
            if opened is None:
                return False
            with target.open("wb") as file:
                shutil.copyfileobj(opened, file)
            opened.close()
            return True

        return self._do(work)

    def deliver(self, job_id: int, kind: str, path: Path) -> None:
        def work(scheduler: Any) -> None:
            with path.open("rb") as file:
                scheduler.addFile(job_id, self.hostname, kind, path.stat().st_size, file)

        self._do(work)

    def finish(self, job_id: int, status: str) -> None:
        self.calls.append(f"finish {status}")
        result = CodeImportResultStatus[status]
        self._do(lambda scheduler: scheduler.finishJob(job_id, self.hostname, result))

    def leave(self) -> None:
        self._do(lambda scheduler: scheduler.leave(self.hostname))

    def drained(self) -> None:
        self._do(lambda scheduler: scheduler.drained(self.hostname))
