"""Events that are announced to subscribers; the events that are kept are in `model.events`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from zope.interface import implementer

from librarian.machines.interfaces import IJobFailed, IMachineOffline


@implementer(IMachineOffline)
@dataclass(frozen=True)
class MachineOffline:
    """`reason` is the name of a CodeImportMachineOfflineReason."""

    hostname: str
    reason: str
    kind: ClassVar[str] = "machine.offline"
    owner: ClassVar[str | None] = None

    @property
    def subject(self) -> str:
        """The path of the machine on the application's endpoint."""
        return f"machines/{self.hostname}"

    @property
    def data(self) -> Mapping[str, object]:
        """Which machine, and why."""
        return {"machine": self.hostname, "reason": self.reason}


@implementer(IJobFailed)
@dataclass(frozen=True)
class JobFailed:
    """`status` is the name of a CodeImportResultStatus."""

    job: int
    code_import: str
    machine: str | None
    status: str
    kind: ClassVar[str] = "job.failed"
    owner: ClassVar[str | None] = None

    @property
    def subject(self) -> str:
        """The import, whose jobs follow one another."""
        return f"machines/imports/{self.code_import}"

    @property
    def data(self) -> Mapping[str, object]:
        """Which job of which import, where, and how it ended."""
        return {
            "job": self.job,
            "import": self.code_import,
            "machine": self.machine,
            "status": self.status,
        }
