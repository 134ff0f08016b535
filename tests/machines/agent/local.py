"""A controller's scheduler client without HTTP: it calls the scheduler, as `importd`."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from zope.component import getUtility

from librarian.machines.agent.interfaces import Assignment, JobLost, MachineStatus, Unreachable
from librarian.machines.enums import CodeImportResultStatus
from librarian.machines.interfaces import ICodeImportMachineSet, ICodeImportSet, JobGone, MachinePinned
from librarian.machines.scheduler.interfaces import ICodeImportScheduler
from librarian.security.interaction import acting_as
from librarian.security.principals import script_principal
from librarian.tree.interfaces import ITree

T = TypeVar("T")


def _status(machine: Any, job: Assignment | None = None) -> MachineStatus:
    return MachineStatus(machine.state.name, machine.pinned, machine.cordon is not None, "", job)


class LocalSchedulerClient:
    """Each call is one transaction, in the thread of the caller.

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

    def arrive(self) -> MachineStatus:
        self.calls.append("arrive")

        def work(scheduler: Any) -> MachineStatus:
            machine = scheduler.arrive(self.hostname)
            return _status(machine)

        try:
            return self._do(work)
        except MachinePinned as error:
            return MachineStatus("OFFLINE", True, False, str(error))

    def poll(self, worker_limit: int) -> MachineStatus:
        def work(scheduler: Any) -> MachineStatus:
            job = scheduler.getJobForMachine(self.hostname, worker_limit)
            machine = getUtility(ICodeImportMachineSet)[self.hostname]
            given = None
            if job is not None:
                code_import = getUtility(ICodeImportSet)[job.code_import]
                given = Assignment(job.id, code_import.name, code_import.rcs_type.name, code_import.url)
            return _status(machine, given)

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
