"""Machines, imports, jobs and events as plain data, which JSON answers and page templates share."""

from datetime import datetime, timedelta
from typing import Any

from librarian.machines.enums import (
    CodeImportEventType,
    CodeImportJobState,
    CodeImportMachineOfflineReason,
    CodeImportMachineState,
    CodeImportResultStatus,
    CodeImportReviewStatus,
    RevisionControlSystem,
)
from librarian.web.openapi.schemas import (
    ANYTHING,
    COUNT,
    FILE_ID,
    FLAG,
    TEXT,
    TIME,
    Named,
    array,
    extended,
    mapping,
    nullable,
    obj,
    one_of,
    told,
)

EVENTS_SHOWN = 10
RESULTS_SHOWN = 10
ENDED_WITHIN = timedelta(days=1)  # the jobs of a machine that its strip shows


_AGO = nullable(told(TEXT, "for people, such as 2 hours 5 minutes"))
_MOMENT = nullable(TIME)
EVENT = Named(
    "MachineEvent",
    obj(
        id=COUNT,
        type=one_of(CodeImportEventType),
        date=_MOMENT,
        machine=nullable(TEXT),
        code_import=nullable(TEXT),
        person=nullable(TEXT),
        items=mapping(ANYTHING),
    ),
)
JOB = Named(
    "CodeImportJob",
    obj(
        id=COUNT,
        code_import=TEXT,
        state=one_of(CodeImportJobState),
        machine=nullable(TEXT),
        date_due=_MOMENT,
        date_started=_MOMENT,
        started_ago=_AGO,
        heartbeat=_MOMENT,
        heartbeat_ago=_AGO,
        requested=FLAG,
        requesting_user=nullable(TEXT),
        logtail=nullable(TEXT),
    ),
)
RESULT = Named(
    "CodeImportResult",
    obj(
        status=one_of(CodeImportResultStatus),
        job=nullable(COUNT),
        machine=nullable(TEXT),
        requesting_user=nullable(TEXT),
        date_job_started=_MOMENT,
        date=_MOMENT,
        log_file=nullable(FILE_ID),
        log_excerpt=nullable(TEXT),
    ),
)
#: describe_ended()
ENDED = Named(
    "EndedJob",
    obj(
        code_import=TEXT,
        status=one_of(CodeImportResultStatus),
        succeeded=FLAG,
        date_job_started=_MOMENT,
        date=_MOMENT,
    ),
)
MACHINE_LINE = Named(
    "ListedMachine",
    obj(
        hostname=TEXT,
        state=one_of(CodeImportMachineState),
        state_since=_MOMENT,
        state_ago=_AGO,
        offline_reason=nullable(one_of(CodeImportMachineOfflineReason)),
        message=nullable(TEXT),
        pinned=FLAG,
        cordon=nullable(obj(reason=TEXT, person=nullable(TEXT), since=_MOMENT)),
        heartbeat=_MOMENT,
        heartbeat_ago=_AGO,
        jobs_running=COUNT,
        current_jobs=array(JOB),
        ended_jobs=array(ENDED),
    ),
)
MACHINE = Named(
    "Machine",
    extended(MACHINE_LINE, date_created=_MOMENT, events=array(EVENT)),
)
IMPORT_LINE = Named(
    "ListedCodeImport",
    obj(
        name=TEXT,
        rcs_type=one_of(RevisionControlSystem),
        url=TEXT,
        review_status=one_of(CodeImportReviewStatus),
        private=FLAG,
        consecutive_failures=COUNT,
        date_last_successful=_MOMENT,
        last_successful_ago=_AGO,
        job=nullable(JOB),
    ),
)
IMPORT = Named(
    "CodeImport",
    extended(
        IMPORT_LINE,
        owner=nullable(TEXT),
        assignee=nullable(TEXT),
        update_interval_seconds=COUNT,
        date_created=_MOMENT,
        bundle_file=nullable(FILE_ID),
        bundle_name=nullable(TEXT),
        results=array(RESULT),
        events=array(EVENT),
    ),
)


def moment(when: datetime | None) -> str | None:
    """RFC 3339, in UTC, to the second."""
    return None if when is None else when.strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(when: datetime | None, now: datetime) -> str | None:
    """The time since `when`, as span() writes it; None for None."""
    return None if when is None else span(now - when)


def span(length: timedelta) -> str:
    """A time span in its one or two largest units: ``2 hours 5 minutes``; ``0 seconds`` if negative."""
    seconds = max(int(length.total_seconds()), 0)
    units = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
    first = next((place for place, (_name, size) in enumerate(units) if seconds >= size), 3)
    words: list[str] = []
    for name, size in units[first : first + 2]:
        count, seconds = divmod(seconds, size)
        if count or not words:
            words.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " ".join(words)


