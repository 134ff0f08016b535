"""The persistent machines, imports, jobs and results, with what must always hold of each.

Nothing here knows the time or who is asking: the verbs in `moves` and `jobs` are told.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree, OOTreeSet
from persistent import Persistent
from zope.interface import implementer

from librarian.library.model.files import FileHolds, LibraryFileAlias
from librarian.machines.enums import (
    TRANSITIONS,
    CodeImportJobState,
    CodeImportMachineOfflineReason,
    CodeImportMachineState,
    CodeImportResultStatus,
    CodeImportReviewStatus,
    RevisionControlSystem,
)
from librarian.machines.events import Act, EventLog
from librarian.machines.interfaces import (
    ICodeImportJob,
    ICodeImportResult,
    ICordon,
    JobGone,
    MachineCordoned,
    WrongMachineState,
)
from librarian.tree.subtree import Subtree

RESULTS_KEPT = 100  # per import; older ones go, and their logs with them
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@implementer(ICordon)
@dataclass(frozen=True)
class Cordon:
    """A hold that any state can carry.  A value, stored in the machine's record."""

    reason: str
    person: str | None
    since: datetime


class MachineRecord(Persistent):
    """What is known of a machine.

    State, heartbeat and jobs live in one record on purpose: two transactions that each decide by
    one of them collide, and the later one decides again.
    """

    cordon: Cordon | None = None

    def __init__(self, hostname: str, state: CodeImportMachineState, now: datetime) -> None:
        self.hostname = hostname
        self.date_created = now
        self.heartbeat: datetime | None = None
        self.job_ids: tuple[int, ...] = ()
        self._state = state
        self.state_since = now
        self.last_sign_of_life = now  # the newest of heartbeat and state_since by order, not by value
        self.offline_reason: CodeImportMachineOfflineReason | None = None
        self.held = False  # a person took it out of service, which its daemon may not undo
        self.held_by: str | None = None
        self.message: str | None = None

    @property
    def state(self) -> CodeImportMachineState:
        return self._state

    def move(
        self,
        wanted: CodeImportMachineState,
        act: Act,
        reason: CodeImportMachineOfflineReason | None = None,
    ) -> None:
        """Take on another state.  Raises WrongMachineState where TRANSITIONS has no way."""
        if wanted not in TRANSITIONS[self._state]:
            raise WrongMachineState(self.hostname, self._state)
        self._state = wanted
        self.state_since = self.last_sign_of_life = act.now
        self.offline_reason = reason
        self.message = act.message
        if wanted is CodeImportMachineState.ONLINE:
            self.held, self.held_by = False, None
        elif act.person is not None or reason is CodeImportMachineOfflineReason.QUIESCED:
            self.held, self.held_by = True, act.person or self.held_by

    def refuse_if_cordoned(self) -> None:
        """Raises MachineCordoned."""
        if self.cordon is not None:
            raise MachineCordoned(self.hostname, self._state, self.cordon.person, self.cordon.reason)

    def beat(self, now: datetime) -> None:
        self.heartbeat = self.last_sign_of_life = now

    def silent_for(self, now: datetime) -> timedelta:
        """How long nothing was heard.  A clock that was set back makes nobody silent."""
        return max(now - self.last_sign_of_life, timedelta(0))


@implementer(ICodeImportResult)
class CodeImportResult(Persistent):
    """How one job ended."""

    def __init__(self, job: "CodeImportJob", status: CodeImportResultStatus, now: datetime) -> None:
        self.status = status
        self.job_id = job.id
        self.machine = job.machine
        self.requesting_user = job.requesting_user
        self.date_job_started = job.date_started
        self.date_created = now
        self.log_file = job.log_file
        self.log_excerpt = job.logtail


@implementer(ICodeImportJob)
class CodeImportJob(Persistent):
    """One run of an import.  PENDING jobs are in the queue, all others on their machine."""

    def __init__(self, job_id: int, code_import: str, date_due: datetime) -> None:
        self.id = job_id
        self.code_import = code_import
        self.date_due = date_due
        self.state = CodeImportJobState.PENDING
        self.machine: str | None = None
        self.date_started: datetime | None = None
        self.heartbeat: datetime | None = None
        self.logtail = ""
        self.requested = False
        self.requesting_user: str | None = None  # who asked; a script has no name
        self.log_file: int | None = None  # library ids of what its worker has handed in
        self.bundle_file: int | None = None

    def queue_key(self) -> tuple[int, int, int]:
        """Requested jobs first, then by due date."""
        due = (self.date_due - EPOCH) // timedelta(microseconds=1)
        return (0 if self.requested else 1, due, self.id)


