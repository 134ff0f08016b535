"""The rules for imports: made, changed, deleted."""

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
from librarian.machines.interfaces import BadCodeImport, CodeImportExists
from librarian.machines.jobs import drop_job, end_job, job_of, make_job
from librarian.machines.model.events import ChangeContext, CodeImportEvent
from librarian.machines.model.imports import CodeImport
from librarian.machines.model.registry import CodeImportRegistry
from librarian.machines.urls import checked_url

DEFAULT_INTERVAL = timedelta(hours=6)
SHORTEST_INTERVAL = timedelta(minutes=1)
LONGEST_INTERVAL = timedelta(days=366)

NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{0,99}")

# The attributes of an import that may change; each is a CodeImportEventDataType in upper case.
EDITABLE = ("owner", "review_status", "assignee", "update_interval", "url")


def checked(field: str, value: Any, rcs_type: RevisionControlSystem) -> Any:
    """`value` if `field` may have it.  Raises BadCodeImport."""
    if field == "name" and not NAME.fullmatch(value):
        raise BadCodeImport(field, "1 to 100 of a-z, 0-9, '+', '-' and '.', a letter or digit first")
    if field == "url":
        return checked_url(value, rcs_type)
    if field == "owner" and not value:
        raise BadCodeImport(field, "a name is needed")
    if field == "update_interval" and not SHORTEST_INTERVAL <= value <= LONGEST_INTERVAL:
        raise BadCodeImport(field, "between a minute and a year")
    if field == "review_status" and not isinstance(value, CodeImportReviewStatus):
        raise BadCodeImport(field, f"{value!r} is no review status")
    return value


def as_item(value: Any) -> str:
    """The value of a field as the item of an event."""
    if isinstance(value, CodeImportReviewStatus):
        return value.name
    return "" if value is None else str(value)


def new_import(
    registry: CodeImportRegistry,
    context: ChangeContext,
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
    """Make an import, with a job that is due at once if REVIEWED.  Raises BadCodeImport, CodeImportExists."""
    interval = DEFAULT_INTERVAL if update_interval is None else update_interval
    wanted = {"name": name, "url": url, "owner": owner, "review_status": review_status}
    for field, value in (wanted | {"update_interval": interval}).items():
        checked(field, value, rcs_type)
    if name in registry.imports:
        raise CodeImportExists(name)
    code_import = CodeImport(name, rcs_type, url, owner, context.now, interval, assignee, private)
    registry.imports[name] = code_import
    code_import.review_status = review_status
    if review_status is CodeImportReviewStatus.REVIEWED:
        make_job(registry, code_import, context.now)
    _note_creation(registry, code_import, context)
    return code_import


def _note_creation(registry: CodeImportRegistry, code_import: CodeImport, context: ChangeContext) -> None:
    values = {field: getattr(code_import, field) for field in EDITABLE}
    items = {CodeImportEventDataType[field.upper()]: as_item(value) for field, value in values.items()}
    items[CodeImportEventDataType.CODE_IMPORT] = code_import.name
    registry.events.note(CodeImportEventType.CREATE, context, code_import=code_import.name, items=items)


def edit_import(
    registry: CodeImportRegistry, code_import: CodeImport, changes: dict[str, Any], context: ChangeContext
) -> CodeImportEvent | None:
    """Apply the changes; the MODIFY event with new and old values, or None if no value differs.

    Raises BadCodeImport.
    """
    changed = _differences(code_import, changes)
    if not changed:
        return None
    items = {CodeImportEventDataType.CODE_IMPORT: code_import.name}
    for field, value in changed.items():
        items[CodeImportEventDataType[field.upper()]] = as_item(value)
        items[CodeImportEventDataType[f"OLD_{field.upper()}"]] = as_item(getattr(code_import, field))
        setattr(code_import, field, value)
    event = registry.events.note(
        CodeImportEventType.MODIFY, context, code_import=code_import.name, items=items
    )
    _adjust_job(registry, code_import, changed, context)
    return event


def _differences(code_import: CodeImport, changes: dict[str, Any]) -> dict[str, Any]:
    """The checked values that differ from the present ones.  Raises BadCodeImport."""
    for field in changes:
        if field not in EDITABLE:
            raise BadCodeImport(field, "cannot be changed")
    wanted = {field: checked(field, value, code_import.rcs_type) for field, value in changes.items()}
    return {field: value for field, value in wanted.items() if value != getattr(code_import, field)}


def _adjust_job(
    registry: CodeImportRegistry, code_import: CodeImport, changed: dict[str, Any], context: ChangeContext
) -> None:
    """End, make or reschedule the job after a change of its import."""
    reviewed = code_import.review_status is CodeImportReviewStatus.REVIEWED
    if "review_status" in changed and reviewed:
        code_import.consecutive_failures = code_import.consecutive_reclaims = 0
    job = job_of(registry, code_import)
    if job is not None and (not reviewed or "url" in changed):
        # Its bundle would be that of the old URL, or is not wanted any more.
        end_job(registry, code_import, job, context)
        job = None
    if job is None and reviewed:
        make_job(registry, code_import, context.now)
    elif job is not None and job.state is CodeImportJobState.PENDING:
        registry.queue.remove(job.queue_key())
        job.date_due = min(job.date_due, context.now + code_import.update_interval)
        registry.queue.add(job.queue_key())


def delete_import(registry: CodeImportRegistry, code_import: CodeImport, context: ChangeContext) -> None:
    """Delete the import, its job and its results; its events stay."""
    job = job_of(registry, code_import)
    if job is not None:
        drop_job(registry, job)
    registry.release_all_files(code_import)
    del registry.imports[code_import.name]
    registry.events.note(
        CodeImportEventType.DELETE,
        context,
        code_import=code_import.name,
        items={CodeImportEventDataType.CODE_IMPORT: code_import.name},
    )
