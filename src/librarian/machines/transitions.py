"""What a machine may do and have done to it: online, offline, quiescing, asking for work, falling silent."""

import logging
import re
from datetime import datetime, timedelta

from librarian.machines.enums import (
    CodeImportEventDataType,
    CodeImportEventType,
    CodeImportMachineOfflineReason,
    CodeImportMachineState,
)
from librarian.machines.events import Act
from librarian.machines.interfaces import (
    BadHostname,
    InvalidCreationState,
    MachineExists,
    MachineHeld,
    MachineInQuarantine,
    NoCordonReason,
    NoOfflineReason,
    NoSuchMachine,
    NotCordoned,
    WrongMachineState,
)
from librarian.machines.jobs import reclaim_job, reclaim_stale_jobs, schedule_job
from librarian.machines.model import EPOCH, CodeImportJob, CodeImportRegistry, Cordon, MachineRecord

log = logging.getLogger(__name__)

OFFLINE, ONLINE, QUIESCING = CodeImportMachineState

# RFC 1123, section 2.1: labels of letters, digits and inner hyphens, 63 characters each, 253 in all.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
HOSTNAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")

# A machine the watchdog took out may come back after this, doubled for each further time in a day.
QUARANTINE = timedelta(seconds=10)
LONGEST_QUARANTINE = timedelta(hours=1)
QUARANTINE_MEMORY = timedelta(days=1)


def checked_hostname(hostname: str) -> str:
    """`hostname` in lower case.  Raises BadHostname."""
    name = hostname.lower()
    if len(name) > 253 or not HOSTNAME.fullmatch(name):
        raise BadHostname(hostname)
    return name


def new_machine(
    registry: CodeImportRegistry, hostname: str, state: CodeImportMachineState, act: Act
) -> MachineRecord:
    name = checked_hostname(hostname)
    if state not in (ONLINE, OFFLINE):
        raise InvalidCreationState(state)
    if name in registry.machines:
        raise MachineExists(name)
    machine = MachineRecord(name, state, act.now)
    registry.machines[name] = machine
    if state is ONLINE:
        registry.events.note(CodeImportEventType.ONLINE, act, machine=name)
    return machine


def remove_machine(registry: CodeImportRegistry, hostname: str) -> None:
    machine = registry.machines.get(hostname.lower())
    if machine is None:
        raise NoSuchMachine(hostname)
    if machine.state is not OFFLINE:
        raise WrongMachineState(machine.hostname, machine.state)
    del registry.machines[machine.hostname]
    # Written, so that a daemon that comes back at this moment collides with us instead of being lost.
    machine.last_sign_of_life = machine.state_since
    log.info("machine forgotten machine=%s", machine.hostname)


def set_online(registry: CodeImportRegistry, machine: MachineRecord, act: Act) -> None:
    if machine.state is not ONLINE:
        machine.refuse_if_cordoned()
    if act.person is None and machine.held:
        raise MachineHeld(machine.hostname, machine.state, machine.held_by)
    machine.move(ONLINE, act)
    registry.events.note(CodeImportEventType.ONLINE, act, machine=machine.hostname)


def set_offline(
    registry: CodeImportRegistry,
    machine: MachineRecord,
    reason: CodeImportMachineOfflineReason,
    act: Act,
) -> None:
    """An OFFLINE machine runs nothing, so its jobs go back to the queue in the same transaction."""
    if not isinstance(reason, CodeImportMachineOfflineReason):
        raise NoOfflineReason(machine.hostname, reason)
    machine.move(OFFLINE, act, reason)
    registry.events.note(
        CodeImportEventType.OFFLINE,
        act,
        machine=machine.hostname,
        items={CodeImportEventDataType.OFFLINE_REASON: reason.name},
    )
    log.info("machine offline machine=%s reason=%s", machine.hostname, reason.name)
    give_up_jobs(registry, machine, act.now, blame=reason is CodeImportMachineOfflineReason.WATCHDOG)


def give_up_jobs(registry: CodeImportRegistry, machine: MachineRecord, now: datetime, blame: bool) -> None:
    for job in registry.jobs_of(machine):
        reclaim_job(registry, job, Act(now), blame)


def set_quiescing(registry: CodeImportRegistry, machine: MachineRecord, act: Act) -> None:
    machine.move(QUIESCING, act)
    registry.events.note(CodeImportEventType.QUIESCE, act, machine=machine.hostname)


