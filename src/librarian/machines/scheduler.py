"""What controller daemons call."""

from datetime import timedelta
from typing import Any, BinaryIO

from zope.component import getUtility
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.binding import stored
from librarian.interfaces import IClock
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.operations import Library, LibraryFile
from librarian.machines import jobs
from librarian.machines import transitions as moves
from librarian.machines.agent.vcs import MIRRORS
from librarian.machines.enums import (
    CodeImportJobState,
    CodeImportMachineOfflineReason,
    CodeImportMachineState,
    CodeImportResultStatus,
)
from librarian.machines.events import Act
from librarian.machines.interfaces import (
    ICodeImportScheduler,
    NoSuchMachine,
    WrongJobState,
)
from librarian.machines.leases import SteadyClock
from librarian.machines.model import CodeImportJob, ImportRecord, MachineRecord
from librarian.machines.service import CodeImportMachine, Desk, MachinesSettings
from librarian.settings import ISettings


@implementer(ICodeImportScheduler)
class CodeImportScheduler:
    """The rules for jobs, and the library for what workers bring home.

    Whatever calls it, what it does is a daemon's doing: its events have no person.
    """

    def __init__(self) -> None:
        self._desk = Desk()
        self._settings = getUtility(ISettings)
        self._steady = SteadyClock(getUtility(IClock))
        self._library = Library()
        # Unproxied: whoever may report for a job may thereby add its files, and nothing else.
        self._files: Any = removeSecurityProxy(getUtility(ILibraryFileAliasSet))

    def _act(self, message: str | None = None) -> Act:
        return Act(self._desk.act().now, None, message)

    def _job(self, job_id: int, hostname: str) -> CodeImportJob:
        return self._desk.registry.job_of_machine(job_id, hostname.lower())

    def _machine(self, hostname: str) -> MachineRecord:
        machine: MachineRecord | None = self._desk.registry.machines.get(hostname.lower())
        if machine is None:
            raise NoSuchMachine(hostname)
        return machine

    def _import_of(self, job: CodeImportJob) -> ImportRecord:
        code_import: ImportRecord = self._desk.registry.imports[job.code_import]
        return code_import

    def arrive(self, hostname: str) -> CodeImportMachine:
        return CodeImportMachine(self._desk, moves.arrive(self._desk.registry, hostname, self._act()))

    def getJobForMachine(self, hostname: str, worker_limit: int) -> CodeImportJob | None:
        return moves.get_job_for_machine(
            self._desk.registry, hostname, worker_limit, self._act(), judge=self._leases_believed()
        )

    def _leases_believed(self) -> bool:
        return self._steady.steady_for() > jobs.LEASE

    def startJob(self, job_id: int, hostname: str) -> None:
        job = self._job(job_id, hostname)
        jobs.start_job(self._desk.registry, job, self._machine(hostname), self._act())

    def updateHeartbeat(self, job_id: int, hostname: str, logtail: str) -> None:
        self._steady.steady_for()  # a step is noticed the sooner, the more often the clocks are compared
        jobs.job_heartbeat(self._job(job_id, hostname), logtail, self._act())

    def addFile(self, job_id: int, hostname: str, kind: str, size: int, file: BinaryIO) -> int:
        job = self._job(job_id, hostname)
        if job.state is not CodeImportJobState.RUNNING:
            raise WrongJobState(job.id, job.state)
        code_import = self._import_of(job)
        mirror = MIRRORS[code_import.rcs_type]
        name, mimetype = {
            "log": (f"{job.id}.log", "text/plain; charset=utf-8"),
            "bundle": (f"{code_import.name}{mirror.suffix}", mirror.mimetype),
        }[kind]
        alias = self._files.create(name, size, file, mimetype, restricted=code_import.private)
        if kind == "log":
            job.log_file = alias.id
        else:
            job.bundle_file = alias.id
        self._desk.registry.hold_file(code_import, stored(alias))
        self._desk.registry.let_go(code_import)  # of one handed in before, if this is a second try
        alias_id: int = alias.id
        return alias_id

    def openBundle(self, job_id: int, hostname: str) -> LibraryFile | None:
        code_import = self._import_of(self._job(job_id, hostname))
        if code_import.bundle_file is None or code_import.bundle_url != code_import.url:
            return None
        return self._library.open(stored(self._files[code_import.bundle_file]))

    def finishJob(self, job_id: int, hostname: str, status: CodeImportResultStatus) -> None:
        jobs.finish_job(self._desk.registry, self._job(job_id, hostname), status, self._act())

    def leave(self, hostname: str) -> None:
        machine = self._machine(hostname)
        if machine.state is not CodeImportMachineState.OFFLINE:
            quiesced = machine.state is CodeImportMachineState.QUIESCING
            reason = CodeImportMachineOfflineReason["QUIESCED" if quiesced else "STOPPED"]
            moves.set_offline(self._desk.registry, machine, reason, self._act())

    def drained(self, hostname: str) -> None:
        machine = self._machine(hostname)
        if machine.state is CodeImportMachineState.QUIESCING:
            reason = CodeImportMachineOfflineReason.QUIESCED
            moves.set_offline(self._desk.registry, machine, reason, self._act("the drain took too long"))

    def watch(self, reachable_for: timedelta | None = None) -> list[str]:
        limit = self._settings.section(MachinesSettings).silence_limit
        if reachable_for is not None and reachable_for < limit:
            return []
        if self._steady.stepped_within(limit):
            return []
        return moves.watch(self._desk.registry, limit, self._act(), judge=self._leases_believed())
