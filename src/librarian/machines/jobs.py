"""The rules for jobs: made, given to a machine, started, finished, reclaimed, requested, killed.

Every function changes the registry it is given, records the events of the change with the time, the person
and the message of its ChangeContext, and changes nothing where it raises.
"""

import logging
import random
from datetime import datetime, timedelta

from zope.event import notify

from librarian.machines.enums import (
    CodeImportEventDataType,
    CodeImportEventType,
    CodeImportJobState,
    CodeImportMachineState,
    CodeImportResultStatus,
    CodeImportReviewStatus,
)
from librarian.machines.events import JobFailed
from librarian.machines.interfaces import NotRequestable, WrongJobState, WrongMachineState
from librarian.machines.model.events import ChangeContext
from librarian.machines.model.imports import CodeImport, CodeImportJob, CodeImportResult
from librarian.machines.model.machines import CodeImportMachine
from librarian.machines.model.registry import CodeImportRegistry

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=300)  # a job without a heartbeat for longer is reclaimed
FAILURES_UNTIL_FAILING = 5
RECLAIMS_UNTIL_PAUSE = 3  # in a row: then the next job waits its interval
LONGEST_PAUSE = timedelta(days=30)
LOGTAIL_CHARACTERS = 4000

JOB_IDS = random.SystemRandom()


def _note(
    registry: CodeImportRegistry, event_type: CodeImportEventType, context: ChangeContext, job: CodeImportJob
) -> None:
    """Record an event of a job on a machine; that of a reclaim has the id of the job."""
    reclaim = event_type is CodeImportEventType.RECLAIM
    items = {CodeImportEventDataType.RECLAIMED_JOB_ID: str(job.id)} if reclaim else None
    registry.events.note(event_type, context, machine=job.machine, code_import=job.code_import, items=items)


def make_job(registry: CodeImportRegistry, code_import: CodeImport, due: datetime) -> CodeImportJob:
    """Queue a job for an import that has none; it runs at `due` or later."""
    assert code_import.job_id is None, code_import.name
    job_id = JOB_IDS.randrange(1, 2**53)
    while job_id in registry.jobs:
        job_id = JOB_IDS.randrange(1, 2**53)
    job = CodeImportJob(job_id, code_import.name, due)
    registry.jobs[job_id] = job
    registry.queue.add(job.queue_key())
    code_import.job_id = job_id
    return job


def job_of(registry: CodeImportRegistry, code_import: CodeImport) -> CodeImportJob | None:
    """The job of the import, PENDING or not; None if it has none."""
    return None if code_import.job_id is None else registry.jobs[code_import.job_id]


def drop_job(registry: CodeImportRegistry, job: CodeImportJob) -> CodeImport:
    """Delete a job from queue or machine; its import, which then has no job."""
    if job.state is CodeImportJobState.PENDING:
        registry.queue.remove(job.queue_key())
    else:
        machine = registry.machines[job.machine]
        machine.job_ids = tuple(job_id for job_id in machine.job_ids if job_id != job.id)
    del registry.jobs[job.id]
    code_import: CodeImport = registry.imports[job.code_import]
    code_import.job_id = None
    return code_import


def schedule_job(
    registry: CodeImportRegistry, job: CodeImportJob, machine: CodeImportMachine, context: ChangeContext
) -> None:
    """Give a PENDING job to a machine; its lease starts.  Raises WrongJobState."""
    if job.state is not CodeImportJobState.PENDING:
        raise WrongJobState(job.id, job.state)
    registry.queue.remove(job.queue_key())
    job.state = CodeImportJobState.SCHEDULED
    job.machine = machine.hostname
    job.heartbeat = context.now
    machine.job_ids = (*machine.job_ids, job.id)


