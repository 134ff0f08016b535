"""Code imports: the machines that run them, the jobs they run, what happened, and every refusal."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from zope.interface import Attribute, Interface

from librarian.interfaces import LibrarianError
from librarian.machines.enums import (
    CodeImportEventDataType,
    CodeImportJobState,
    CodeImportMachineOfflineReason,
    CodeImportMachineState,
    CodeImportResultStatus,
    CodeImportReviewStatus,
    RevisionControlSystem,
)

# ruff: noqa: N805  # zope.interface methods are written without self
# mypy: disable-error-code="empty-body"


class WrongMachineState(LibrarianError, AssertionError):
    """The machine's state does not allow this; nothing changed and no event was made."""

    def __init__(self, hostname: str, state: CodeImportMachineState) -> None:
        super().__init__(f"State of machine {hostname} was {state.name}.")
        self.hostname = hostname
        self.state = state


class NoOfflineReason(LibrarianError, AssertionError):
    """A machine goes offline for one of the known reasons, or not at all."""

    def __init__(self, hostname: str, reason: object) -> None:
        super().__init__(f"{reason!r} is no reason for {hostname} to go offline")
        self.hostname = hostname
        self.reason = reason


class MachineHeld(LibrarianError, RuntimeError):
    """A person took the machine out of service; its daemon alone may not bring it back."""

    def __init__(self, hostname: str, state: CodeImportMachineState, person: str | None) -> None:
        who = person or "a person"
        super().__init__(f"Machine {hostname} was set {state.name} by {who}; only a person sets it online.")
        self.hostname = hostname
        self.state = state
        self.person = person


class MachineCordoned(MachineHeld):
    """The machine is cordoned: it takes no job, and does not come ONLINE, until the cordon is lifted."""

    def __init__(self, hostname: str, state: CodeImportMachineState, person: str | None, reason: str) -> None:
        super().__init__(hostname, state, person)
        self.args = (f"Machine {hostname} was cordoned by {person or 'a program'}: {reason}",)
        self.reason = reason


class NotCordoned(LibrarianError, LookupError):
    """There is no cordon to lift."""

    def __init__(self, hostname: str) -> None:
        super().__init__(f"Machine {hostname} is not cordoned.")
        self.hostname = hostname


class NoCordonReason(LibrarianError, ValueError):
    """A cordon says why; it is what colleagues see who wonder about the machine."""

    def __init__(self, hostname: str) -> None:
        super().__init__(f"say why {hostname} is cordoned")
        self.hostname = hostname


class MachineInQuarantine(LibrarianError, RuntimeError):
    """The watchdog took the machine out of service, and it may not come back yet."""

    def __init__(self, hostname: str, until: datetime) -> None:
        super().__init__(f"Machine {hostname} may come back at {until:%Y-%m-%d %H:%M:%S} UTC.")
        self.hostname = hostname
        self.until = until


class InvalidCreationState(LibrarianError, AssertionError):
    """A new machine is either OFFLINE or ONLINE."""

    def __init__(self, state: object) -> None:
        super().__init__(f"Invalid machine creation state: {getattr(state, 'name', state)}.")
        self.state = state


class BadHostname(LibrarianError, ValueError):
    """The text is no host name (RFC 1123, section 2.1)."""

    def __init__(self, hostname: str) -> None:
        super().__init__(f"{hostname!r} is no host name")
        self.hostname = hostname


class MachineExists(LibrarianError, ValueError):
    """There is a machine of this name already."""

    def __init__(self, hostname: str) -> None:
        super().__init__(f"there is a machine {hostname} already")
        self.hostname = hostname


class NoSuchMachine(LibrarianError, LookupError):
    """No machine has this name."""

    def __init__(self, hostname: str) -> None:
        super().__init__(f"there is no machine {hostname}")
        self.hostname = hostname


class BadCodeImport(LibrarianError, ValueError):
    """A field of an import has a value that cannot be used."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


class CodeImportExists(LibrarianError, ValueError):
    """There is an import of this name already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is an import {name} already")
        self.name = name


class NoSuchCodeImport(LibrarianError, LookupError):
    """No import has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no import {name}")
        self.name = name


class NotRequestable(LibrarianError, ValueError):
    """An import cannot be asked for now: it is not reviewed, is running, or was asked for."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"import {name} {why}")
        self.name = name
        self.why = why


