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
