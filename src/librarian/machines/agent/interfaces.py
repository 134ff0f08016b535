"""The agent: what runs on a machine that imports code, without the tree and without the web framework.

The *controller* (``librarian machines run``) is a daemon.  In each turn it sends heartbeats for its jobs
and polls the scheduler, over HTTP, through a *scheduler client*.  The answer is the *status* of the machine
as the service sees it, and perhaps an *assignment*: a job to run.  An OFFLINE status ends all jobs here.

Each assignment gets a *runner*, a thread with its own directory.  The runner downloads the last bundle,
starts a *worker* process, measures its time, log and disk usage, uploads the log and the new bundle, and
reports the result.  The worker runs *tools* (git, hg, svn) on a *mirror* of the foreign repository: it
restores the mirror from the bundle, fetches what is new, and packs the mirror into the next bundle.

The *watchdog* (``librarian machines watchdog``) runs on any host, and asks the service at intervals to set
silent machines OFFLINE.

Agents and service share `librarian.machines.enums`, `interfaces` and `urls`, and no other module.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from librarian.interfaces import LibrarianError


class Unreachable(LibrarianError, OSError):
    """No answer, or a status of 429 or 5xx; the same call may succeed later."""


class JobLost(LibrarianError, LookupError):
    """410: the job is not this machine's any more; later reports on it are refused as well."""


class Refused(LibrarianError, RuntimeError):
    """The service understood the request and refused it: a wrong token, a wrong host name."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status  # of HTTP
        self.reason = reason


class AlreadyRunning(LibrarianError, RuntimeError):
    """Another controller uses this directory."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"another controller works in {directory}")
        self.directory = directory


class ToolMissing(LibrarianError, RuntimeError):
    """The program is not installed on this machine."""

    def __init__(self, tool: str) -> None:
        super().__init__(f"{tool} is not installed")
        self.tool = tool


class ToolFailed(LibrarianError, RuntimeError):
    """The program exited with another status than 0; `output` is the end of its output."""

    def __init__(self, command: str, status: int, output: str) -> None:
        super().__init__(f"{command} ended with status {status}")
        self.command = command
        self.status = status  # negative: the number of the signal that ended it
        self.output = output


@dataclass(frozen=True)
class Assignment:
    """A job that this machine shall run."""

    job_id: int
    code_import: str
    rcs_type: str  # a name of RevisionControlSystem
    url: str


@dataclass(frozen=True)
class MachineStatus:
    """A machine as the service sees it, and the job it is given, if any."""

    state: str  # a name of CodeImportMachineState
    pinned: bool  # a person took it out of service
    cordoned: bool  # it gets no job until its cordon is lifted
    note: str  # why it gets no jobs, for the log; empty if it does
    job: Assignment | None = None

    @property
    def needs_person(self) -> bool:
        """Whether it is OFFLINE until a person brings it back: its daemon does not ask for that."""
        return self.state == "OFFLINE" and (self.pinned or self.cordoned)


class SchedulerClient(Protocol):
    """The calls of a controller to the service, for one machine.

    All raise Unreachable and Refused; those with a job id also JobLost.
    """

    def arrive(self) -> MachineStatus:
        """The controller starts, or its machine was declared OFFLINE."""

    def poll(self, worker_limit: int) -> MachineStatus:
        """A heartbeat, and the question for a job; at most `worker_limit` run at a time."""

    def start(self, job_id: int) -> None:
        """A worker begins."""

    def beat(self, job_id: int, logtail: str) -> None:
        """Renew the lease of a job, with the last lines of its log."""

    def fetch_bundle(self, job_id: int, target: Path) -> bool:
        """Write the bundle to start from to `target`; False if there is none."""

    def deliver(self, job_id: int, kind: str, path: Path) -> None:
        """Upload the ``log`` or the ``bundle``; of a growing log, the bytes it has at the start."""

    def finish(self, job_id: int, status: str) -> None:
        """The job ended, with the name of a CodeImportResultStatus."""

    def leave(self) -> None:
        """The controller stops in good order."""

    def drained(self) -> None:
        """The controller ended the jobs of a drain that took too long."""


class Mirror(Protocol):
    """A copy of a foreign repository.  Every method raises ToolMissing and ToolFailed."""

    suffix: str  # of a bundle's file name
    mimetype: str

    def restore(self, bundle: Path) -> None:
        """Load the bundle that an earlier run packed."""

    def fetch(self) -> None:
        """Make the mirror equal to the foreign repository."""

    def fingerprint(self) -> str:
        """Equal for equal mirrors, and '' for an empty one."""

    def pack(self, bundle: Path) -> None:
        """Write the mirror, which is not empty, into one file."""