class JobGone(LibrarianError, LookupError):
    """The job is not this machine's (any more): it was reclaimed, killed or finished.

    A late worker meets this wherever it reports; nothing it says is kept.
    """

    def __init__(self, job_id: int, hostname: str) -> None:
        super().__init__(f"job {job_id} is not a job of {hostname}")
        self.job_id = job_id
        self.hostname = hostname


class WrongJobState(LibrarianError, AssertionError):
    """The job has not come that far, or is already past it."""

    def __init__(self, job_id: int, state: CodeImportJobState) -> None:
        super().__init__(f"State of job {job_id} was {state.name}.")
        self.job_id = job_id
        self.state = state


class ICodeImportThing(Interface):
    """Marks everything below: who may see and who may change is decided once, for all of it."""


class ICodeImportEvent(ICodeImportThing):
    """Something that happened; an event is written by the verb that made it happen, never alone."""

    id: int = Attribute("Grows with time; below 2**53.")
    event_type = Attribute("A CodeImportEventType.")
    date_created: datetime = Attribute("When, aware, UTC.")
    machine: str | None = Attribute("The host name of the machine concerned.")
    code_import: str | None = Attribute("The name of the import concerned.")
    person: str | None = Attribute("The name of the person who did it; None: a daemon.")

    def items() -> list[tuple[CodeImportEventDataType, str]]:
        """What there is to tell, in the order of the data types; fit for ``dict()``."""


class ICodeImportEventSet(ICodeImportThing):
    """The events, for reading."""

    def getAll() -> Sequence[ICodeImportEvent]:
        """All of them, oldest first."""

    def getEventsForMachine(hostname: str) -> Sequence[ICodeImportEvent]:
        """Those that concern a machine, oldest first."""

    def getEventsForCodeImport(name: str) -> Sequence[ICodeImportEvent]:
        """Those that concern an import, oldest first."""


class ICodeImportResult(ICodeImportThing):
    """How one job ended.  Never changed after it was made."""

    status: CodeImportResultStatus = Attribute("How.")
    job_id: int = Attribute("The job that ended.")
    machine: str | None = Attribute("The host name of the machine that ran it.")
    requesting_user: str | None = Attribute("Who asked for it, if anybody did.")
    date_job_started: datetime | None = Attribute("When it started, aware, UTC.")
    date_created: datetime = Attribute("When it ended, aware, UTC.")
    log_file: int | None = Attribute("The id of its log in the library.")
    log_excerpt: str = Attribute("The last lines of the log.")


class ICodeImportJob(ICodeImportThing):
    """One run of an import, from waiting to the end.  Its id is used once: after a reclaim there
    is another job, so that whoever still holds the old id is refused (fencing)."""

    id: int = Attribute("Random, below 2**53.")
    code_import: str = Attribute("The name of the import.")
    state: CodeImportJobState = Attribute("How far it has come.")
    date_due: datetime = Attribute("When it should start, aware, UTC.")
    machine: str | None = Attribute("The host name of the machine that has it; None while PENDING.")
    date_started: datetime | None = Attribute("When it started, aware, UTC.")
    heartbeat: datetime | None = Attribute("When its machine last spoke of it, aware, UTC.")
    logtail: str = Attribute("The last lines of its log.")
    requested: bool = Attribute("Whether it was asked for, and so comes before all that are merely due.")
    requesting_user: str | None = Attribute("The name of the person who asked.")


class ICordon(ICodeImportThing):
    """Why a machine takes no jobs: a hold that any state can carry."""

    reason: str = Attribute("What was said, one line.")
    person: str | None = Attribute("The name of the person who did it; None: a program.")
    since: datetime = Attribute("When, aware, UTC.")


