"""The scheduler: what controller daemons and watchdogs call."""

from datetime import timedelta
from typing import Any, BinaryIO

from zope.component import getUtility
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.binding import stored
from librarian.interfaces import IClock, ISettings
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.library_file import LibraryFile
from librarian.library.operations import Library
from librarian.machines import jobs, transitions
from librarian.machines.agent.vcs import MIRRORS
from librarian.machines.enums import (
    CodeImportJobState,
    CodeImportMachineOfflineReason,
    CodeImportMachineState,
    CodeImportResultStatus,
)
from librarian.machines.interfaces import NoSuchMachine, WrongJobState
from librarian.machines.model.imports import CodeImport, CodeImportJob
from librarian.machines.model.machines import CodeImportMachine
from librarian.machines.model.registry import CodeImportRegistry
from librarian.machines.scheduler.interfaces import ICodeImportScheduler
from librarian.machines.scheduler.leases import SteadyClock
from librarian.machines.service import BoundMachine, Services
from librarian.machines.settings import MachinesSettings


@implementer(ICodeImportScheduler)
class CodeImportScheduler:
    """The rules for jobs, and the library for the files that workers hand in.

    Every change is recorded as a daemon's, without a person, whichever principal calls.
    """

    def __init__(self) -> None:
        self._services = Services()
        self._settings = getUtility(ISettings)
        self._steady = SteadyClock(getUtility(IClock))
        self._library = Library()
        # Unproxied: the right to report for a job includes that to add its files, and no other files.
        self._files: Any = removeSecurityProxy(getUtility(ILibraryFileAliasSet))

    @property
    def _registry(self) -> CodeImportRegistry:
        return self._services.registry

    def _job(self, job_id: int, hostname: str) -> CodeImportJob:
        return self._registry.job_of_machine(job_id, hostname.lower())

    def _machine(self, hostname: str) -> CodeImportMachine:
        machine: CodeImportMachine | None = self._registry.machines.get(hostname.lower())
        if machine is None:
            raise NoSuchMachine(hostname)
        return machine

    def _import_of(self, job: CodeImportJob) -> CodeImport:
        code_import: CodeImport = self._registry.imports[job.code_import]
        return code_import

    def arrive(self, hostname: str) -> BoundMachine:
        machine = transitions.arrive(self._registry, hostname, self._services.daemon_context())
        return BoundMachine(machine, self._services)

    def getJobForMachine(self, hostname: str, worker_limit: int) -> CodeImportJob | None:
        context = self._services.daemon_context()
        return transitions.get_job_for_machine(
            self._registry, hostname, worker_limit, context, judge=self._can_judge_leases()
        )

    def _can_judge_leases(self) -> bool:
        return self._steady.steady_for() > jobs.LEASE

    def startJob(self, job_id: int, hostname: str) -> None:
        job = self._job(job_id, hostname)
        jobs.start_job(self._registry, job, self._machine(hostname), self._services.daemon_context())

    def updateHeartbeat(self, job_id: int, hostname: str, logtail: str) -> None:
        self._steady.steady_for()  # the more often the clocks are compared, the sooner a step is noticed
        jobs.job_heartbeat(self._job(job_id, hostname), logtail, self._services.daemon_context())

    def addFile(self, job_id: int, hostname: str, kind: str, size: int, file: BinaryIO) -> int:
        job = self._job(job_id, hostname)
        if job.state is not CodeImportJobState.RUNNING:
            raise WrongJobState(job.id, job.state)
        code_import = self._import_of(job)
        name, mimetype = _name_and_type(kind, job, code_import)
        alias = self._files.create(name, size, file, mimetype, restricted=code_import.private)
        if kind == "log":
            job.log_file = alias.id
        else:
            job.bundle_file = alias.id
        self._registry.hold_file(code_import, stored(alias))
        self._registry.release_unused_files(code_import)  # a file of this kind from an earlier attempt
        alias_id: int = alias.id
        return alias_id

    def openBundle(self, job_id: int, hostname: str) -> LibraryFile | None:
        code_import = self._import_of(self._job(job_id, hostname))
        if code_import.bundle_file is None or code_import.bundle_url != code_import.url:
            return None
        return self._library.open(stored(self._files[code_import.bundle_file]))

    def finishJob(self, job_id: int, hostname: str, status: CodeImportResultStatus) -> None:
        job = self._job(job_id, hostname)
        jobs.finish_job(self._registry, job, status, self._services.daemon_context())

    def leave(self, hostname: str) -> None:
        machine = self._machine(hostname)
        if machine.state is not CodeImportMachineState.OFFLINE:
            quiesced = machine.state is CodeImportMachineState.QUIESCING
            reason = CodeImportMachineOfflineReason["QUIESCED" if quiesced else "STOPPED"]
            transitions.set_offline(self._registry, machine, reason, self._services.daemon_context())

    def drained(self, hostname: str) -> None:
        machine = self._machine(hostname)
        if machine.state is CodeImportMachineState.QUIESCING:
            context = self._services.daemon_context("the drain took too long")
            reason = CodeImportMachineOfflineReason.QUIESCED
            transitions.set_offline(self._registry, machine, reason, context)

    def watch(self, reachable_for: timedelta | None = None) -> list[str]:
        limit = self._settings.section(MachinesSettings).heartbeat_timeout
        if reachable_for is not None and reachable_for < limit:
            return []
        if self._steady.stepped_within(limit):
            return []
        context = self._services.daemon_context()
        return transitions.watch(self._registry, limit, context, judge=self._can_judge_leases())


def _name_and_type(kind: str, job: CodeImportJob, code_import: CodeImport) -> tuple[str, str]:
    """File name and media type of a job's ``log`` or ``bundle``."""
    if kind == "log":
        return f"{job.id}.log", "text/plain; charset=utf-8"
    mirror = MIRRORS[code_import.rcs_type]
    return f"{code_import.name}{mirror.suffix}", mirror.mimetype
