"""Imports in the web application: ``/machines/+imports``."""

from collections.abc import Mapping
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility

from librarian.interfaces import IClock
from librarian.machines.enums import CodeImportReviewStatus, RevisionControlSystem
from librarian.machines.interfaces import (
    BadCodeImport,
    CodeImportExists,
    ICodeImportSet,
    NotRequestable,
)
from librarian.machines.views.description import (
    IMPORT,
    IMPORT_LINE,
    describe_import,
    span,
    summarize_import,
    title,
)
from librarian.quantities import parse_duration
from librarian.security.interaction import current_principal, is_permitted
from librarian.web.errors import error_response, wants_page
from librarian.web.forms import SeeOther, by_method, checked, done, fields_of, text
from librarian.web.openapi.declaring import (
    HTML,
    JSON,
    Answer,
    describes,
    does,
    fields,
    gives,
    page_of,
    redirects,
)
from librarian.web.openapi.schemas import CHECKBOX, TEXT, URL, WORD, array, obj, one_of, told
from librarian.web.requests.mounting import local_path

EDIT = "librarian.machines.Edit"
PATH = "/machines/+imports"


class Imports:
    """``+imports``: holds every import by its name."""

    __name__ = "+imports"

    def __init__(self, parent: Any) -> None:
        self.__parent__ = parent

    def __getitem__(self, segment: str) -> Any:
        return getUtility(ICodeImportSet)[segment]


def imports_page(context: Imports, request: Request) -> Any:
    """The list, A to Z."""
    if not wants_page(request):
        return Response(json_body={"imports": _summaries()}, vary=("Accept",))
    return _imports_page()


def _summaries() -> list[dict[str, Any]]:
    now = getUtility(IClock).now()
    return [summarize_import(code_import, now) for code_import in getUtility(ICodeImportSet).getAll()]


def _imports_page(notice: str = "", entered: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "title": "Code imports",
        "imports": _summaries(),
        "may_edit": is_permitted(EDIT, getUtility(ICodeImportSet)),
        "notice": notice,
        "entered": entered or {},
        "kinds": [kind.name for kind in RevisionControlSystem],
        "show": title,
    }


def add_import(context: Imports, request: Request) -> Any:
    """Make an import: ``name``, ``rcs_type``, ``url``, ``private``, and the fields of a change."""
    fields = fields_of(request)
    try:
        made = _new_import(fields)
    except (BadCodeImport, CodeImportExists) as error:
        if not wants_page(request):
            raise
        return _imports_page(str(error), fields)
    return done(
        request,
        local_path(f"{PATH}/{made.name}"),
        describe_import(made, getUtility(IClock).now()),
        status=201,
    )


def _new_import(fields: Mapping[str, Any]) -> Any:
    kind = _chosen(RevisionControlSystem, fields, "rcs_type")
    changes = changes_in(fields)
    url, owner = changes.pop("url", ""), changes.pop("owner", None) or _owner()
    private = checked(fields, "private")
    return getUtility(ICodeImportSet).new(text(fields, "name"), kind, url, owner, private=private, **changes)


_CHANGES = {
    "owner": TEXT,
    "assignee": TEXT,
    "update_interval": told(TEXT, "such as 90m or 6h"),
    "review_status": one_of(CodeImportReviewStatus),
}

imports_index = describes(
    PATH,
    GET=does("All imports, A to Z", page_of(obj(imports=array(IMPORT_LINE)))),
    POST=does(
        "Make an import",
        gives(IMPORT, 201, "Made", "Location"),
        Answer(200, "For a browser, why it was not made", {HTML: TEXT}),
        redirects(303, "Made, for a browser"),
        body=fields(
            "name",
            "rcs_type",
            "url",
            name=WORD,
            rcs_type=one_of(RevisionControlSystem),
            url=URL,
            private=CHECKBOX,
            **_CHANGES,
        ),
    ),
)(by_method(GET=imports_page, POST=add_import))


def _owner() -> str:
    principal = current_principal()
    return principal.person.name if principal.person is not None else principal.id


def _chosen(kind: Any, fields: Mapping[str, Any], name: str) -> Any:
    try:
        return kind[fields.get(name, "")]
    except (KeyError, TypeError):
        raise BadCodeImport(name, f"one of {', '.join(kind.__members__)}") from None


def changes_in(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of ICodeImport.edit() in `fields`.  Raises BadCodeImport.

    ``update_interval`` is a duration such as 90m or 6h, and stays what it is where it is empty; an empty
    ``assignee`` means none.
    """
    changes: dict[str, Any] = {}
    for name in ("url", "owner", "assignee"):
        if name in fields:
            changes[name] = text(fields, name).strip()
    if "assignee" in changes:
        changes["assignee"] = changes["assignee"] or None
    if fields.get("update_interval", "") != "":
        try:
            changes["update_interval"] = parse_duration(text(fields, "update_interval"))
        except ValueError as error:
            raise BadCodeImport("update_interval", str(error)) from None
    if "review_status" in fields:
        changes["review_status"] = _chosen(CodeImportReviewStatus, fields, "review_status")
    return changes


def import_page(context: Any, request: Request) -> Any:
    """One import: its fields, its job, its results, and forms to change it."""
    if not wants_page(request):
        return Response(json_body=describe_import(context, getUtility(IClock).now()), vary=("Accept",))
    return _import_page(context)


def _import_page(code_import: Any, notice: str = "") -> dict[str, Any]:
    shown = describe_import(code_import, getUtility(IClock).now())
    job = shown["job"]
    return {
        "title": f"{shown['name']}: {title(shown['review_status'])}",
        "code_import": shown,
        "interval": span(code_import.update_interval),
        "notice": notice,
        "may_edit": is_permitted(EDIT, code_import),
        "running": job is not None and job["state"] != "PENDING",
        "statuses": [status.name for status in CodeImportReviewStatus],
        "show": title,
    }


def change_import(context: Any, request: Request) -> Any:
    """Do what ``do`` says: ``edit`` (the default), ``request``, ``kill`` or ``delete``."""
    fields = fields_of(request)
    action = text(fields, "do", "edit")
    try:
        if action == "edit":
            context.edit(message=text(fields, "message", ""), **changes_in(fields))
        elif action in ("request", "kill"):
            getattr(context, action)()
        elif action == "delete":
            getUtility(ICodeImportSet).delete(context.name)
            return SeeOther(local_path(PATH))
        else:
            raise HTTPBadRequest("do: edit, request, kill or delete")
    except (BadCodeImport, NotRequestable) as error:
        if not wants_page(request):
            return error_response(request, 422 if isinstance(error, BadCodeImport) else 409, str(error))
        return _import_page(context, f"Nothing was changed: {error}.")
    return done(request, request.path, describe_import(context, getUtility(IClock).now()))


import_index = describes(
    f"{PATH}/{{name}}",
    GET=does("An import, its job, newest results and events", page_of(IMPORT)),
    POST=does(
        "Change the import, request a run, kill one, or delete the import",
        Answer(200, "Done; for a browser, why not", {JSON: IMPORT, HTML: TEXT}),
        redirects(303, "Deleted; or done, for a browser"),
        body=fields(do=one_of(("edit", "request", "kill", "delete")), message=TEXT, url=URL, **_CHANGES),
    ),
)(by_method(GET=import_page, POST=change_import))