def title(name: str) -> str:
    """The name of an enumeration's member as a page shows it: ``Online``."""
    return name.replace("_", " ").capitalize()


def describe_event(event: Any) -> dict[str, Any]:
    """An event as JSON; dates as RFC 3339."""
    return {
        "id": event.id,
        "type": event.event_type.name,
        "date": moment(event.date_created),
        "machine": event.machine,
        "code_import": event.code_import,
        "person": event.person,
        "items": {data_type.name: value for data_type, value in event.items()},
    }


def describe_job(job: Any, now: datetime) -> dict[str, Any]:
    """A job as JSON; dates as RFC 3339, ages at `now`."""
    return {
        "id": job.id,
        "code_import": job.code_import,
        "state": job.state.name,
        "machine": job.machine,
        "date_due": moment(job.date_due),
        "date_started": moment(job.date_started),
        "started_ago": ago(job.date_started, now),
        "heartbeat": moment(job.heartbeat),
        "heartbeat_ago": ago(job.heartbeat, now),
        "requested": job.requested,
        "requesting_user": job.requesting_user,
        "logtail": job.logtail,
    }


def describe_result(result: Any) -> dict[str, Any]:
    """A result as JSON; dates as RFC 3339."""
    return {
        "status": result.status.name,
        "job": result.job_id,
        "machine": result.machine,
        "requesting_user": result.requesting_user,
        "date_job_started": moment(result.date_job_started),
        "date": moment(result.date_created),
        "log_file": result.log_file,
        "log_excerpt": result.log_excerpt,
    }


def describe_ended(name: str, result: Any) -> dict[str, Any]:
    """The end of a job as the strip of its machine shows it."""
    return {
        "code_import": name,
        "status": result.status.name,
        "succeeded": result.status.succeeded,
        "date_job_started": moment(result.date_job_started),
        "date": moment(result.date_created),
    }


def summarize_machine(machine: Any, now: datetime) -> dict[str, Any]:
    """A machine as lists show it."""
    reason = machine.offline_reason
    return {
        "hostname": machine.hostname,
        "state": machine.state.name,
        "state_since": moment(machine.state_since),
        "state_ago": ago(machine.state_since, now),
        "offline_reason": None if reason is None else reason.name,
        "message": machine.message,
        "pinned": machine.pinned,
        "cordon": _describe_cordon(machine.cordon),
        "heartbeat": moment(machine.heartbeat),
        "heartbeat_ago": ago(machine.heartbeat, now),
        "jobs_running": len(machine.current_jobs),
        "current_jobs": [describe_job(job, now) for job in machine.current_jobs],
        "ended_jobs": [
            describe_ended(name, result) for name, result in machine.endedJobs(now - ENDED_WITHIN)
        ],
    }


def _describe_cordon(cordon: Any) -> dict[str, Any] | None:
    if cordon is None:
        return None
    return {"reason": cordon.reason, "person": cordon.person, "since": moment(cordon.since)}


def describe_machine(machine: Any, now: datetime) -> dict[str, Any]:
    """A machine with its jobs and its newest events."""
    return summarize_machine(machine, now) | {
        "date_created": moment(machine.date_created),
        "events": [describe_event(event) for event in machine.newestEvents(EVENTS_SHOWN)],
    }


def summarize_import(code_import: Any, now: datetime) -> dict[str, Any]:
    """An import as lists show it."""
    job = code_import.import_job
    return {
        "name": code_import.name,
        "rcs_type": code_import.rcs_type.name,
        "url": code_import.url,
        "review_status": code_import.review_status.name,
        "private": code_import.private,
        "consecutive_failures": code_import.consecutive_failures,
        "date_last_successful": moment(code_import.date_last_successful),
        "last_successful_ago": ago(code_import.date_last_successful, now),
        "job": None if job is None else describe_job(job, now),
    }


def describe_import(code_import: Any, now: datetime) -> dict[str, Any]:
    """An import with its newest results and events."""
    newest = [describe_result(result) for result in code_import.results[: -RESULTS_SHOWN - 1 : -1]]
    return summarize_import(code_import, now) | {
        "owner": code_import.owner,
        "assignee": code_import.assignee,
        "update_interval_seconds": int(code_import.update_interval.total_seconds()),
        "date_created": moment(code_import.date_created),
        "bundle_file": code_import.bundle_file,
        "bundle_name": code_import.bundle_name,
        "results": newest,
        "events": [describe_event(event) for event in code_import.events[: -EVENTS_SHOWN - 1 : -1]],
    }
