"""A registry and a clock without a database, and short calls of the rules."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from librarian.machines.editing import new_import
from librarian.machines.enums import (
    CodeImportMachineState,
    CodeImportResultStatus,
    CodeImportReviewStatus,
    RevisionControlSystem,
)
from librarian.machines.jobs import finish_job, start_job
from librarian.machines.model.events import ChangeContext
from librarian.machines.model.imports import CodeImport, CodeImportJob
from librarian.machines.model.machines import CodeImportMachine
from librarian.machines.model.registry import CodeImportRegistry
from librarian.machines.transitions import get_job_for_machine, new_machine

START = datetime(2007, 11, 20, 12, 0, tzinfo=UTC)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


class World:
    """A registry, and the time, which a test sets."""

    def __init__(self) -> None:
        self.registry = CodeImportRegistry()
        self.now = START

    def context(self, person: str | None = None, message: str | None = None) -> ChangeContext:
        return ChangeContext(self.now, person, message)

    def machine(
        self, hostname: str = "apollo", state: CodeImportMachineState = CodeImportMachineState.ONLINE
    ) -> CodeImportMachine:
        return new_machine(self.registry, hostname, state, self.context())

    def code_import(self, name: str = "gimp", **more: Any) -> CodeImport:
        more.setdefault("review_status", CodeImportReviewStatus.REVIEWED)
        url = more.pop("url", f"https://example.com/{name}.git")
        return new_import(self.registry, self.context(), name, RevisionControlSystem.GIT, url, "sam", **more)

    def take(self, hostname: str = "apollo", limit: int = 10) -> CodeImportJob | None:
        return get_job_for_machine(self.registry, hostname, limit, self.context())

    def run(self, hostname: str = "apollo") -> CodeImportJob:
        """Take a job and start it."""
        job = self.take(hostname)
        assert job is not None
        start_job(self.registry, job, self.registry.machines[hostname], self.context())
        return job

    def finish(self, job: CodeImportJob, status: str = "SUCCESS") -> None:
        finish_job(self.registry, job, CodeImportResultStatus[status], self.context())

    def hand_in(self, job: CodeImportJob, kind: str, file_id: int) -> None:
        """Record a file of the job, as after its upload."""
        record: Any = SimpleNamespace(id=file_id, content="some")
        self.registry.hold_file(self.registry.imports[job.code_import], record)
        setattr(job, f"{kind}_file", file_id)

    def held(self) -> list[int]:
        return [file_id for file_id, _reason in self.registry.holds]

    def event_types(self, hostname: str = "apollo") -> list[str]:
        return [event.event_type.name for event in self.registry.events.of_machine(hostname)]
