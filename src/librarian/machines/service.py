"""The utilities of code imports, and machines and imports bound to what they need."""

import unicodedata
from datetime import datetime, timedelta
from typing import Any

from zope.component import getUtility
from zope.interface import implementer

from librarian.binding import Bound, stored
from librarian.interfaces import IClock
from librarian.library.interfaces import IFileHolder
from librarian.library.service import HeldInSubtree
from librarian.machines import editing, jobs, transitions
from librarian.machines.agent.vcs import MIRRORS
from librarian.machines.authorization import is_daemon
from librarian.machines.enums import (
    CodeImportMachineOfflineReason,
    CodeImportMachineState,
    CodeImportReviewStatus,
    RevisionControlSystem,
)
from librarian.machines.interfaces import (
    ICodeImport,
    ICodeImportEventSet,
    ICodeImportMachine,
    ICodeImportMachineSet,
    ICodeImportSet,
    NoSuchCodeImport,
)
from librarian.machines.model.events import ChangeContext, CodeImportEvent
from librarian.machines.model.imports import CodeImportJob, CodeImportResult
from librarian.machines.model.registry import CodeImportRegistry
from librarian.security.interaction import current_principal
from librarian.tree.interfaces import ITree

LONGEST_MESSAGE = 500  # characters


class Services:
    """The services of bound machines and imports: the registry of this thread's tree, and the clock."""

    def __init__(self) -> None:
        self._tree = getUtility(ITree)
        self._clock = getUtility(IClock)

    @property
    def registry(self) -> CodeImportRegistry:
        """The registry in this thread's tree.  Valid until its session ends."""
        registry: CodeImportRegistry = self._tree.subtree("machines")
        return registry

    def context(self, message: str | None = None) -> ChangeContext:
        """A change now, by the person who acts in this thread; daemons and scripts have no name."""
        principal = current_principal()
        person = None if principal.person is None or is_daemon(principal) else principal.person.name
        return self.daemon_context(message, person)

    def daemon_context(self, message: str | None = None, person: str | None = None) -> ChangeContext:
        """A change now by a daemon, whichever principal acts in this thread."""
        return ChangeContext(self._clock.now(), person, one_line(message))


def one_line(message: str | None) -> str | None:
    """`message` without control characters and line ends, at most 500 characters; None if nothing is left."""
    kept = (" " if unicodedata.category(char).startswith(("C", "Z")) else char for char in message or "")
    return " ".join("".join(kept).split())[:LONGEST_MESSAGE] or None


@implementer(ICodeImportMachine)
class BoundMachine(Bound):
    """A CodeImportMachine with its jobs and events, and the transitions."""

    __slots__ = ()

    @property
    def events(self) -> list[CodeImportEvent]:
        return self._services.registry.events.of_machine(self.hostname)

    @property
    def current_jobs(self) -> list[CodeImportJob]:
        return self._services.registry.jobs_of(self)

    def newestEvents(self, count: int) -> list[CodeImportEvent]:
        return self._services.registry.events.newest_of_machine(self.hostname, count)

    def endedJobs(self, since: datetime) -> list[tuple[str, CodeImportResult]]:
        registry = self._services.registry
        events = registry.events.of_machine_since(self.hostname, since)
        names = {event.code_import for event in events if event.code_import}
        found = [
            (name, result)
            for name in names
            if name in registry.imports
            for result in registry.imports[name].results_since(since)
            if result.machine == self.hostname
        ]
        return sorted(found, key=lambda named: named[1].date_created)

    def setOnline(self, message: str | None = None) -> None:
        transitions.set_online(self._services.registry, stored(self), self._services.context(message))

    def setOffline(self, reason: CodeImportMachineOfflineReason, message: str | None = None) -> None:
        context = self._services.context(message)
        transitions.set_offline(self._services.registry, stored(self), reason, context)

    def setQuiescing(self, message: str | None = None) -> None:
        transitions.set_quiescing(self._services.registry, stored(self), self._services.context(message))

    def addCordon(self, reason: str) -> None:
        transitions.add_cordon(self._services.registry, stored(self), self._services.context(reason))

    def removeCordon(self, message: str | None = None) -> None:
        transitions.remove_cordon(self._services.registry, stored(self), self._services.context(message))

    def shouldLookForJob(self, worker_limit: int) -> bool:
        context = self._services.context()
        return transitions.should_look_for_job(self._services.registry, stored(self), worker_limit, context)


