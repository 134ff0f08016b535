"""Code imports as components use them: the rules, with the time and whoever acts filled in."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from zope.component import getUtility
from zope.interface import implementer, provider

from librarian.interfaces import IClock
from librarian.library.interfaces import IFileHolder
from librarian.library.service import HeldInSubtree
from librarian.machines import editing, jobs
from librarian.machines import transitions as moves
from librarian.machines.agent.vcs import MIRRORS
from librarian.machines.authorization import is_daemon
from librarian.machines.enums import (
    CodeImportMachineOfflineReason,
    CodeImportMachineState,
    CodeImportReviewStatus,
    RevisionControlSystem,
)
from librarian.machines.events import Act, CodeImportEvent
from librarian.machines.interfaces import (
    ICodeImport,
    ICodeImportEventSet,
    ICodeImportMachine,
    ICodeImportMachineSet,
    ICodeImportSet,
    NoSuchCodeImport,
)
from librarian.machines.model import (
    CodeImportJob,
    CodeImportRegistry,
    CodeImportResult,
    Cordon,
    ImportRecord,
    MachineRecord,
)
from librarian.security.interaction import current_principal
from librarian.settings import ISettingsSection, Section
from librarian.tree.interfaces import ITree

LONGEST_MESSAGE = 500  # characters


@provider(ISettingsSection)
@dataclass(frozen=True)
class MachinesSettings(Section):
    """The watchdog's patience."""

    prefix = "machines"
    silence_limit: timedelta = timedelta(minutes=15)  # a machine unheard of for longer is OFFLINE


class Desk:
    """What everything here works with: the registry of this thread's tree, and the act it is in."""

    def __init__(self) -> None:
        self._tree = getUtility(ITree)
        self._clock = getUtility(IClock)

    @property
    def registry(self) -> CodeImportRegistry:
        registry: CodeImportRegistry = self._tree.subtree("machines")
        return registry

    def act(self, message: str | None = None) -> Act:
        """Now, by whoever acts in this thread: a person by name, daemons and scripts without."""
        principal = current_principal()
        person = None if principal.person is None or is_daemon(principal) else principal.person.name
        return Act(self._clock.now(), person, one_line(message))


def one_line(message: str | None) -> str | None:
    """What somebody said, without control characters and line ends, and not too long; None if empty."""
    kept = (" " if unicodedata.category(char).startswith(("C", "Z")) else char for char in message or "")
    return " ".join("".join(kept).split())[:LONGEST_MESSAGE] or None


@implementer(ICodeImportMachine)
class CodeImportMachine:
    """A machine at work: its record, and the desk."""

    def __init__(self, desk: Desk, record: MachineRecord) -> None:
        self._desk = desk
        self._record = record

    def __repr__(self) -> str:
        return f"<CodeImportMachine {self.hostname} {self.state.name}>"

    def __eq__(self, other: object) -> bool:
        return ICodeImportMachine.providedBy(other) and other.hostname == self.hostname

    def __hash__(self) -> int:
        return hash(self.hostname)

    @property
    def hostname(self) -> str:
        return self._record.hostname

    @property
    def state(self) -> CodeImportMachineState:
        return self._record.state

    @property
    def state_since(self) -> datetime:
        return self._record.state_since

    @property
    def offline_reason(self) -> CodeImportMachineOfflineReason | None:
        return self._record.offline_reason

    @property
    def message(self) -> str | None:
        return self._record.message

    @property
    def held(self) -> bool:
        return self._record.held or self._record.cordon is not None

    @property
    def cordon(self) -> Cordon | None:
        return self._record.cordon

    @property
    def heartbeat(self) -> datetime | None:
        return self._record.heartbeat

    @property
    def date_created(self) -> datetime:
        return self._record.date_created

    @property
    def events(self) -> list[CodeImportEvent]:
        return self._desk.registry.events.of_machine(self.hostname)

    @property
    def current_jobs(self) -> list[CodeImportJob]:
        return self._desk.registry.jobs_of(self._record)

    def newestEvents(self, count: int) -> list[CodeImportEvent]:
        return self._desk.registry.events.newest_of_machine(self.hostname, count)

    def setOnline(self, message: str | None = None) -> None:
        moves.set_online(self._desk.registry, self._record, self._desk.act(message))

    def setOffline(self, reason: CodeImportMachineOfflineReason, message: str | None = None) -> None:
        moves.set_offline(self._desk.registry, self._record, reason, self._desk.act(message))

    def setQuiescing(self, message: str | None = None) -> None:
        moves.set_quiescing(self._desk.registry, self._record, self._desk.act(message))

    def addCordon(self, reason: str) -> None:
        moves.add_cordon(self._desk.registry, self._record, self._desk.act(reason))

    def removeCordon(self, message: str | None = None) -> None:
        moves.remove_cordon(self._desk.registry, self._record, self._desk.act(message))

    def shouldLookForJob(self, worker_limit: int) -> bool:
        return moves.should_look_for_job(self._desk.registry, self._record, worker_limit, self._desk.act())


