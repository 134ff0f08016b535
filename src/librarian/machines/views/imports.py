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
    ICodeImportSet,
)
from librarian.machines.views.description import (
    IMPORT,
    IMPORT_LINE,
    describe_import,
    span,
    summarize_import,
    title,
)
from librarian.machines.views.forms import AddForm, ButtonForm, ChangeForm, change_form
from librarian.quantities import parse_duration
from librarian.security.interaction import current_principal, is_permitted
from librarian.web.forms import PageForm, SeeOther, by_form, by_method, checked, done, fields_of, page, text
from librarian.web.openapi.declaring import (
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


def imports_page(context: Imports, request: Request, form: PageForm | None = None) -> Response:
    """The list, A to Z."""
    now, imports = getUtility(IClock).now(), getUtility(ICodeImportSet)
    values = {
        "_title": "Code imports",
        "_may_edit": is_permitted(EDIT, imports),
        "_form": form or AddForm(),
        "_show": title,
        "imports": [
            summarize_import(code_import, now) for code_import in getUtility(ICodeImportSet).getAll()
        ],
    }
    return page(request, "librarian.machines:templates/imports.jinja2", values)


def add_import(context: Imports, request: Request) -> Response:
    """Make an import: ``name``, ``rcs_type``, ``url``, ``private``, and the fields of a change."""

    def change(fields: Mapping[str, Any]) -> Response:
        made = _new_import(fields)
        described = describe_import(made, getUtility(IClock).now())
        return done(request, local_path(f"{PATH}/{made.name}"), described, status=201)

    return by_form(request, AddForm, change, lambda form: imports_page(context, request, form))


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


def import_page(context: Any, request: Request, **forms: PageForm) -> Response:
    """One import: its fields, its job, its results, and forms to change it.

    `forms` are those that were refused: `form` or `button_form`.
    """
    shown = describe_import(context, getUtility(IClock).now())
    job = shown["job"]
    values = {
        **shown,
        "_title": f"{shown['name']}: {title(shown['review_status'])}",
        "_code_import": shown,
        "_interval": span(context.update_interval),
        "_may_edit": is_permitted(EDIT, context),
        "_running": job is not None and job["state"] != "PENDING",
        "_form": forms.get("form") or change_form(context),
        "_button_form": forms.get("button_form") or ButtonForm(),
        "_show": title,
    }
    return page(request, "librarian.machines:templates/import.jinja2", values)


def change_import(context: Any, request: Request) -> Response:
    """Do what ``do`` says: ``edit`` (the default), ``request``, ``kill`` or ``delete``."""
    action = text(fields_of(request), "do", "edit")
    if action not in ("edit", "request", "kill", "delete"):
        raise HTTPBadRequest("do: edit, request, kill or delete")
    if action == "delete":
        getUtility(ICodeImportSet).delete(context.name)
        return SeeOther(local_path(PATH))

    def change(fields: Mapping[str, Any]) -> Response:
        if action == "edit":
            context.edit(message=text(fields, "message", ""), **changes_in(fields))
        else:
            getattr(context, action)()
        return done(request, request.path, describe_import(context, getUtility(IClock).now()))

    form, name = (ChangeForm, "form") if action == "edit" else (ButtonForm, "button_form")
    return by_form(request, form, change, lambda refused: import_page(context, request, **{name: refused}))


import_index = describes(
    f"{PATH}/{{name}}",
    GET=does("An import, its job, newest results and events", page_of(IMPORT)),
    POST=does(
        "Change the import, request a run, kill one, or delete the import",
        gives(IMPORT),
        redirects(303, "Deleted; or done, for a browser"),
        body=fields(do=one_of(("edit", "request", "kill", "delete")), message=TEXT, url=URL, **_CHANGES),
    ),
)(by_method(GET=import_page, POST=change_import))
