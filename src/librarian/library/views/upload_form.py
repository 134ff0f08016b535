"""``/+upload``: the form with which people add a file."""

from typing import Any

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.renderers import render_to_response
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import ISettings
from librarian.library.filenames import media_type_for
from librarian.library.http.description import EXPIRY, FILE, describe
from librarian.library.http.request_bodies import expires_or_default
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.settings import ExpirySettings
from librarian.library.views.about import about_path
from librarian.web.errors import wants_page
from librarian.web.forms import SeeOther, by_method, fields_of, sent_file, text
from librarian.web.openapi.declaring import HTML, Answer, changes, describes, does, form_with_file
from librarian.web.openapi.schemas import TEXT, told
from librarian.web.requests.promises import check_part

TEMPLATE = "librarian.library:templates/upload.jinja2"


def _upload_form(context: Any, request: Request) -> Response:
    aliases = getUtility(ILibraryFileAliasSet)
    if not request.has_permission("librarian.Upload", aliases):
        aliases.create  # noqa: B018  # raises Unauthorized, as create() would
    return render_to_response(TEMPLATE, {"title": "Add a file", "default": _default()}, request)


def _upload(context: Any, request: Request) -> Response:
    """A file from a form: ``file``, and ``restricted`` unless the file is public."""
    field = sent_file(request)
    if field is None:
        raise HTTPBadRequest("Choose a file to add.")
    size = field.file.seek(0, 2)
    check_part(field.headers.items(), field.file)
    filename = field.filename.rpartition("/")[2].rpartition("\\")[2]  # old browsers send the path
    fields = fields_of(request, at_most=None)
    restricted = fields.get("restricted", "") != ""
    expires = expires_or_default(text(fields, "expires", ""), "expires")
    alias = getUtility(ILibraryFileAliasSet).create(
        filename, size, field.file, _mimetype(field, filename), expires, restricted=restricted
    )
    if wants_page(request):
        return SeeOther(about_path(alias))
    described = describe(removeSecurityProxy(alias))
    return Response(json_body=described, status=201, location=about_path(alias))


def _default() -> str:
    """What the setting says of an upload that says nothing: ``never``, ``unreferenced``, or how long."""
    return getUtility(ISettings).section(ExpirySettings).default_expiry


def _mimetype(field: Any, filename: str) -> str:
    """The type that the browser states, or that the name suggests where the browser knows none."""
    stated: str = field.type
    return stated if stated not in ("", None, "application/octet-stream") else media_type_for(filename)


upload = describes(
    "/+upload",
    GET=does("The form", Answer(200, "The page", {HTML: TEXT})),
    POST=changes(
        FILE,
        form_with_file(restricted=told(TEXT, "restricted unless empty"), expires=EXPIRY),
        201,
        "Add a file from a form",
    ),
)(by_method(GET=_upload_form, POST=_upload))
