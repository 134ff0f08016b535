"""The life of a job: made, given to a machine, started, reported, finished, reclaimed, killed.

Every verb takes the registry it works on and the `Act` (when, who) it is done in, leaves the
events that tell of it, and does all or nothing.
"""

import logging
import random
from datetime import datetime, timedelta

from librarian.machines.enums import (
    CodeImportEventDataType,
    CodeImportEventType,
    CodeImportJobState,
    CodeImportMachineState,
    CodeImportResultStatus,
    CodeImportReviewStatus,
)
from librarian.machines.events import Act
from librarian.machines.interfaces import NotRequestable, WrongJobState, WrongMachineState
from librarian.machines.model import (
    CodeImportJob,
    CodeImportRegistry,
    CodeImportResult,
    ImportRecord,
    MachineRecord,
)

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=300)  # a job unheard of for longer is taken from its machine
FAILURES_UNTIL_FAILING = 5
RECLAIMS_UNTIL_PATIENCE = 3  # a job that takes its machines down with it does not run at once again
LONGEST_PAUSE = timedelta(days=30)
LOGTAIL_CHARACTERS = 4000

JOB_IDS = random.SystemRandom()


def make_job(registry: CodeImportRegistry, code_import: ImportRecord, due: datetime) -> CodeImportJob:
    """The next job of an import that has none."""
    assert code_import.job_id is None, code_import.name
    job_id = JOB_IDS.randrange(1, 2**53)
    while job_id in registry.jobs:
        job_id = JOB_IDS.randrange(1, 2**53)
    job = CodeImportJob(job_id, code_import.name, due)
    registry.jobs[job_id] = job
    registry.queue.add(job.queue_key())
    code_import.job_id = job_id
    return job


def job_of(registry: CodeImportRegistry, code_import: ImportRecord) -> CodeImportJob | None:
    """The job the import has, waiting or not."""
    return None if code_import.job_id is None else registry.jobs[code_import.job_id]


def drop_job(registry: CodeImportRegistry, job: CodeImportJob) -> ImportRecord:
    """Take a job out of the world; its import, which now has none."""
    if job.state is CodeImportJobState.PENDING:
        registry.queue.remove(job.queue_key())
    else:
        machine = registry.machines[job.machine]
        machine.job_ids = tuple(job_id for job_id in machine.job_ids if job_id != job.id)
    del registry.jobs[job.id]
    code_import: ImportRecord = registry.imports[job.code_import]
    code_import.job_id = None
    return code_import


def schedule_job(registry: CodeImportRegistry, job: CodeImportJob, machine: MachineRecord, act: Act) -> None:
    """Give a PENDING job to a machine.  The lease runs from now."""
    if job.state is not CodeImportJobState.PENDING:
        raise WrongJobState(job.id, job.state)
    registry.queue.remove(job.queue_key())
    job.state = CodeImportJobState.SCHEDULED
    job.machine = machine.hostname
    job.heartbeat = act.now
    machine.job_ids = (*machine.job_ids, job.id)


def start_job(registry: CodeImportRegistry, job: CodeImportJob, machine: MachineRecord, act: Act) -> None:
    """The machine begins.  A PENDING job, not handed out before, may be started directly."""
    if machine.state is not CodeImportMachineState.ONLINE and job.machine != machine.hostname:
        raise WrongMachineState(machine.hostname, machine.state)
    if job.machine != machine.hostname:
        machine.refuse_if_cordoned()
    if job.state is CodeImportJobState.PENDING:
        schedule_job(registry, job, machine, act)
    elif job.state is not CodeImportJobState.SCHEDULED or job.machine != machine.hostname:
        raise WrongJobState(job.id, job.state)
    job.state = CodeImportJobState.RUNNING
    job.date_started = job.heartbeat = act.now
    registry.events.note(
        CodeImportEventType.START, act, machine=machine.hostname, code_import=job.code_import
    )


def job_heartbeat(job: CodeImportJob, logtail: str, act: Act) -> None:
    """Renew the lease, and show the last lines of the log."""
    if job.state is not CodeImportJobState.RUNNING:
        raise WrongJobState(job.id, job.state)
    job.heartbeat = act.now
    job.logtail = printable(logtail)[-LOGTAIL_CHARACTERS:]


def printable(text: str) -> str:
    """`text` with everything but printable characters and line ends replaced."""
    return "".join(char if char.isprintable() or char == "\n" else "�" for char in text.replace("\r", "\n"))


def finish_job(
    registry: CodeImportRegistry, job: CodeImportJob, status: CodeImportResultStatus, act: Act
) -> CodeImportResult:
    """The job ended, with the files its worker handed in; the next one is made, or none."""
    if job.state is not CodeImportJobState.RUNNING:
        raise WrongJobState(job.id, job.state)
    code_import = drop_job(registry, job)
    result = CodeImportResult(job, status, act.now)
    code_import.add_result(result)
    registry.events.note(CodeImportEventType.FINISH, act, machine=job.machine, code_import=job.code_import)
    if status.succeeded and job.bundle_file is not None:
        _publish(registry, code_import, job, act)
    registry.let_go(code_import)
    log.info("job finished job=%d import=%s status=%s", job.id, code_import.name, status.name)
    if code_import.consecutive_failures >= FAILURES_UNTIL_FAILING:
        _set_failing(registry, code_import, act)
    elif code_import.review_status is CodeImportReviewStatus.REVIEWED:
        make_job(registry, code_import, act.now + pause_after(code_import))
    return result


