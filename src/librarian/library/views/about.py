"""``/files/<id>/+about``: a page and JSON on one file, with forms for those who may change it."""

from typing import Any

from pyramid.request import Request
from pyramid.response import Response
from zope.security.proxy import removeSecurityProxy

from librarian.library.http.description import LINE, describe
from librarian.library.tokens.description import TOKEN
from librarian.library.views.owners import owner_name
from librarian.library.views.preview import allow, preview_of
from librarian.web.errors import wants_page
from librarian.web.forms import page
from librarian.web.openapi.declaring import describes, does, page_of
from librarian.web.openapi.schemas import TEXT, array, extended, maybe
from librarian.web.requests.mounting import local_path

TEMPLATE = "librarian.library:templates/about.jinja2"


def file_path(alias: Any) -> str:
    """The path of a file in the web application."""
    return local_path(f"/files/{alias.id}")


def about_path(alias: Any) -> str:
    """The path of this page, where forms lead back to."""
    return f"{file_path(alias)}/+about"


def without_proxy(values: Any) -> Any:
    """Lists and dictionaries that a checked call returned, as the JSON encoder wants them."""
    return removeSecurityProxy(values)


@describes(
    "/files/{id:int}/+about",
    GET=does(
        "All that is known of a file; its tokens and holders for those who may change it",
        page_of(extended(LINE, tokens=maybe(array(TOKEN)), holders=maybe(array(TEXT)))),
    ),
)
def about(context: Any, request: Request) -> Response:
    """Everything that is known of a file; its tokens and holders for those with librarian.Edit."""
    values = about_values(context, request)
    return allow(page(request, TEMPLATE, values), values["_preview"])


def about_values(alias: Any, request: Request) -> dict[str, Any]:
    """The values of page(): those that begin with ``_`` are for the template only."""
    may_edit = request.has_permission("librarian.Edit", alias)
    values = {
        "_title": alias.filename,
        "_path": file_path(alias),
        "_may_edit": may_edit,
        "_preview": preview_of(alias) if wants_page(request) else {"kind": ""},
        "owner": alias.owner,
        "owner_name": owner_name(alias.owner),
        "downloads": alias.hits,
        **describe(alias),
    }
    if may_edit:
        values |= {"tokens": without_proxy(alias.tokens()), "holders": without_proxy(alias.holders())}
    return values