class ICodeImportMachine(ICodeImportThing):
    """A machine that runs imports.  Its state changes by the methods below and in no other way.

    Who changes it is who acts in this thread: a person, whose name the event keeps, or a daemon.
    What a person took out of service only a person puts back.
    """

    hostname: str = Attribute("The name of the machine, lower case.")
    state: CodeImportMachineState = Attribute("What it is doing.")
    state_since: datetime = Attribute("Since when, aware, UTC.")
    offline_reason: CodeImportMachineOfflineReason | None = Attribute("Why, while it is OFFLINE.")
    message: str | None = Attribute("What was said when the state changed.")
    held: bool = Attribute("Whether only a person can bring it online.")
    cordon: Any = Attribute("An ICordon while the machine is cordoned, otherwise None.")
    heartbeat: datetime | None = Attribute("When its daemon last looked for work, aware, UTC.")
    date_created: datetime = Attribute("When it was made known, aware, UTC.")
    events: Sequence[ICodeImportEvent] = Attribute("What happened to it, oldest first.")
    current_jobs: Sequence[ICodeImportJob] = Attribute("What it is running; nothing while it is OFFLINE.")

    def newestEvents(count: int) -> Sequence[ICodeImportEvent]:
        """At most `count` events, newest first."""

    def setOnline(message: str | None = None) -> None:
        """The daemon starts, or a person puts the machine back into service.

        Raises WrongMachineState unless OFFLINE or QUIESCING, MachineHeld for a daemon whose
        machine was taken out of service by a person, and MachineCordoned for all while it is cordoned.
        """

    def setOffline(reason: CodeImportMachineOfflineReason, message: str | None = None) -> None:
        """The machine stops.  Jobs it still had go back to the queue under new ids.

        Raises WrongMachineState if it is OFFLINE, and NoOfflineReason.
        """

    def setQuiescing(message: str | None = None) -> None:
        """The machine takes no more jobs, and goes offline when it has none left.

        Raises WrongMachineState unless ONLINE.
        """

    def addCordon(reason: str) -> None:
        """Hold the machine out of service, whatever its state: it takes no job until removeCordon().

        The state stays, and so do the jobs it runs; heartbeats, the watchdog and the daemon's own coming
        and going do not lift it.  Leaves a CORDON event.  Raises NoCordonReason for an empty `reason`,
        and MachineCordoned if it is cordoned.
        """

    def removeCordon(message: str | None = None) -> None:
        """Let the machine take jobs again as its state allows.  Leaves an UNCORDON event.

        A machine that was held for another reason, too, stays held.  Raises NotCordoned.
        """

    def shouldLookForJob(worker_limit: int) -> bool:
        """Whether the machine, asking, may take another job; the asking is its heartbeat.

        Cordoned: no.  OFFLINE: no, and no heartbeat.  QUIESCING: no, and without jobs it goes
        OFFLINE (QUIESCED).
        """


class ICodeImportMachineSet(ICodeImportThing):
    """The registry of machines, by host name."""

    def getAll() -> Sequence[ICodeImportMachine]:
        """All of them, A to Z."""

    def getByHostname(hostname: str) -> ICodeImportMachine | None:
        """The machine of this name, or None."""

    def __getitem__(hostname: str) -> ICodeImportMachine:
        """The machine of this name.  Raises KeyError, as traversal wants."""

    def new(
        hostname: str, state: CodeImportMachineState = CodeImportMachineState.ONLINE
    ) -> ICodeImportMachine:
        """Make a machine known; one that is ONLINE gets an ONLINE event.

        Raises BadHostname, MachineExists, and InvalidCreationState for QUIESCING.
        """

    def remove(hostname: str) -> None:
        """Forget a machine that is gone for good; its events stay.

        Raises NoSuchMachine, and WrongMachineState unless it is OFFLINE.
        """


class ICodeImport(ICodeImportThing):
    """A foreign repository that is fetched again and again.

    It is an IFileHolder too: `bundle_name` is the newest bundle, ``<job id>.log`` the log of a job.
    """

    name: str = Attribute("Unique: lower-case letters, digits, '+', '-', '.'; at most 100.")
    rcs_type: RevisionControlSystem = Attribute("What kind of repository it is.")
    url: str = Attribute("Where it is.")
    owner: str = Attribute("The name of the person who answers for it.")
    assignee: str | None = Attribute("The name of the person who should look at it.")
    private: bool = Attribute("Whether bundle and logs are restricted files; fixed at creation.")
    review_status: CodeImportReviewStatus = Attribute("Whether it runs.")
    update_interval: timedelta = Attribute("How often it should be fetched.")
    date_created: datetime = Attribute("When it was made, aware, UTC.")
    date_last_successful: datetime | None = Attribute("When it last succeeded, aware, UTC.")
    consecutive_failures: int = Attribute("Failures that blame the import since the last success.")
    bundle_name: str = Attribute("What its bundles are called.")
    bundle_file: int | None = Attribute("The id of its newest bundle in the library.")
    import_job: ICodeImportJob | None = Attribute("Its next or current job; only REVIEWED ones have one.")
    results: Sequence[ICodeImportResult] = Attribute("How its last jobs ended, oldest first.")
    events: Sequence[ICodeImportEvent] = Attribute("What happened to it, oldest first.")

    def edit(message: str | None = None, **changes: object) -> ICodeImportEvent | None:
        """Change owner, assignee, review_status, update_interval or url; None if nothing differs.

        Becoming REVIEWED makes a job that is due at once; ceasing to be drops the job, running
        or not.  Another url ends a running job.  Raises BadCodeImport.
        """

    def request() -> None:
        """Ask for the next job to run now, before all that are merely due.  Raises NotRequestable."""

    def kill() -> None:
        """End the running job; the next is due after the interval.  Raises NotRequestable."""


