"""The rules for machines: their transitions, cordons, polls for jobs, and the watchdog's check.

Every function changes the registry it is given, records the events of the change with the time, the person
and the message of its ChangeContext, and changes nothing where it raises.
"""

import logging
import re
from datetime import datetime, timedelta

from zope.event import notify

from librarian.machines.enums import (
    CodeImportEventDataType,
    CodeImportEventType,
    CodeImportMachineOfflineReason,
    CodeImportMachineState,
)
from librarian.machines.events import MachineOffline
from librarian.machines.interfaces import (
    BadHostname,
    InvalidCreationState,
    MachineExists,
    MachineInBackoff,
    MachinePinned,
    NoCordonReason,
    NoOfflineReason,
    NoSuchMachine,
    NotCordoned,
    WrongMachineState,
)
from librarian.machines.jobs import reclaim_job, reclaim_stale_jobs, schedule_job
from librarian.machines.model.events import ChangeContext
from librarian.machines.model.imports import CodeImportJob
from librarian.machines.model.machines import CodeImportMachine, Cordon
from librarian.machines.model.registry import CodeImportRegistry

log = logging.getLogger(__name__)

OFFLINE, ONLINE, QUIESCING = CodeImportMachineState

# RFC 1123, section 2.1: labels of letters, digits and inner hyphens, 63 characters each, 253 in all.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
HOSTNAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")

# A machine that the watchdog set OFFLINE may come back after this; it doubles each further time in a day.
BACKOFF = timedelta(seconds=10)
LONGEST_BACKOFF = timedelta(hours=1)
BACKOFF_MEMORY = timedelta(days=1)


def checked_hostname(hostname: str) -> str:
    """`hostname` in lower case.  Raises BadHostname."""
    name = hostname.lower()
    if len(name) > 253 or not HOSTNAME.fullmatch(name):
        raise BadHostname(hostname)
    return name


def new_machine(
    registry: CodeImportRegistry, hostname: str, state: CodeImportMachineState, context: ChangeContext
) -> CodeImportMachine:
    """Register a machine.  Raises BadHostname, InvalidCreationState and MachineExists."""
    name = checked_hostname(hostname)
    if state not in (ONLINE, OFFLINE):
        raise InvalidCreationState(state)
    if name in registry.machines:
        raise MachineExists(name)
    machine = CodeImportMachine(name, state, context.now)
    registry.machines[name] = machine
    if state is ONLINE:
        registry.events.note(CodeImportEventType.ONLINE, context, machine=name)
    return machine


def remove_machine(registry: CodeImportRegistry, hostname: str) -> None:
    """Delete an OFFLINE machine.  Raises NoSuchMachine and WrongMachineState."""
    machine = registry.machines.get(hostname.lower())
    if machine is None:
        raise NoSuchMachine(hostname)
    if machine.state is not OFFLINE:
        raise WrongMachineState(machine.hostname, machine.state)
    del registry.machines[machine.hostname]
    # Written, so that a daemon that arrives at this moment gets a write conflict, and its change is not lost.
    machine.last_sign_of_life = machine.state_since
    log.info("machine forgotten machine=%s", machine.hostname)


def set_online(registry: CodeImportRegistry, machine: CodeImportMachine, context: ChangeContext) -> None:
    """Raises WrongMachineState, MachineCordoned, and MachinePinned for a daemon."""
    if machine.state is not ONLINE:
        machine.refuse_if_cordoned()
    if context.actor is None and machine.pinned:
        raise MachinePinned(machine.hostname, machine.state, machine.pinned_by)
    machine.change_state(ONLINE, context)
    registry.events.note(CodeImportEventType.ONLINE, context, machine=machine.hostname)


def set_offline(
    registry: CodeImportRegistry,
    machine: CodeImportMachine,
    reason: CodeImportMachineOfflineReason,
    context: ChangeContext,
) -> None:
    """An OFFLINE machine has no jobs: they are reclaimed in the same transaction.

    Raises NoOfflineReason and WrongMachineState.
    """
    if not isinstance(reason, CodeImportMachineOfflineReason):
        raise NoOfflineReason(machine.hostname, reason)
    machine.change_state(OFFLINE, context, reason)
    registry.events.note(
        CodeImportEventType.OFFLINE,
        context,
        machine=machine.hostname,
        items={CodeImportEventDataType.OFFLINE_REASON: reason.name},
    )
    notify(MachineOffline(machine.hostname, reason.name))
    log.info("machine offline machine=%s reason=%s", machine.hostname, reason.name)
    reclaim_jobs(registry, machine, context.now, blame=reason is CodeImportMachineOfflineReason.WATCHDOG)


def reclaim_jobs(
    registry: CodeImportRegistry, machine: CodeImportMachine, now: datetime, blame: bool
) -> None:
    """Reclaim all jobs of a machine; `blame` is that of reclaim_job()."""
    for job in registry.jobs_of(machine):
        reclaim_job(registry, job, ChangeContext(now), blame)


