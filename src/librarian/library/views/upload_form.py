"""``/+upload``: the form with which people add files; it is on the pages with lists too."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.renderers import render_to_response
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import ISettings
from librarian.library.filenames import ID, media_type_for
from librarian.library.http.description import FILE, STATED_EXPIRY, describe
from librarian.library.http.request_bodies import expires_or_default
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.settings import ExpirySettings
from librarian.library.views.about import about_path, choices_with
from librarian.web.errors import wants_page
from librarian.web.forms import SeeOther, by_method, fields_of, sent_files, text
from librarian.web.openapi.declaring import HTML, Answer, changes, describes, does, form_with_file
from librarian.web.openapi.schemas import TEXT, array, obj, told
from librarian.web.requests.mounting import local_path
from librarian.web.requests.promises import check_part

TEMPLATE = "librarian.library:templates/upload.jinja2"
MOST_SHOWN = 50  # files that the page names after they were added


def upload_values(request: Request) -> dict[str, Any] | None:
    """What the form needs, for those who may add files: `default` is what the setting says of an upload that
    says nothing, ``never``, ``unreferenced``, or how long; `stays` are the choices and their words."""
    if not request.has_permission("librarian.Upload", getUtility(ILibraryFileAliasSet)):
        return None
    default = getUtility(ISettings).section(ExpirySettings).default_expiry
    return {"default": default, "stays": choices_with(default)}


def _upload_form(context: Any, request: Request) -> Response:
    """The form, and above it the files with the ids `added`, as far as the principal may see them."""
    aliases = getUtility(ILibraryFileAliasSet)
    uploads = upload_values(request)
    if uploads is None:
        aliases.create  # noqa: B018  # raises Unauthorized, as create() would
    ids = [text for text in request.GET.getall("added")[:MOST_SHOWN] if ID.fullmatch(text)]
    values = {"title": "Add files", "uploads": uploads, "added": list(_visible(ids, request))}
    return render_to_response(TEMPLATE, values, request)


def _visible(ids: list[str], request: Request) -> Any:
    aliases = getUtility(ILibraryFileAliasSet)
    for stated in ids:
        try:
            alias = aliases[int(stated)]
        except LookupError:
            continue
        if request.has_permission("librarian.View", alias):
            yield describe(removeSecurityProxy(alias))


def _upload(context: Any, request: Request) -> Response:
    """The files of a form: each is a field ``file``; ``restricted`` unless they are public."""
    files = sent_files(request)
    if not files:
        raise HTTPBadRequest("Choose a file to add.")
    fields = fields_of(request, at_most=None)
    added = [_add(field, fields) for field in files]
    if wants_page(request):
        return SeeOther(_after(added))
    described = [describe(removeSecurityProxy(alias)) for alias in added]
    if len(added) > 1:
        return Response(json_body={"files": described}, status=201)
    return Response(json_body=described[0], status=201, location=about_path(added[0]))


def _after(added: list[Any]) -> str:
    """The page that a browser is led to: that of the one file, or the one that names them all."""
    if len(added) == 1:
        return about_path(added[0])
    shown = [("added", str(alias.id)) for alias in added[:MOST_SHOWN]]
    return f"{local_path('/+upload')}?{urlencode(shown)}"


def _add(field: Any, fields: Mapping[str, Any]) -> Any:
    size = field.file.seek(0, 2)
    check_part(field.headers.items(), field.file)
    filename = field.filename.rpartition("/")[2].rpartition("\\")[2]  # old browsers send the path
    restricted = fields.get("restricted", "") != ""
    expires = expires_or_default(text(fields, "expires", ""), "expires")
    return getUtility(ILibraryFileAliasSet).create(
        filename, size, field.file, _mimetype(field, filename), expires, restricted=restricted
    )


def _mimetype(field: Any, filename: str) -> str:
    """The type that the browser states, or that the name suggests where the browser knows none."""
    stated: str = field.type
    return stated if stated not in ("", None, "application/octet-stream") else media_type_for(filename)


upload = describes(
    "/+upload",
    GET=does(
        "The form, and above it files that were added",
        Answer(200, "The page", {HTML: TEXT}),
        query={"added": told(TEXT, "the id of a file; may be repeated")},
    ),
    POST=changes(
        {"anyOf": [FILE, obj(files=array(FILE))]},
        form_with_file(restricted=told(TEXT, "restricted unless empty"), expires=STATED_EXPIRY),
        201,
        "Add the file of a form, or several",
    ),
)(by_method(GET=_upload_form, POST=_upload))