@implementer(ICodeImportMachineSet)
class CodeImportMachineSet:
    """The machines, by host name."""

    def __init__(self) -> None:
        self._desk = Desk()

    def getAll(self) -> list[CodeImportMachine]:
        return [CodeImportMachine(self._desk, record) for record in self._desk.registry.machines.values()]

    def getByHostname(self, hostname: str) -> CodeImportMachine | None:
        record = self._desk.registry.machines.get(hostname.lower())
        return None if record is None else CodeImportMachine(self._desk, record)

    def __getitem__(self, hostname: str) -> CodeImportMachine:
        return CodeImportMachine(self._desk, self._desk.registry.machines[hostname.lower()])

    def new(
        self, hostname: str, state: CodeImportMachineState = CodeImportMachineState.ONLINE
    ) -> CodeImportMachine:
        record = moves.new_machine(self._desk.registry, hostname, state, self._desk.act())
        return CodeImportMachine(self._desk, record)

    def remove(self, hostname: str) -> None:
        moves.remove_machine(self._desk.registry, hostname)


@implementer(ICodeImport, IFileHolder)
class CodeImport:
    """An import at work: its record, and the desk."""

    def __init__(self, desk: Desk, record: ImportRecord) -> None:
        self._desk = desk
        self._record = record

    def __repr__(self) -> str:
        return f"<CodeImport {self.name} {self.review_status.name}>"

    def __eq__(self, other: object) -> bool:
        return ICodeImport.providedBy(other) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def name(self) -> str:
        return self._record.name

    @property
    def rcs_type(self) -> RevisionControlSystem:
        return self._record.rcs_type

    @property
    def url(self) -> str:
        return self._record.url

    @property
    def owner(self) -> str:
        return self._record.owner

    @property
    def assignee(self) -> str | None:
        return self._record.assignee

    @property
    def private(self) -> bool:
        return self._record.private

    @property
    def review_status(self) -> CodeImportReviewStatus:
        return self._record.review_status

    @property
    def update_interval(self) -> timedelta:
        return self._record.update_interval

    @property
    def date_created(self) -> datetime:
        return self._record.date_created

    @property
    def date_last_successful(self) -> datetime | None:
        return self._record.date_last_successful

    @property
    def consecutive_failures(self) -> int:
        return self._record.consecutive_failures

    @property
    def bundle_name(self) -> str:
        return f"{self.name}{MIRRORS[self.rcs_type].suffix}"

    @property
    def bundle_file(self) -> int | None:
        return self._record.bundle_file

    @property
    def import_job(self) -> CodeImportJob | None:
        return jobs.job_of(self._desk.registry, self._record)

    @property
    def results(self) -> list[CodeImportResult]:
        return self._record.results

    @property
    def events(self) -> list[CodeImportEvent]:
        return self._desk.registry.events.of_import(self.name)

    def getFileByName(self, filename: str) -> int:
        found = {f"{result.job_id}.log": result.log_file for result in self.results}
        found[self.bundle_name] = self.bundle_file
        alias_id = found.get(filename)
        if alias_id is None:
            raise LookupError(filename)
        return alias_id

    def edit(self, message: str | None = None, **changes: Any) -> CodeImportEvent | None:
        return editing.edit_import(self._desk.registry, self._record, changes, self._desk.act(message))

    def request(self) -> None:
        jobs.request_job(self._desk.registry, self._record, self._desk.act())

    def kill(self) -> None:
        jobs.kill_job(self._desk.registry, self._record, self._desk.act())


@implementer(ICodeImportSet)
class CodeImportSet:
    """The imports, by name."""

    def __init__(self) -> None:
        self._desk = Desk()

    def getAll(self) -> list[CodeImport]:
        return [CodeImport(self._desk, record) for record in self._desk.registry.imports.values()]

    def getByName(self, name: str) -> CodeImport | None:
        record = self._desk.registry.imports.get(name)
        return None if record is None else CodeImport(self._desk, record)

    def __getitem__(self, name: str) -> CodeImport:
        return CodeImport(self._desk, self._desk.registry.imports[name])

    def new(
        self,
        name: str,
        rcs_type: RevisionControlSystem,
        url: str,
        owner: str,
        *,
        review_status: CodeImportReviewStatus = CodeImportReviewStatus.NEW,
        update_interval: timedelta | None = None,
        assignee: str | None = None,
        private: bool = False,
    ) -> CodeImport:
        record = editing.new_import(
            self._desk.registry,
            self._desk.act(),
            name,
            rcs_type,
            url,
            owner,
            review_status=review_status,
            update_interval=update_interval,
            assignee=assignee,
            private=private,
        )
        return CodeImport(self._desk, record)

    def delete(self, name: str) -> None:
        record = self._desk.registry.imports.get(name)
        if record is None:
            raise NoSuchCodeImport(name)
        editing.delete_import(self._desk.registry, record, self._desk.act())


@implementer(ICodeImportEventSet)
class CodeImportEventSet:
    """The events, for reading."""

    def __init__(self) -> None:
        self._desk = Desk()

    def getAll(self) -> list[CodeImportEvent]:
        return list(self._desk.registry.events)

    def getEventsForMachine(self, hostname: str) -> list[CodeImportEvent]:
        return self._desk.registry.events.of_machine(hostname.lower())

    def getEventsForCodeImport(self, name: str) -> list[CodeImportEvent]:
        return self._desk.registry.events.of_import(name)


#: The bundles and logs that imports hold.
references = HeldInSubtree("machines")