def start_job(
    registry: CodeImportRegistry, job: CodeImportJob, machine: CodeImportMachine, context: ChangeContext
) -> None:
    """The machine starts a job that it has, or, if ONLINE and not cordoned, a PENDING one.

    Raises WrongJobState, WrongMachineState and MachineCordoned.
    """
    if machine.state is not CodeImportMachineState.ONLINE and job.machine != machine.hostname:
        raise WrongMachineState(machine.hostname, machine.state)
    if job.machine != machine.hostname:
        machine.refuse_if_cordoned()
    if job.state is CodeImportJobState.PENDING:
        schedule_job(registry, job, machine, context)
    elif job.state is not CodeImportJobState.SCHEDULED or job.machine != machine.hostname:
        raise WrongJobState(job.id, job.state)
    job.state = CodeImportJobState.RUNNING
    job.date_started = job.heartbeat = context.now
    _note(registry, CodeImportEventType.START, context, job)


def job_heartbeat(job: CodeImportJob, logtail: str, context: ChangeContext) -> None:
    """Renew the lease, and store the last 4,000 characters of the log.  Raises WrongJobState."""
    if job.state is not CodeImportJobState.RUNNING:
        raise WrongJobState(job.id, job.state)
    job.heartbeat = context.now
    job.logtail = printable(logtail)[-LOGTAIL_CHARACTERS:]


def printable(text: str) -> str:
    """`text` with everything but printable characters and line ends replaced."""
    return "".join(char if char.isprintable() or char == "\n" else "�" for char in text.replace("\r", "\n"))


def finish_job(
    registry: CodeImportRegistry, job: CodeImportJob, status: CodeImportResultStatus, context: ChangeContext
) -> CodeImportResult:
    """Replace a RUNNING job by its result and, unless the import fails too often, the next job.

    Raises WrongJobState.
    """
    if job.state is not CodeImportJobState.RUNNING:
        raise WrongJobState(job.id, job.state)
    code_import = drop_job(registry, job)
    result = CodeImportResult(job, status, context.now)
    code_import.add_result(result)
    _note(registry, CodeImportEventType.FINISH, context, job)
    if status.succeeded and job.bundle_file is not None:
        _publish(registry, code_import, job, context)
    if not status.succeeded:
        notify(JobFailed(job.id, code_import.name, job.machine, status.name))
    registry.release_unused_files(code_import)
    log.info("job finished job=%d import=%s status=%s", job.id, code_import.name, status.name)
    _follow_up(registry, code_import, context)
    return result


def _follow_up(registry: CodeImportRegistry, code_import: CodeImport, context: ChangeContext) -> None:
    """After a finished job: make the next one, or set the import FAILING."""
    if code_import.consecutive_failures >= FAILURES_UNTIL_FAILING:
        _set_failing(registry, code_import, context)
    elif code_import.review_status is CodeImportReviewStatus.REVIEWED:
        make_job(registry, code_import, context.now + pause_after(code_import))


def _publish(
    registry: CodeImportRegistry, code_import: CodeImport, job: CodeImportJob, context: ChangeContext
) -> None:
    """Make the job's bundle that of the import."""
    code_import.bundle_file = job.bundle_file
    code_import.bundle_url = code_import.url
    _note(registry, CodeImportEventType.PUBLISH, context, job)


def pause_after(code_import: CodeImport) -> timedelta:
    """The interval, doubled for each failure in a row but the first."""
    doublings = max(code_import.consecutive_failures - 1, 0)
    return min(code_import.update_interval * 2**doublings, max(LONGEST_PAUSE, code_import.update_interval))


def _set_failing(registry: CodeImportRegistry, code_import: CodeImport, context: ChangeContext) -> None:
    items = {
        CodeImportEventDataType.CODE_IMPORT: code_import.name,
        CodeImportEventDataType.REVIEW_STATUS: CodeImportReviewStatus.FAILING.name,
        CodeImportEventDataType.OLD_REVIEW_STATUS: code_import.review_status.name,
    }
    code_import.review_status = CodeImportReviewStatus.FAILING
    registry.events.note(CodeImportEventType.MODIFY, context, code_import=code_import.name, items=items)
    log.warning("import failing import=%s", code_import.name)


