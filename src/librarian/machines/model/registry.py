"""The subtree "machines": what holds all machines, imports, jobs and events."""

from datetime import datetime

from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree, OOTreeSet
from persistent import Persistent

from librarian.library.model.files import FileHolds, LibraryFileAlias
from librarian.machines.interfaces import JobGone
from librarian.machines.model.events import CodeImportEvent, EventLog
from librarian.machines.model.imports import CodeImport, CodeImportJob, CodeImportResult
from librarian.machines.model.machines import CodeImportMachine, Cordon
from librarian.tree.subtree import Subtree, store_new_class_names


class CodeImportRegistry(Persistent):
    """The root of the subtree."""

    def __init__(self) -> None:
        self.machines = OOBTree()  # hostname -> CodeImportMachine
        self.imports = OOBTree()  # name -> CodeImport
        self.jobs = LOBTree()  # id -> CodeImportJob
        self.queue = OOTreeSet()  # queue_key() of the PENDING jobs
        self.holds = FileHolds()  # the bundles and logs of all imports, by library id
        self.events = EventLog()

    def jobs_of(self, machine: CodeImportMachine) -> list[CodeImportJob]:
        """The jobs that `machine` has, in the order they were given to it."""
        return [self.jobs[job_id] for job_id in machine.job_ids]

    def first_due_job(self, now: datetime) -> CodeImportJob | None:
        """The first job of the queue, if it is due."""
        first = self.jobs[self.queue.minKey()[-1]] if self.queue else None
        return first if first is not None and first.date_due <= now else None

    def job_of_machine(self, job_id: int, hostname: str) -> CodeImportJob:
        """The job of this id.  Raises JobGone unless that machine has it, which fences off late workers."""
        job: CodeImportJob | None = self.jobs.get(job_id)
        if job is None or job.machine != hostname:
            raise JobGone(job_id, hostname)
        return job

    def hold_file(self, code_import: CodeImport, record: LibraryFileAlias) -> None:
        """Keep the library file behind `record` for the import.  Raises NotStored if the file is deleted."""
        self.holds.hold(record, f"code import {code_import.name}")
        code_import.held_files = (*code_import.held_files, record.id)

    def release_unused_files(self, code_import: CodeImport) -> None:
        """Release the files that neither the import nor its job names any more."""
        named = set(code_import.file_ids())
        job = None if code_import.job_id is None else self.jobs[code_import.job_id]
        if job is not None:
            named |= {file_id for file_id in (job.log_file, job.bundle_file) if file_id is not None}
        self._release(code_import, set(code_import.held_files) - named)

    def release_all_files(self, code_import: CodeImport) -> None:
        """Release every file of an import that is about to be deleted."""
        self._release(code_import, set(code_import.held_files))

    def _release(self, code_import: CodeImport, file_ids: set[int]) -> None:
        for file_id in file_ids:
            self.holds.release(file_id, f"code import {code_import.name}")
        code_import.held_files = tuple(
            file_id for file_id in code_import.held_files if file_id not in file_ids
        )


def rename_held_to_pinned(registry: CodeImportRegistry) -> None:
    """Store the attributes `held` and `held_by` of machines as `pinned` and `pinned_by`."""
    for machine in registry.machines.values():
        machine._p_activate()
        attributes = vars(machine)
        machine.pinned = attributes.pop("held", False)
        machine.pinned_by = attributes.pop("held_by", None)


FORMER_NAMES = {
    "librarian.machines.model.MachineRecord": CodeImportMachine,
    "librarian.machines.model.Cordon": Cordon,
    "librarian.machines.model.ImportRecord": CodeImport,
    "librarian.machines.model.CodeImportJob": CodeImportJob,
    "librarian.machines.model.CodeImportResult": CodeImportResult,
    "librarian.machines.model.CodeImportRegistry": CodeImportRegistry,
    "librarian.machines.events.CodeImportEvent": CodeImportEvent,
    "librarian.machines.events.EventLog": EventLog,
}

subtree = Subtree(
    "machines", CodeImportRegistry, (store_new_class_names, rename_held_to_pinned), FORMER_NAMES
)