def set_quiescing(registry: CodeImportRegistry, machine: CodeImportMachine, context: ChangeContext) -> None:
    """Raises WrongMachineState unless ONLINE."""
    machine.change_state(QUIESCING, context)
    registry.events.note(CodeImportEventType.QUIESCE, context, machine=machine.hostname)


def add_cordon(registry: CodeImportRegistry, machine: CodeImportMachine, context: ChangeContext) -> None:
    """`context.message` is the reason.  Raises NoCordonReason and MachineCordoned."""
    if context.message is None:
        raise NoCordonReason(machine.hostname)
    machine.refuse_if_cordoned()
    machine.cordon = Cordon(context.message, context.actor, context.now)
    registry.events.note(CodeImportEventType.CORDON, context, machine=machine.hostname)
    log.info("machine cordoned machine=%s", machine.hostname)


def remove_cordon(registry: CodeImportRegistry, machine: CodeImportMachine, context: ChangeContext) -> None:
    """Raises NotCordoned."""
    if machine.cordon is None:
        raise NotCordoned(machine.hostname)
    machine.cordon = None
    registry.events.note(CodeImportEventType.UNCORDON, context, machine=machine.hostname)
    log.info("machine no longer cordoned machine=%s", machine.hostname)


def should_look_for_job(
    registry: CodeImportRegistry, machine: CodeImportMachine, worker_limit: int, context: ChangeContext
) -> bool:
    """Whether `machine` gets one more job; the call is a heartbeat, unless it is OFFLINE."""
    if machine.state is OFFLINE:
        return False
    machine.record_heartbeat(context.now)
    if machine.state is QUIESCING:
        if not machine.job_ids:
            set_offline(registry, machine, CodeImportMachineOfflineReason.QUIESCED, context)
        return False
    return machine.cordon is None and len(machine.job_ids) < worker_limit


def get_job_for_machine(
    registry: CodeImportRegistry,
    hostname: str,
    worker_limit: int,
    context: ChangeContext,
    *,
    judge: bool = True,
) -> CodeImportJob | None:
    """The job `hostname` shall run next, now SCHEDULED for it; None if there is none for it.

    An unknown machine is registered as ONLINE.  Requested jobs come first, then the most overdue.
    `judge` says that the age of leases can be trusted, so that stale jobs are reclaimed.
    """
    if judge:
        reclaim_stale_jobs(registry, context)
    machine = registry.machines.get(checked_hostname(hostname))
    if machine is None:
        machine = new_machine(registry, hostname, ONLINE, context)
    if not should_look_for_job(registry, machine, worker_limit, context):
        return None
    job = registry.first_due_job(context.now)
    if job is not None:
        schedule_job(registry, job, machine, context)
    return job


def arrive(registry: CodeImportRegistry, hostname: str, context: ChangeContext) -> CodeImportMachine:
    """A daemon starts, or finds its machine set OFFLINE: bring the machine ONLINE.

    Jobs from an earlier run of the daemon are reclaimed.  An unknown machine is registered.  Raises
    MachinePinned, MachineCordoned, and MachineInBackoff soon after the watchdog set it OFFLINE.
    """
    machine: CodeImportMachine | None = registry.machines.get(checked_hostname(hostname))
    if machine is None:
        return new_machine(registry, hostname, ONLINE, context)
    reclaim_jobs(registry, machine, context.now, blame=True)  # its earlier run did not call leave()
    if machine.state is OFFLINE:
        machine.refuse_if_cordoned()
        until = backoff_until(registry, machine)
        if not machine.pinned and until is not None and until > context.now:
            raise MachineInBackoff(machine.hostname, until)
        set_online(registry, machine, context)
    return machine


def backoff_until(registry: CodeImportRegistry, machine: CodeImportMachine) -> datetime | None:
    """The time when a machine that the watchdog set OFFLINE may come back; None if another did."""
    if machine.offline_reason is not CodeImportMachineOfflineReason.WATCHDOG:
        return None
    times_caught = 0
    for event in registry.events.newest_of_machine(machine.hostname, 100):
        if machine.state_since - event.date_created > BACKOFF_MEMORY:
            break
        times_caught += (CodeImportEventDataType.OFFLINE_REASON, "WATCHDOG") in event.items()
    doublings = min(max(times_caught - 1, 0), 20)
    return machine.state_since + min(BACKOFF * 2**doublings, LONGEST_BACKOFF)


def watch(
    registry: CodeImportRegistry, heartbeat_timeout: timedelta, context: ChangeContext, *, judge: bool = True
) -> list[str]:
    """Set every machine OFFLINE (WATCHDOG) that was silent for longer than the limit; their host names.

    `judge` is that of get_job_for_machine().
    """
    found = [
        machine
        for machine in registry.machines.values()
        if machine.state is not OFFLINE and machine.silent_for(context.now) > heartbeat_timeout
    ]
    for machine in found:
        set_offline(registry, machine, CodeImportMachineOfflineReason.WATCHDOG, context)
    if judge:
        reclaim_stale_jobs(registry, context)
    return [machine.hostname for machine in found]
