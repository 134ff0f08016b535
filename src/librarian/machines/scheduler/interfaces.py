"""The scheduler: the one utility that daemons call, for a machine and its jobs.

A *controller* daemon arrives, asks for jobs at intervals, reports on each, and leaves.  Both the question
and the reports are its sign of life.  A *watchdog* daemon asks the scheduler at intervals to set machines
OFFLINE that gave no such sign.  The views below ``/machines/+scheduler`` translate HTTP into these calls,
one method each, and `librarian.machines.agent.scheduler_client` is the other end of that.

A job is a lease of 300 seconds: a job whose heartbeat is older is reclaimed, that is, replaced by a job of
another id.  Every call names the job and the machine, and raises JobGone where that machine does not have
that job any more.  So a late worker is fenced off, and two machines never both finish one job.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, BinaryIO

from librarian.machines.enums import CodeImportResultStatus
from librarian.machines.interfaces import ICodeImportJob, ICodeImportMachine, ICodeImportThing

# ruff: noqa: N805  # zope.interface methods are written without self
# mypy: disable-error-code="empty-body"


class ICodeImportScheduler(ICodeImportThing):
    """The calls of a controller daemon, for its own machine.

    Every method that takes a job id raises JobGone; every method that takes a host name, BadHostname.
    """

    def arrive(hostname: str) -> ICodeImportMachine:
        """The daemon starts, or finds its machine declared OFFLINE: bring it ONLINE.

        An unknown machine is registered.  Jobs from an earlier run of the daemon go back to the queue.
        A QUIESCING machine stays QUIESCING.  Raises MachinePinned, MachineCordoned and MachineInBackoff.
        """

    def getJobForMachine(hostname: str, worker_limit: int) -> ICodeImportJob | None:
        """The job the machine shall run next, now SCHEDULED for it, or None.

        The call is the machine's heartbeat.  It first reclaims all jobs whose lease ran out, and registers
        an unknown machine as ONLINE.  Requested jobs come first, then the most overdue.
        `worker_limit` is the number of jobs the machine runs at a time.
        """

    def startJob(job_id: int, hostname: str) -> None:
        """The worker begins.  Raises WrongJobState and WrongMachineState."""

    def updateHeartbeat(job_id: int, hostname: str, logtail: str) -> None:
        """Renew the job's lease for 300 seconds, and store the last lines of its log.

        `logtail` is cut to its last 4,000 characters.  Raises WrongJobState.
        """

    def addFile(job_id: int, hostname: str, kind: str, size: int, file: BinaryIO) -> int:
        """Store the worker's ``log`` or ``bundle`` in the library; the alias id of the new file.

        `file` holds `size` bytes, and the caller closes it.  The file is restricted if the import is
        private.  A bundle becomes the import's own when finishJob() is called with SUCCESS.
        Raises WrongJobState, and the errors of ILibraryFileAliasSet.create().
        """

    def openBundle(job_id: int, hostname: str) -> Any:
        """The bundle to start from, with read() and close(); the caller closes it.

        None for the first job of an import, and after its URL was changed.
        """

    def finishJob(job_id: int, hostname: str, status: CodeImportResultStatus) -> None:
        """The job ended.  The next job is made, or, after five failures in a row, none.

        Raises WrongJobState unless RUNNING.
        """

    def leave(hostname: str) -> None:
        """The daemon stops in good order: its machine goes OFFLINE, its jobs go back to the queue.

        The reason is STOPPED, or QUIESCED for a QUIESCING machine.  An OFFLINE machine is left as it is.
        Raises NoSuchMachine.
        """

    def drained(hostname: str) -> None:
        """The daemon ended a drain that took too long: OFFLINE (QUIESCED), jobs go back to the queue.

        A machine that is not QUIESCING is left as it is.  Raises NoSuchMachine.
        """

    def watch(reachable_for: timedelta | None = None) -> Sequence[str]:
        """The watchdog's check: set silent machines OFFLINE (WATCHDOG); their host names.

        A machine is silent without a heartbeat for longer than ``librarian.machines.heartbeat_timeout``.
        `reachable_for` is how long the caller has seen this service answer; below the limit no machine
        is set OFFLINE, because machines cannot report during an outage of the service itself.
        """