@implementer(ICodeImportMachineSet)
class CodeImportMachineSet:
    """The machines, by host name."""

    def __init__(self) -> None:
        self._services = Services()

    def getAll(self) -> list[BoundMachine]:
        machines = self._services.registry.machines.values()
        return [BoundMachine(machine, self._services) for machine in machines]

    def getByHostname(self, hostname: str) -> BoundMachine | None:
        machine = self._services.registry.machines.get(hostname.lower())
        return None if machine is None else BoundMachine(machine, self._services)

    def __getitem__(self, hostname: str) -> BoundMachine:
        return BoundMachine(self._services.registry.machines[hostname.lower()], self._services)

    def new(
        self, hostname: str, state: CodeImportMachineState = CodeImportMachineState.ONLINE
    ) -> BoundMachine:
        services = self._services
        machine = transitions.new_machine(services.registry, hostname, state, services.context())
        return BoundMachine(machine, services)

    def remove(self, hostname: str) -> None:
        transitions.remove_machine(self._services.registry, hostname)


@implementer(ICodeImport, IFileHolder)
class BoundImport(Bound):
    """A CodeImport with its job, its events and its files, and what can be done to it."""

    __slots__ = ()

    @property
    def bundle_name(self) -> str:
        return f"{self.name}{MIRRORS[self.rcs_type].suffix}"

    @property
    def import_job(self) -> CodeImportJob | None:
        return jobs.job_of(self._services.registry, stored(self))

    @property
    def events(self) -> list[CodeImportEvent]:
        return self._services.registry.events.of_import(self.name)

    def getFileByName(self, filename: str) -> int:
        found = {f"{result.job_id}.log": result.log_file for result in self.results}
        found[self.bundle_name] = self.bundle_file
        alias_id: int | None = found.get(filename)
        if alias_id is None:
            raise LookupError(filename)
        return alias_id

    def edit(self, message: str | None = None, **changes: Any) -> CodeImportEvent | None:
        context = self._services.context(message)
        return editing.edit_import(self._services.registry, stored(self), changes, context)

    def request(self) -> None:
        jobs.request_job(self._services.registry, stored(self), self._services.context())

    def kill(self) -> None:
        jobs.kill_job(self._services.registry, stored(self), self._services.context())


@implementer(ICodeImportSet)
class CodeImportSet:
    """The imports, by name."""

    def __init__(self) -> None:
        self._services = Services()

    def getAll(self) -> list[BoundImport]:
        return [BoundImport(found, self._services) for found in self._services.registry.imports.values()]

    def getByName(self, name: str) -> BoundImport | None:
        found = self._services.registry.imports.get(name)
        return None if found is None else BoundImport(found, self._services)

    def __getitem__(self, name: str) -> BoundImport:
        return BoundImport(self._services.registry.imports[name], self._services)

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
    ) -> BoundImport:
        made = editing.new_import(
            self._services.registry,
            self._services.context(),
            name,
            rcs_type,
            url,
            owner,
            review_status=review_status,
            update_interval=update_interval,
            assignee=assignee,
            private=private,
        )
        return BoundImport(made, self._services)

    def delete(self, name: str) -> None:
        found = self._services.registry.imports.get(name)
        if found is None:
            raise NoSuchCodeImport(name)
        editing.delete_import(self._services.registry, found, self._services.context())


@implementer(ICodeImportEventSet)
class CodeImportEventSet:
    """The events, for reading."""

    def __init__(self) -> None:
        self._services = Services()

    def getAll(self) -> list[CodeImportEvent]:
        return list(self._services.registry.events)

    def getEventsForMachine(self, hostname: str) -> list[CodeImportEvent]:
        return self._services.registry.events.of_machine(hostname.lower())

    def getEventsForCodeImport(self, name: str) -> list[CodeImportEvent]:
        return self._services.registry.events.of_import(name)


#: The bundles and logs that imports hold.
references = HeldInSubtree("machines")
