"""``/+overview`` and ``/+audit``: how the installation stands, and who did what; for administrators."""

from collections import Counter
from datetime import timedelta
from typing import Any

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import IClock
from librarian.library.views.listing import url_with
from librarian.library.views.owners import owner_name
from librarian.library.views.statistics import Plot
from librarian.operations.interfaces import AuditPage, AuditQuestion, Figures, IOverview
from librarian.web.errors import wants_page
from librarian.web.forms import page
from librarian.web.openapi.declaring import describes, does, page_of
from librarian.web.openapi.schemas import (
    COUNT,
    DAY,
    FLAG,
    MOMENT,
    NUMBER,
    SIZE,
    TEXT,
    TIME,
    URL,
    array,
    nullable,
    obj,
    one_of,
    told,
)

OVERVIEW = "librarian.operations:templates/overview.jinja2"
AUDIT = "librarian.operations:templates/audit.jinja2"
PLOTTED_DAYS = 90
COMMON = ("time", "event", "by", "from")  # what every line of the audit log has

#: What each task does, for people.
TASKS = {
    "gc": "Garbage collection",
    "sweep": "Sweep of unnamed bytes",
    "scrub": "Scrub: all bytes read again",
    "backup": "Backup",
    "pack": "Pack of the tree",
}

_TASK = obj(
    name=one_of(TASKS),
    ended=nullable(TIME),
    result=TEXT,
    is_well=FLAG,
    due=nullable(told(NUMBER, "seconds; how old the last run may be")),
    is_overdue=FLAG,
)
#: as_json()
FIGURES = obj(
    files=COUNT,
    bytes=SIZE,
    contents=COUNT,
    content_bytes=SIZE,
    is_complete=FLAG,
    days=array(obj(day=DAY, files=COUNT, bytes=SIZE)),
    room=nullable(SIZE),
    store_bytes=nullable(SIZE),
    store_counted=nullable(TIME),
    quarantined=nullable(COUNT),
    tree_bytes=nullable(SIZE),
    uploads=nullable(COUNT),
    uploads_bytes=nullable(SIZE),
    mails=nullable(COUNT),
    refused_log_ins=nullable(COUNT),
    tasks=array(_TASK),
    failure=nullable(obj(task=TEXT, ended=TIME, reason=TEXT)),
)


@describes("/+overview", GET=does("How the installation stands, for administrators", page_of(FIGURES)))
def overview(context: Any, request: Request) -> Response:
    """The figures of the installation."""
    figures: Figures = removeSecurityProxy(getUtility(IOverview).figures())
    values = as_json(figures)
    return page(request, OVERVIEW, {**values, **(_for_people(figures) if wants_page(request) else {})})


def as_json(figures: Figures) -> dict[str, Any]:
    """The figures as JSON: times as ISO 8601, how old a run may be in seconds."""
    counted, failure = figures.store_counted, figures.failure
    return {
        **figures._asdict(),
        "days": [
            {"day": day.isoformat(), "files": files, "bytes": size} for day, files, size in figures.days
        ],
        "store_counted": counted and counted.isoformat(),
        "tasks": [
            {
                **task._asdict(),
                "ended": task.ended and task.ended.isoformat(),
                "due": task.due and task.due.total_seconds(),
            }
            for task in figures.tasks
        ],
        "failure": failure and {**failure._asdict(), "ended": failure.ended.isoformat()},
    }


def _for_people(figures: Figures) -> dict[str, Any]:
    today = getUtility(IClock).now().date()
    first = today - timedelta(days=PLOTTED_DAYS)
    added = Counter({day: size for day, _files, size in figures.days if day > first})
    return {
        "_title": "Overview",
        "_plot": Plot.of(added, today, PLOTTED_DAYS),
        "_added_files": sum(files for day, files, _size in figures.days if day > first),
        "_task_names": TASKS,
        "_is_well": not any(task.is_overdue or not task.is_well for task in figures.tasks)
        and not figures.quarantined,
    }


@describes(
    "/+audit",
    GET=does(
        "A page of the audit log, the newest line first, for administrators",
        page_of(obj(lines=array({"type": "object"}), next=nullable(URL))),
        query={
            "who": told(TEXT, "the name of a person, or the id of a principal"),
            "what": told(TEXT, "a part of the event"),
            "file": told(TEXT, "an id, a digest, or a part of a file name or path"),
            "since": told(MOMENT, "ISO 8601: a date, or a time"),
            "until": told(MOMENT, "ISO 8601: a date, which includes its day, or a time"),
            "before": told(TEXT, "the position that a page gives in next"),
        },
    ),
)
def audit(context: Any, request: Request) -> Response:
    """A page of the audit log, by the parameters who, what, file, since, until and before."""
    asked = {name: request.GET[name] for name in AuditQuestion._fields if request.GET.get(name)}
    found: AuditPage = removeSecurityProxy(getUtility(IOverview).audit(AuditQuestion(**asked)))
    values = {
        "_title": "Audit log",
        "_asked": asked,
        "_path": found.path,
        "_lines": [_line_for_people(line) for line in found.lines] if wants_page(request) else [],
        "_first": url_with(asked, "/+audit", before="") if asked.get("before") else None,
        "lines": found.lines,
        "next": url_with(asked, "/+audit", before=found.following) if found.following else None,
    }
    return page(request, AUDIT, values)


def _line_for_people(line: dict[str, Any]) -> dict[str, Any]:
    facts = {name: value for name, value in line.items() if name not in COMMON}
    return {
        **{name: line.get(name) or "" for name in COMMON},
        "who": owner_name(line.get("by")),
        "facts": facts,
    }