def add_cordon(registry: CodeImportRegistry, machine: MachineRecord, act: Act) -> None:
    """`act.message` is the reason."""
    if act.message is None:
        raise NoCordonReason(machine.hostname)
    machine.refuse_if_cordoned()
    machine.cordon = Cordon(act.message, act.person, act.now)
    registry.events.note(CodeImportEventType.CORDON, act, machine=machine.hostname)
    log.info("machine cordoned machine=%s", machine.hostname)


def remove_cordon(registry: CodeImportRegistry, machine: MachineRecord, act: Act) -> None:
    if machine.cordon is None:
        raise NotCordoned(machine.hostname)
    machine.cordon = None
    registry.events.note(CodeImportEventType.UNCORDON, act, machine=machine.hostname)
    log.info("machine no longer cordoned machine=%s", machine.hostname)


def should_look_for_job(
    registry: CodeImportRegistry, machine: MachineRecord, worker_limit: int, act: Act
) -> bool:
    """Whether `machine` may take one more job; the asking is a heartbeat, unless it is OFFLINE."""
    if machine.state is OFFLINE:
        return False
    machine.beat(act.now)
    if machine.state is QUIESCING:
        if not machine.job_ids:
            set_offline(registry, machine, CodeImportMachineOfflineReason.QUIESCED, act)
        return False
    return machine.cordon is None and len(machine.job_ids) < worker_limit


def get_job_for_machine(
    registry: CodeImportRegistry, hostname: str, worker_limit: int, act: Act, *, judge: bool = True
) -> CodeImportJob | None:
    """The job `hostname` shall run next, now SCHEDULED for it; None if there is nothing for it.

    A machine nobody knows is made known, ONLINE.  Jobs that were asked for come first, then the
    most overdue one.  `judge` says that the age of leases can be believed: stale ones are reclaimed.
    """
    if judge:
        reclaim_stale_jobs(registry, act)
    machine = registry.machines.get(checked_hostname(hostname))
    if machine is None:
        machine = new_machine(registry, hostname, ONLINE, act)
    if not should_look_for_job(registry, machine, worker_limit, act) or not registry.queue:
        return None
    first: tuple[int, int, int] = registry.queue.minKey()
    _rank, due, job_id = first
    if due > (act.now - EPOCH) // timedelta(microseconds=1):
        return None
    job: CodeImportJob = registry.jobs[job_id]
    schedule_job(registry, job, machine, act)
    return job


def arrive(registry: CodeImportRegistry, hostname: str, act: Act) -> MachineRecord:
    """A daemon starts, or finds itself declared dead: bring its machine online if that may be.

    Jobs a former run of the daemon left behind are given up.  Raises MachineHeld where a person
    took the machine out, MachineCordoned where one holds it, and MachineInQuarantine where the watchdog
    set it OFFLINE a moment ago.  A machine nobody knows is made known.
    """
    machine: MachineRecord | None = registry.machines.get(checked_hostname(hostname))
    if machine is None:
        return new_machine(registry, hostname, ONLINE, act)
    give_up_jobs(registry, machine, act.now, blame=True)  # its former run was killed: it did not leave
    if machine.state is OFFLINE:
        machine.refuse_if_cordoned()
        until = quarantined_until(registry, machine)
        if not machine.held and until is not None and until > act.now:
            raise MachineInQuarantine(machine.hostname, until)
        set_online(registry, machine, act)
    return machine


def quarantined_until(registry: CodeImportRegistry, machine: MachineRecord) -> datetime | None:
    """When the watchdog's verdict ends; None if it was not the watchdog."""
    if machine.offline_reason is not CodeImportMachineOfflineReason.WATCHDOG:
        return None
    bites = 0
    for event in registry.events.newest_of_machine(machine.hostname, 100):
        if machine.state_since - event.date_created > QUARANTINE_MEMORY:
            break
        bites += (CodeImportEventDataType.OFFLINE_REASON, "WATCHDOG") in event.items()
    doublings = min(max(bites - 1, 0), 20)
    return machine.state_since + min(QUARANTINE * 2**doublings, LONGEST_QUARANTINE)


def watch(
    registry: CodeImportRegistry, silence_limit: timedelta, act: Act, *, judge: bool = True
) -> list[str]:
    """Set every machine OFFLINE that was silent for longer; their host names.

    `judge` is that of get_job_for_machine().
    """
    found = [
        machine
        for machine in registry.machines.values()
        if machine.state is not OFFLINE and machine.silent_for(act.now) > silence_limit
    ]
    for machine in found:
        set_offline(registry, machine, CodeImportMachineOfflineReason.WATCHDOG, act)
    if judge:
        reclaim_stale_jobs(registry, act)
    return [machine.hostname for machine in found]