def _publish(registry: CodeImportRegistry, code_import: ImportRecord, job: CodeImportJob, act: Act) -> None:
    """The bundle that the job brought home is from now on the import's own."""
    code_import.bundle_file = job.bundle_file
    code_import.bundle_url = code_import.url
    registry.events.note(CodeImportEventType.PUBLISH, act, machine=job.machine, code_import=job.code_import)


def pause_after(code_import: ImportRecord) -> timedelta:
    """The interval, doubled for each failure in a row but the first."""
    doublings = max(code_import.consecutive_failures - 1, 0)
    return min(code_import.update_interval * 2**doublings, max(LONGEST_PAUSE, code_import.update_interval))


def _set_failing(registry: CodeImportRegistry, code_import: ImportRecord, act: Act) -> None:
    items = {
        CodeImportEventDataType.CODE_IMPORT: code_import.name,
        CodeImportEventDataType.REVIEW_STATUS: CodeImportReviewStatus.FAILING.name,
        CodeImportEventDataType.OLD_REVIEW_STATUS: code_import.review_status.name,
    }
    code_import.review_status = CodeImportReviewStatus.FAILING
    registry.events.note(CodeImportEventType.MODIFY, act, code_import=code_import.name, items=items)
    log.warning("import failing import=%s", code_import.name)


def reclaim_job(
    registry: CodeImportRegistry, job: CodeImportJob, act: Act, blame: bool = True
) -> CodeImportJob:
    """Take a job from its machine; a fresh one, due at once, takes its place under another id.

    `blame` says that the machine may have been lost to the job: then the third time in a row makes the
    import wait its interval.  A machine that was stopped in good order hands its job back without,
    and the next is as urgent as it was.
    """
    if job.state is CodeImportJobState.PENDING:
        raise WrongJobState(job.id, job.state)
    code_import = drop_job(registry, job)
    if job.state is CodeImportJobState.RUNNING:
        code_import.add_result(CodeImportResult(job, CodeImportResultStatus.RECLAIMED, act.now), blame)
    registry.let_go(code_import)
    patience = blame and code_import.consecutive_reclaims >= RECLAIMS_UNTIL_PATIENCE
    fresh = make_job(registry, code_import, act.now + code_import.update_interval * int(patience))
    if job.requested and not blame:
        hurry(registry, fresh, Act(act.now, job.requesting_user))
    registry.events.note(
        CodeImportEventType.RECLAIM,
        act,
        machine=job.machine,
        code_import=job.code_import,
        items={CodeImportEventDataType.RECLAIMED_JOB_ID: str(job.id)},
    )
    log.info("job reclaimed job=%d import=%s machine=%s", job.id, job.code_import, job.machine)
    return fresh


def reclaim_stale_jobs(registry: CodeImportRegistry, act: Act) -> list[CodeImportJob]:
    """Reclaim every job whose lease ran out; the fresh ones."""
    stale = [
        job
        for machine in registry.machines.values()
        for job in registry.jobs_of(machine)
        if job.heartbeat is not None and act.now - job.heartbeat > LEASE
    ]
    return [reclaim_job(registry, job, act) for job in stale]


def request_job(registry: CodeImportRegistry, code_import: ImportRecord, act: Act) -> None:
    """Let the next job run before all that are merely due."""
    job = job_of(registry, code_import)
    if job is None:
        raise NotRequestable(code_import.name, f"is {code_import.review_status.name}")
    if job.state is not CodeImportJobState.PENDING:
        raise NotRequestable(code_import.name, "is running")
    if job.requested:
        who = f" by {job.requesting_user}" if job.requesting_user else ""
        raise NotRequestable(code_import.name, f"was asked for{who}")
    hurry(registry, job, act)
    registry.events.note(
        CodeImportEventType.REQUEST,
        act,
        code_import=code_import.name,
        items={CodeImportEventDataType.CODE_IMPORT: code_import.name},
    )


def hurry(registry: CodeImportRegistry, job: CodeImportJob, act: Act) -> None:
    """Put a PENDING job before all that are merely due, for the person of `act`."""
    registry.queue.remove(job.queue_key())
    job.requested, job.requesting_user = True, act.person
    job.date_due = min(job.date_due, act.now)
    registry.queue.add(job.queue_key())


def kill_job(registry: CodeImportRegistry, code_import: ImportRecord, act: Act) -> None:
    """End the job that runs; its machine learns of it at the next heartbeat, which is refused."""
    job = job_of(registry, code_import)
    if job is None or job.state is CodeImportJobState.PENDING:
        raise NotRequestable(code_import.name, "is not running")
    end_job(registry, code_import, job, act)
    make_job(registry, code_import, act.now + code_import.update_interval)


def end_job(registry: CodeImportRegistry, code_import: ImportRecord, job: CodeImportJob, act: Act) -> None:
    """Drop a job; one that a machine has leaves a KILLED result and a KILL event."""
    drop_job(registry, job)
    if job.state is not CodeImportJobState.PENDING:
        code_import.add_result(CodeImportResult(job, CodeImportResultStatus.KILLED, act.now))
        registry.let_go(code_import)
        registry.events.note(CodeImportEventType.KILL, act, machine=job.machine, code_import=code_import.name)