class ICodeImportSet(ICodeImportThing):
    """The imports, by name."""

    def getAll() -> Sequence[ICodeImport]:
        """All of them, A to Z."""

    def getByName(name: str) -> ICodeImport | None:
        """The import of this name, or None."""

    def __getitem__(name: str) -> ICodeImport:
        """The import of this name.  Raises KeyError, as traversal wants."""

    def new(
        name: str,
        rcs_type: RevisionControlSystem,
        url: str,
        owner: str,
        *,
        review_status: CodeImportReviewStatus = CodeImportReviewStatus.NEW,
        update_interval: timedelta | None = None,
        assignee: str | None = None,
        private: bool = False,
    ) -> ICodeImport:
        """Make an import; a REVIEWED one has a job that is due at once.

        `update_interval` is six hours where none is given.  Raises BadCodeImport and
        CodeImportExists.
        """

    def delete(name: str) -> None:
        """Forget an import, its job and its results.  Raises NoSuchCodeImport."""


class ICodeImportScheduler(ICodeImportThing):
    """What a controller daemon calls, for its own machine.

    Raises JobGone where the job is not (or no longer) that machine's, which is the fence that keeps
    a late worker from doing harm, and BadHostname.
    """

    def arrive(hostname: str) -> ICodeImportMachine:
        """The daemon starts, or finds its machine declared dead: bring it ONLINE.

        A machine nobody knows is made known.  Jobs that a former run left behind go back to the
        queue.  A QUIESCING machine stays so.  Raises MachineHeld and MachineInQuarantine.
        """

    def getJobForMachine(hostname: str, worker_limit: int) -> ICodeImportJob | None:
        """The job the machine shall run next, now SCHEDULED for it, or None.

        Asking is the machine's heartbeat.  Reclaims all jobs whose lease ran out; makes a machine
        nobody knows known, ONLINE; asked-for jobs come first, then the most overdue.
        """

    def startJob(job_id: int, hostname: str) -> None:
        """The worker begins.  Raises WrongJobState and WrongMachineState."""

    def updateHeartbeat(job_id: int, hostname: str, logtail: str) -> None:
        """Renew the job's lease of 300 seconds, and show the end of its log.  Raises WrongJobState."""

    def addFile(job_id: int, hostname: str, kind: str, size: int, file: BinaryIO) -> int:
        """Keep the worker's ``log`` or ``bundle`` in the library, restricted if the import is private.

        `file` holds `size` bytes and stays the caller's; the id of the alias.  Nothing refers to a
        bundle until finishJob() says SUCCESS.  Raises WrongJobState and what the library raises.
        """

    def openBundle(job_id: int, hostname: str) -> Any:
        """The bundle to start from, with read() and close(), the caller's to close; None for a first
        import, and after the import's url was changed."""

    def finishJob(job_id: int, hostname: str, status: CodeImportResultStatus) -> None:
        """The job ended; the next one is made, or, after five failures, none.  Raises WrongJobState."""

    def leave(hostname: str) -> None:
        """The daemon stops in good order: OFFLINE (STOPPED, or QUIESCED if it was quiescing), and jobs
        it still had go back.  Nothing happens to a machine that is OFFLINE.  Raises NoSuchMachine."""

    def drained(hostname: str) -> None:
        """The daemon ends a drain that took too long: OFFLINE (QUIESCED), jobs go back to the queue.
        Nothing happens to a machine that is not QUIESCING.  Raises NoSuchMachine."""

    def watch(reachable_for: timedelta | None = None) -> Sequence[str]:
        """The watchdog: set OFFLINE (WATCHDOG) whoever was silent for longer than the setting
        ``librarian.machines.silence_limit``; their host names.

        `reachable_for`: how long it is certain that machines could report.  Nobody is judged before
        that is the limit, or else every outage of ours would look like the death of all machines.
        """
