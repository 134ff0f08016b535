"""Code imports: foreign repositories, fetched at intervals by a farm of machines.

An *import* names a foreign repository (git, hg or svn), its owner, and how often it is fetched.  A person
reviews it; only a REVIEWED import runs.  It then has exactly one *job*, its next run or its present one:

    PENDING    waits in the queue for its due date and for a machine
    SCHEDULED  was given to a machine
    RUNNING    was started by that machine, whose heartbeats renew its lease of 300 seconds

When the job ends it leaves a *result*, and the import gets a new job of a new id, due after the interval.
Every run puts its log into the library, and one that found something new a *bundle*: the whole repository in
one file.  Five failures in a row make the import FAILING, without a job, until a person reviews it again.

A *machine* runs a *controller*, a daemon that polls the service for jobs and reports on them.  The state of
a machine says whether it gets jobs:

    ONLINE     gets jobs
    QUIESCING  finishes the jobs it has, gets no more, and then goes OFFLINE
    OFFLINE    has no jobs

A *transition* is a change of this state, with a reason and an *event*.  Three parties make them:
the controller, when it starts and stops; a person, who may also *pin* a machine by this; and the *watchdog*,
which sets a machine OFFLINE that sent no heartbeat for 15 minutes.  A pinned machine comes back ONLINE by a
person only, and not by its controller.  A *cordon* is independent of the state: a cordoned machine keeps its
jobs and its state, and gets no new job until the cordon is removed.

The rule that everything here serves: the state that is shown is true.  A machine that goes OFFLINE loses its
jobs in the same transaction; they are *reclaimed*, which replaces each by a job of a new id.  Reports on the
old id raise JobGone, so a late worker does no harm.  No state changes without its event.

A typical hour: anna makes the import *gimp* and reviews it.  The controller of *apollo* polls, gets the job,
starts it, sends heartbeats, uploads log and bundle, and finishes it with SUCCESS; the next job is due in six
hours.  Anna sets apollo QUIESCING for a new kernel.  It finishes its jobs and goes OFFLINE (QUIESCED),
pinned.  The restarted controller asks to come back and is refused with MachinePinned, until anna sets
apollo ONLINE.

Where it is: the rules are in `transitions` (machines), `jobs` and `editing` (imports), as functions of the
registry and a ChangeContext; `model` is what is stored; `service` has the utilities below, for components
and views; `scheduler` has the utility that daemons call; `agent` runs on the machines.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from zope.interface import Attribute, Interface

from librarian.interfaces import IAnnouncedEvent, LibrarianError
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
    """The machine's state does not allow this transition; nothing changed and there is no event."""

    def __init__(self, hostname: str, state: CodeImportMachineState) -> None:
        super().__init__(f"State of machine {hostname} was {state.name}.")
        self.hostname = hostname
        self.state = state


class NoOfflineReason(LibrarianError, AssertionError):
    """setOffline() without a CodeImportMachineOfflineReason."""

    def __init__(self, hostname: str, reason: object) -> None:
        super().__init__(f"{reason!r} is no reason for {hostname} to go offline")
        self.hostname = hostname
        self.reason = reason


class MachinePinned(LibrarianError, RuntimeError):
    """A person took the machine out of service, and its daemon may not bring it back."""

    def __init__(self, hostname: str, state: CodeImportMachineState, person: str | None) -> None:
        who = person or "a person"
        super().__init__(f"Machine {hostname} was set {state.name} by {who}; only a person sets it online.")
        self.hostname = hostname
        self.state = state
        self.person = person


class MachineCordoned(LibrarianError, RuntimeError):
    """The machine is cordoned: it gets no job and does not come ONLINE until the cordon is removed."""

    def __init__(self, hostname: str, state: CodeImportMachineState, person: str | None, reason: str) -> None:
        super().__init__(f"Machine {hostname} was cordoned by {person or 'a program'}: {reason}")
        self.hostname = hostname
        self.state = state
        self.person = person
        self.reason = reason


class NotCordoned(LibrarianError, LookupError):
    """There is no cordon to remove."""

    def __init__(self, hostname: str) -> None:
        super().__init__(f"Machine {hostname} is not cordoned.")
        self.hostname = hostname


class NoCordonReason(LibrarianError, ValueError):
    """A cordon without a reason, which the other operators would miss."""

    def __init__(self, hostname: str) -> None:
        super().__init__(f"a reason is needed to cordon {hostname}")
        self.hostname = hostname


