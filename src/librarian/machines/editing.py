"""Making, changing and forgetting imports."""

import re
from datetime import timedelta
from typing import Any

from librarian.machines.enums import (
    CodeImportEventDataType,
    CodeImportEventType,
    CodeImportJobState,
    CodeImportReviewStatus,
    RevisionControlSystem,
)
from librarian.machines.events import Act, CodeImportEvent
from librarian.machines.interfaces import BadCodeImport, CodeImportExists
from librarian.machines.jobs import drop_job, end_job, job_of, make_job
from librarian.machines.model import CodeImportRegistry, ImportRecord
from librarian.machines.urls import checked_url

DEFAULT_INTERVAL = timedelta(hours=6)
SHORTEST_INTERVAL = timedelta(minutes=1)
LONGEST_INTERVAL = timedelta(days=366)

NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{0,99}")

# Attributes of an import that may change, and the kind of item that tells their value.
EDITABLE = ("owner", "review_status", "assignee", "update_interval", "url")


def checked(field: str, value: Any, rcs_type: RevisionControlSystem) -> Any:
    """`value` if `field` may have it.  Raises BadCodeImport."""
    if field == "name" and not NAME.fullmatch(value):
        raise BadCodeImport(field, "1 to 100 of a-z, 0-9, '+', '-' and '.', a letter or digit first")
    if field == "url":
        return checked_url(value, rcs_type)
    if field == "owner" and not value:
        raise BadCodeImport(field, "somebody has to answer for it")
    if field == "update_interval" and not SHORTEST_INTERVAL <= value <= LONGEST_INTERVAL:
        raise BadCodeImport(field, "between a minute and a year")
    if field == "review_status" and not isinstance(value, CodeImportReviewStatus):
        raise BadCodeImport(field, f"{value!r} is no review status")
    return value


def told(value: Any) -> str:
    """How an event tells the value of a field."""
    if isinstance(value, CodeImportReviewStatus):
        return value.name
    return "" if value is None else str(value)


def new_import(
    registry: CodeImportRegistry,
    act: Act,
    name: str,
    rcs_type: RevisionControlSystem,
    url: str,
    owner: str,
    *,
    review_status: CodeImportReviewStatus = CodeImportReviewStatus.NEW,
    update_interval: timedelta | None = None,
    assignee: str | None = None,
    private: bool = False,
) -> ImportRecord:
    interval = DEFAULT_INTERVAL if update_interval is None else update_interval
    wanted = {"name": name, "url": url, "owner": owner, "review_status": review_status}
    for field, value in (wanted | {"update_interval": interval}).items():
        checked(field, value, rcs_type)
    if name in registry.imports:
        raise CodeImportExists(name)
    code_import = ImportRecord(name, rcs_type, url, owner, act.now, interval, assignee, private)
    registry.imports[name] = code_import
    code_import.review_status = review_status
    if review_status is CodeImportReviewStatus.REVIEWED:
        make_job(registry, code_import, act.now)
    items = {CodeImportEventDataType[field.upper()]: told(getattr(code_import, field)) for field in EDITABLE}
    items[CodeImportEventDataType.CODE_IMPORT] = name
    registry.events.note(CodeImportEventType.CREATE, act, code_import=name, items=items)
    return code_import


def edit_import(
    registry: CodeImportRegistry, code_import: ImportRecord, changes: dict[str, Any], act: Act
) -> CodeImportEvent | None:
    """Apply what differs; the MODIFY event, with the old values, or None if nothing does."""
    items = {CodeImportEventDataType.CODE_IMPORT: code_import.name}
    changed: dict[str, Any] = {}
    for field, wanted in changes.items():
        if field not in EDITABLE:
            raise BadCodeImport(field, "cannot be changed")
        value, old = checked(field, wanted, code_import.rcs_type), getattr(code_import, field)
        if value != old:
            changed[field] = value
            items[CodeImportEventDataType[field.upper()]] = told(value)
            items[CodeImportEventDataType[f"OLD_{field.upper()}"]] = told(old)
    if not changed:
        return None
    for field, value in changed.items():
        setattr(code_import, field, value)
    event = registry.events.note(CodeImportEventType.MODIFY, act, code_import=code_import.name, items=items)
    _adjust_job(registry, code_import, changed, act)
    return event


def _adjust_job(
    registry: CodeImportRegistry, code_import: ImportRecord, changed: dict[str, Any], act: Act
) -> None:
    """Let the job follow what the import has become."""
    reviewed = code_import.review_status is CodeImportReviewStatus.REVIEWED
    if "review_status" in changed and reviewed:
        code_import.consecutive_failures = code_import.consecutive_reclaims = 0
    job = job_of(registry, code_import)
    if job is not None and (not reviewed or "url" in changed):
        # What it brings home is from the wrong place, or not wanted any more.
        end_job(registry, code_import, job, act)
        job = None
    if job is None and reviewed:
        make_job(registry, code_import, act.now)
    elif job is not None and job.state is CodeImportJobState.PENDING:
        registry.queue.remove(job.queue_key())
        job.date_due = min(job.date_due, act.now + code_import.update_interval)
        registry.queue.add(job.queue_key())


def delete_import(registry: CodeImportRegistry, code_import: ImportRecord, act: Act) -> None:
    """Forget the import; its events stay."""
    job = job_of(registry, code_import)
    if job is not None:
        drop_job(registry, job)
    registry.let_all_go(code_import)
    del registry.imports[code_import.name]
    registry.events.note(
        CodeImportEventType.DELETE,
        act,
        code_import=code_import.name,
        items={CodeImportEventDataType.CODE_IMPORT: code_import.name},
    )