class ImportRecord(Persistent):
    """A foreign repository that is fetched again and again."""

    def __init__(
        self,
        name: str,
        rcs_type: RevisionControlSystem,
        url: str,
        owner: str,
        now: datetime,
        update_interval: timedelta,
        assignee: str | None,
        private: bool,
    ) -> None:
        self.name = name
        self.rcs_type = rcs_type
        self.url = url
        self.owner = owner
        self.assignee = assignee
        self.private = private
        self.update_interval = update_interval
        self.review_status = CodeImportReviewStatus.NEW
        self.date_created = now
        self.date_last_successful: datetime | None = None
        self.job_id: int | None = None
        self.consecutive_failures = 0
        self.consecutive_reclaims = 0
        self.bundle_file: int | None = None  # library id
        self.bundle_url: str | None = None  # where the bundle's contents came from
        self.held_files: tuple[int, ...] = ()  # library ids, see hold_file() and let_go()
        self._results = LOBTree()

    @property
    def results(self) -> list[CodeImportResult]:
        return list(self._results.values())

    def add_result(self, result: CodeImportResult, blame: bool = True) -> None:
        """Keep a result, count what it means, and forget the oldest ones.

        A reclaimed job without `blame` is no reason to think that the import takes its machines down,
        and none to think otherwise.
        """
        self._results[self._results.maxKey() + 1 if self._results else 1] = result
        for key in list(self._results)[:-RESULTS_KEPT]:
            del self._results[key]
        reclaimed = result.status is CodeImportResultStatus.RECLAIMED
        if blame:
            self.consecutive_reclaims = self.consecutive_reclaims + 1 if reclaimed else 0
        if result.status.succeeded:
            self.consecutive_failures = 0
            self.date_last_successful = result.date_created
        elif result.status.blames_import:
            self.consecutive_failures += 1

    def file_ids(self) -> Iterator[int]:
        """The library ids this import holds."""
        held = [self.bundle_file, *(result.log_file for result in self._results.values())]
        return (file_id for file_id in held if file_id is not None)


class CodeImportRegistry(Persistent):
    """The subtree of the tree: machines, imports, jobs, the queue, the files held and the events."""

    def __init__(self) -> None:
        self.machines = OOBTree()  # hostname -> MachineRecord
        self.imports = OOBTree()  # name -> ImportRecord
        self.jobs = LOBTree()  # id -> CodeImportJob
        self.queue = OOTreeSet()  # queue_key of PENDING jobs
        self.holds = FileHolds()  # the bundles and logs of all imports
        self.events = EventLog()

    def jobs_of(self, machine: MachineRecord) -> list[CodeImportJob]:
        return [self.jobs[job_id] for job_id in machine.job_ids]

    def job_of_machine(self, job_id: int, hostname: str) -> CodeImportJob:
        """Raises JobGone unless the machine has that job: this is the fence."""
        job: CodeImportJob | None = self.jobs.get(job_id)
        if job is None or job.machine != hostname:
            raise JobGone(job_id, hostname)
        return job

    def hold_file(self, code_import: ImportRecord, record: LibraryFileAlias) -> None:
        """Keep a file of the library for an import.  Raises NotStored if it is deleted."""
        self.holds.hold(record, f"code import {code_import.name}")
        code_import.held_files = (*code_import.held_files, record.id)

    def let_go(self, code_import: ImportRecord) -> None:
        """Release the files that the import no longer names; to be called whenever it may have lost one."""
        named = set(code_import.file_ids())
        job = None if code_import.job_id is None else self.jobs[code_import.job_id]
        if job is not None:
            named |= {file_id for file_id in (job.log_file, job.bundle_file) if file_id is not None}
        self._release(code_import, set(code_import.held_files) - named)

    def let_all_go(self, code_import: ImportRecord) -> None:
        """Release every file of an import that is about to be forgotten."""
        self._release(code_import, set(code_import.held_files))

    def _release(self, code_import: ImportRecord, file_ids: set[int]) -> None:
        for file_id in file_ids:
            self.holds.release(file_id, f"code import {code_import.name}")
        code_import.held_files = tuple(
            file_id for file_id in code_import.held_files if file_id not in file_ids
        )


subtree = Subtree("machines", CodeImportRegistry)