class MachineInBackoff(LibrarianError, RuntimeError):
    """The watchdog set the machine OFFLINE, and it may not come back before `until`."""

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
    """The job cannot be requested or killed now; `why` says what stands against it."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"import {name} {why}")
        self.name = name
        self.why = why


class JobGone(LibrarianError, LookupError):
    """The machine does not have this job, or not any more: it was reclaimed, killed or finished.

    Every report of a late worker is refused with this, and nothing of it is stored.
    """

    def __init__(self, job_id: int, hostname: str) -> None:
        super().__init__(f"job {job_id} is not a job of {hostname}")
        self.job_id = job_id
        self.hostname = hostname


class WrongJobState(LibrarianError, AssertionError):
    """The state of the job does not allow this call."""

    def __init__(self, job_id: int, state: CodeImportJobState) -> None:
        super().__init__(f"State of job {job_id} was {state.name}.")
        self.job_id = job_id
        self.state = state


class ICodeImportThing(Interface):
    """The base of all contracts here: one policy for viewing and one for editing cover all of them."""


class ICodeImportEvent(ICodeImportThing):
    """A change of a machine or an import, written in the transaction of that change."""

    id: int = Attribute("Grows with time; below 2**53.")
    event_type = Attribute("A CodeImportEventType.")
    date_created: datetime = Attribute("The time of the change, aware, UTC.")
    machine: str | None = Attribute("The host name of the machine concerned.")
    code_import: str | None = Attribute("The name of the import concerned.")
    person: str | None = Attribute("The name of the person who made the change; None: a daemon.")

    def items() -> list[tuple[CodeImportEventDataType, str]]:
        """The details, in the order of the data types; fit for ``dict()``."""


class ICodeImportEventSet(ICodeImportThing):
    """The events, for reading."""

    def getAll() -> Sequence[ICodeImportEvent]:
        """All of them, oldest first."""

    def getEventsForMachine(hostname: str) -> Sequence[ICodeImportEvent]:
        """Those that concern a machine, oldest first."""

    def getEventsForCodeImport(name: str) -> Sequence[ICodeImportEvent]:
        """Those that concern an import, oldest first."""


class ICodeImportResult(ICodeImportThing):
    """The result of one job; immutable."""

    status: CodeImportResultStatus = Attribute("How it ended.")
    job_id: int = Attribute("The job that ended.")
    machine: str | None = Attribute("The host name of the machine that ran it.")
    requesting_user: str | None = Attribute("The name of the person who requested the job, if one did.")
    date_job_started: datetime | None = Attribute("When it started, aware, UTC.")
    date_created: datetime = Attribute("When it ended, aware, UTC.")
    log_file: int | None = Attribute("The id of its log in the library.")
    log_excerpt: str = Attribute("The last lines of the log.")


class ICodeImportJob(ICodeImportThing):
    """One run of an import.  A reclaimed job is replaced by one of another id: its worker is fenced off."""

    id: int = Attribute("Random, below 2**53.")
    code_import: str = Attribute("The name of the import.")
    state: CodeImportJobState = Attribute("How far it has come.")
    date_due: datetime = Attribute("When it should start, aware, UTC.")
    machine: str | None = Attribute("The host name of the machine that has it; None while PENDING.")
    date_started: datetime | None = Attribute("When it started, aware, UTC.")
    heartbeat: datetime | None = Attribute("When its machine last reported on it, aware, UTC.")
    logtail: str = Attribute("The last lines of its log.")
    requested: bool = Attribute("Whether it was requested, and so runs before all jobs that are only due.")
    requesting_user: str | None = Attribute("The name of the person who requested it; None: a program.")


class ICordon(ICodeImportThing):
    """Why a machine gets no jobs, whatever its state."""

    reason: str = Attribute("Why, one line.")
    person: str | None = Attribute("The name of the person who cordoned it; None: a program.")
    since: datetime = Attribute("Since when, aware, UTC.")


class ICodeImportMachine(ICodeImportThing):
    """A machine that runs imports.  Its state changes by the methods below and in no other way.

    The event of a change has the name of the person who acts in this thread, or None for a daemon.
    """

    hostname: str = Attribute("The name of the machine, lower case.")
    state: CodeImportMachineState = Attribute("ONLINE, QUIESCING or OFFLINE.")
    state_since: datetime = Attribute("Since when, aware, UTC.")
    offline_reason: CodeImportMachineOfflineReason | None = Attribute("Why, while it is OFFLINE.")
    message: str | None = Attribute("What was given as the reason of the last change of state, one line.")
    pinned: bool = Attribute("Whether a person took it out of service, so that its daemon may not return it.")
    cordon: Any = Attribute("An ICordon while the machine is cordoned, otherwise None.")
    heartbeat: datetime | None = Attribute("When its daemon last polled for a job, aware, UTC.")
    date_created: datetime = Attribute("When it was registered, aware, UTC.")
    events: Sequence[ICodeImportEvent] = Attribute("The events that concern it, oldest first.")
    current_jobs: Sequence[ICodeImportJob] = Attribute("The jobs it has; none while it is OFFLINE.")

    def newestEvents(count: int) -> Sequence[ICodeImportEvent]:
        """At most `count` events, newest first."""

    def endedJobs(since: datetime) -> Sequence[tuple[str, ICodeImportResult]]:
        """The results of the jobs that ended on it at `since` or later, oldest first, each with the name of
        its import.  Those of deleted imports, and all but the last 100 of an import, are gone."""

    def setOnline(message: str | None = None) -> None:
        """The daemon starts, or a person puts the machine back into service.

        Raises WrongMachineState unless OFFLINE or QUIESCING, MachinePinned if it is pinned and a daemon
        asks, and MachineCordoned while it is cordoned.
        """

    def setOffline(reason: CodeImportMachineOfflineReason, message: str | None = None) -> None:
        """The machine stops.  Its jobs go back to the queue under new ids.  A person's call pins it.

        Raises WrongMachineState if it is OFFLINE, and NoOfflineReason.
        """

    def setQuiescing(message: str | None = None) -> None:
        """The machine gets no more jobs, and goes OFFLINE when its last job ends.  A person's call pins it.

        Raises WrongMachineState unless ONLINE.
        """

    def addCordon(reason: str) -> None:
        """Give the machine no job until removeCordon(), whatever its state.

        The state and the jobs it runs stay as they are.  Heartbeats, the watchdog and a restart of the
        daemon do not remove the cordon.  Leaves a CORDON event.  Raises NoCordonReason for an empty
        `reason`, and MachineCordoned if it is cordoned.
        """

    def removeCordon(message: str | None = None) -> None:
        """Give the machine jobs again, as its state allows.  Leaves an UNCORDON event.

        A pinned machine stays pinned.  Raises NotCordoned.
        """

    def shouldLookForJob(worker_limit: int) -> bool:
        """Whether the machine gets another job now, with fewer than `worker_limit`; this is its heartbeat.

        False for a cordoned machine.  False and no heartbeat for an OFFLINE one.  False for a QUIESCING
        one, which goes OFFLINE (QUIESCED) if it has no jobs.
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
        """Register a machine; an ONLINE one gets an ONLINE event.

        Raises BadHostname, MachineExists, and InvalidCreationState for QUIESCING.
        """

    def remove(hostname: str) -> None:
        """Delete a machine that will not come back; its events stay.

        Raises NoSuchMachine, and WrongMachineState unless it is OFFLINE.
        """