def reclaim_job(
    registry: CodeImportRegistry, job: CodeImportJob, context: ChangeContext, blame: bool = True
) -> CodeImportJob:
    """Take a job from its machine and replace it by one of another id, due at once; the new job.

    `blame` says that the job may have brought its machine down.  The third such time in a row makes the
    new job wait the interval of the import.  Without `blame`, after a stop in good order, a requested job
    stays requested.  Raises WrongJobState for a PENDING job.
    """
    if job.state is CodeImportJobState.PENDING:
        raise WrongJobState(job.id, job.state)
    code_import = drop_job(registry, job)
    if job.state is CodeImportJobState.RUNNING:
        code_import.add_result(CodeImportResult(job, CodeImportResultStatus.RECLAIMED, context.now), blame)
    registry.release_unused_files(code_import)
    pause = blame and code_import.consecutive_reclaims >= RECLAIMS_UNTIL_PAUSE
    new_job = make_job(registry, code_import, context.now + code_import.update_interval * int(pause))
    if job.requested and not blame:
        move_to_front(registry, new_job, ChangeContext(context.now, job.requesting_user))
    _note(registry, CodeImportEventType.RECLAIM, context, job)
    log.info("job reclaimed job=%d import=%s machine=%s", job.id, job.code_import, job.machine)
    return new_job


def reclaim_stale_jobs(registry: CodeImportRegistry, context: ChangeContext) -> list[CodeImportJob]:
    """Reclaim every job whose lease ran out; the jobs that replace them."""
    stale = [
        job
        for machine in registry.machines.values()
        for job in registry.jobs_of(machine)
        if job.heartbeat is not None and context.now - job.heartbeat > LEASE
    ]
    return [reclaim_job(registry, job, context) for job in stale]


def request_job(registry: CodeImportRegistry, code_import: CodeImport, context: ChangeContext) -> None:
    """Have the next job run before all jobs that are only due.  Raises NotRequestable."""
    job = job_of(registry, code_import)
    if job is None:
        raise NotRequestable(code_import.name, f"is {code_import.review_status.name}")
    if job.state is not CodeImportJobState.PENDING:
        raise NotRequestable(code_import.name, "is running")
    if job.requested:
        requester = f" by {job.requesting_user}" if job.requesting_user else ""
        raise NotRequestable(code_import.name, f"was requested{requester}")
    move_to_front(registry, job, context)
    registry.events.note(
        CodeImportEventType.REQUEST,
        context,
        code_import=code_import.name,
        items={CodeImportEventDataType.CODE_IMPORT: code_import.name},
    )


def move_to_front(registry: CodeImportRegistry, job: CodeImportJob, context: ChangeContext) -> None:
    """Sort a PENDING job before all jobs that are only due, as requested by the actor of `context`."""
    registry.queue.remove(job.queue_key())
    job.requested, job.requesting_user = True, context.actor
    job.date_due = min(job.date_due, context.now)
    registry.queue.add(job.queue_key())


def kill_job(registry: CodeImportRegistry, code_import: CodeImport, context: ChangeContext) -> None:
    """End the running job; its machine learns this from the next heartbeat, which raises JobGone.

    Raises NotRequestable if no job is running.
    """
    job = job_of(registry, code_import)
    if job is None or job.state is CodeImportJobState.PENDING:
        raise NotRequestable(code_import.name, "is not running")
    end_job(registry, code_import, job, context)
    make_job(registry, code_import, context.now + code_import.update_interval)


def end_job(
    registry: CodeImportRegistry, code_import: CodeImport, job: CodeImportJob, context: ChangeContext
) -> None:
    """Delete a job; one that a machine has leaves a KILLED result and a KILL event."""
    drop_job(registry, job)
    if job.state is not CodeImportJobState.PENDING:
        code_import.add_result(CodeImportResult(job, CodeImportResultStatus.KILLED, context.now))
        registry.release_unused_files(code_import)
        _note(registry, CodeImportEventType.KILL, context, job)