class ICodeImport(ICodeImportThing):
    """A foreign repository that is fetched at intervals.

    It is an IFileHolder too: `bundle_name` is the newest bundle, ``<job id>.log`` the log of a job.
    """

    name: str = Attribute("Unique: lower-case letters, digits, '+', '-', '.'; at most 100.")
    rcs_type: RevisionControlSystem = Attribute("The kind of repository.")
    url: str = Attribute("The URL it is fetched from.")
    owner: str = Attribute("The name of the person who is responsible for it.")
    assignee: str | None = Attribute("The name of the person who shall review it.")
    private: bool = Attribute("Whether bundle and logs are restricted files; fixed at creation.")
    review_status: CodeImportReviewStatus = Attribute("Whether it runs.")
    update_interval: timedelta = Attribute("The time from the end of a run to the next.")
    date_created: datetime = Attribute("When it was made, aware, UTC.")
    date_last_successful: datetime | None = Attribute("When a job last succeeded, aware, UTC.")
    consecutive_failures: int = Attribute("Failures since the last success, without those of machines.")
    bundle_name: str = Attribute("The file name of its bundles.")
    bundle_file: int | None = Attribute("The id of its newest bundle in the library.")
    import_job: ICodeImportJob | None = Attribute("Its next or current job; only REVIEWED ones have one.")
    results: Sequence[ICodeImportResult] = Attribute("How its last 100 jobs ended, oldest first.")
    events: Sequence[ICodeImportEvent] = Attribute("The events that concern it, oldest first.")

    def edit(message: str | None = None, **changes: object) -> ICodeImportEvent | None:
        """Change owner, assignee, review_status, update_interval or url; the event, None if nothing differs.

        REVIEWED makes a job that is due at once; any other status drops the job, running or not.
        Another URL ends a running job.  Raises BadCodeImport.
        """

    def request() -> None:
        """Have the next job run before all jobs that are only due.  Raises NotRequestable."""

    def kill() -> None:
        """End the running job; the next one is due after the interval.  Raises NotRequestable."""


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

        `update_interval` defaults to six hours.  Raises BadCodeImport and CodeImportExists.
        """

    def delete(name: str) -> None:
        """Delete an import, its job and its results; its events stay.  Raises NoSuchCodeImport."""


class IMachineOffline(IAnnouncedEvent):
    """A machine went OFFLINE; `data` has the reason."""


class IJobFailed(IAnnouncedEvent):
    """A job ended without success; `data` has the import and the result's status."""
