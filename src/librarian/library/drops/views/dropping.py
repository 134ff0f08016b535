"""``/+drop/<secret>`` on the public endpoint: a page for people, PUT and POST for programs."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest, HTTPNotFound
from pyramid.renderers import render_to_response
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.library.drops.interfaces import DropError, IUploadLinks, WrongDropType
from librarian.library.drops.model import DropTerms, UploadLink
from librarian.library.drops.service import DROP, UploadLinks
from librarian.library.drops.views.receiving import check_told_size, go_on, has_form, store_limited
from librarian.library.filenames import check_filename, media_type_for
from librarian.library.generations import store_and_name
from librarian.library.http.downloads import DownloadRoot
from librarian.library.http.request_bodies import check_coding, refuse_match, stated_mimetype
from librarian.library.http.uploads import UPLOADS
from librarian.library.interfaces import InvalidFilename, UploadFailed
from librarian.library.operations import Library, acting_owner
from librarian.security.interaction import acting_as
from librarian.store.interfaces import StoredBytes
from librarian.store.receiving import keep_or_put
from librarian.web.errors import error_response, wants_page
from librarian.web.forms import sent_file
from librarian.web.requests.mounting import local_path
from librarian.web.requests.promises import check_part

TEMPLATE = "librarian.library:templates/drop.jinja2"
SENT = ("filename", "size", "sha256")  # what a sender is told of a file, who may not fetch it
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:3rem auto;max-width:40rem;padding:0 1.5rem}"
    "input[type=file]{display:block;width:100%;padding:2rem 1rem;margin:1rem 0;border:1px dashed;"
    "box-sizing:border-box}progress{width:100%}body.dragged{outline:2px dashed}:root{color-scheme:light dark}"
    ":root{background:Canvas;color:CanvasText}"
    ".sendings{list-style:none;padding:0;overflow-wrap:anywhere}button{font:inherit}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; script-src 'self';"
    " connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    # The secret is in the URL.  Not "no-referrer": browsers then send "Origin: null" with the form.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "private, no-store",
}


def whole(context: DownloadRoot, request: Request) -> Response:
    """The page of a link, or a whole file for it.  Raises NoSuchUploadLink, HTTPNotFound."""
    links, link = link_of(context, request)
    if not links.is_good(link) or len(request.subpath) > 2:
        raise HTTPNotFound
    if request.method in ("GET", "HEAD"):
        response = _shown(request, link)
    else:
        with acting_as(links.principal(link)):
            response = _taken(context.library, links, request, link)
    response.headers.update(HEADERS)
    return response


def link_of(context: DownloadRoot, request: Request) -> tuple[UploadLinks, UploadLink]:
    """The links, and the one in the path, used up or not.  Raises NoSuchUploadLink, HTTPNotFound."""
    if context.restricted or not request.subpath:
        raise HTTPNotFound
    links: UploadLinks = removeSecurityProxy(getUtility(IUploadLinks))
    link = links.known(request.subpath[0])
    links.principal(link)
    if request.path_info.rstrip("/") != "/".join(("", DROP, *request.subpath)):
        raise HTTPNotFound
    return links, link


def refuse_expiry(request: Request) -> None:
    """Raise HTTPBadRequest where a sender says how long the file is kept, which the link's maker has said."""
    if "Librarian-Expires" in request.headers:
        raise HTTPBadRequest("Librarian-Expires: the link says how long files are kept.")


def _shown(request: Request, link: UploadLink) -> Response:
    if len(request.subpath) != 1:
        raise HTTPNotFound
    values = {**_described(link.terms), "until": link.expires.isoformat(timespec="seconds")}
    if not wants_page(request):
        return Response(json_body=values)
    return _page(request, {**values, "left": left_of(link)})


def left_of(link: UploadLink) -> int | None:
    """How many files the link still takes; None for any number."""
    return None if link.terms.max_uses is None else link.terms.max_uses - link.uses


def _described(terms: DropTerms) -> dict[str, Any]:
    """What the sender of a file has to know."""
    return {
        "wanted": terms.wanted,
        "filename": terms.filename,
        "max_size": terms.max_size,
        "media_types": list(terms.media_types),
    }


def _page(request: Request, values: dict[str, Any], status: int = 200) -> Response:
    again = local_path(f"/{DROP}/{request.subpath[0]}")
    shown = {"style": STYLE, "sent": None, "until": None, "again": again, "uploads": f"{again}/{UPLOADS}"}
    shown.update(values)
    response: Response = render_to_response(TEMPLATE, shown, request)
    response.status_int = status
    return response


def _taken(library: Library, links: UploadLinks, request: Request, link: UploadLink) -> Response:
    """A file, once it is committed: 201, or a page that gives thanks."""
    terms, key, left = link.terms, link.key, left_of(link)
    refuse_expiry(request)
    refuse_match(request)
    check_told_size(request, terms)
    library.quotas.require(acting_owner(), None if has_form(request) else request.content_length)
    if has_form(request):
        if (response := go_on(request, library.store, terms)) is not None:
            return response
        filename, mimetype, keep = _from_form(library, request, terms)
    else:
        check_coding(request)
        filename = path_name(request, terms)
        mimetype = stated_mimetype(request, filename)
        terms.check_file(filename, mimetype, request.content_length)
        if (response := go_on(request, library.store, terms)) is not None:
            return response

        def keep() -> StoredBytes:
            return store_limited(library, request, terms)

    def name(stored: StoredBytes) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "expires": links.file_expires(terms),
            "restricted": terms.restricted,
            "owner": acting_owner(),
        }
        links.use(key, library.add(stored, filename, mimetype, **facts))
        return dict(zip(SENT, (filename, stored.size, stored.sha256), strict=True))

    taken = store_and_name(library.tree.run_together, keep, name)
    if has_form(request) and wants_page(request):
        still = None if left is None else left - 1
        return _page(request, {**_described(terms), "sent": taken, "left": still}, 201)
    return Response(json_body=taken, status=201)


def path_name(request: Request, terms: DropTerms) -> str:
    """The name of a file that comes as the body.  Raises InvalidFilename, WrongDropName."""
    given = request.subpath[1] if len(request.subpath) == 2 else terms.filename
    if given is None:
        raise InvalidFilename("", "put the file's name behind the link, after a slash")
    return check_filename(given)


def _from_form(
    library: Library, request: Request, terms: DropTerms
) -> tuple[str, str, Callable[[], StoredBytes]]:
    """Name and type of the file in a form, and what keeps it.  Raises HTTPBadRequest, DropError."""
    field = sent_file(request)
    if field is None or len(request.subpath) != 1:
        raise HTTPBadRequest("Choose a file to send.")
    size = field.file.seek(0, 2)
    field.file.seek(0)
    if not size:
        raise UploadFailed("Invalid length: 0")
    check_part(field.headers.items(), field.file)
    sent = field.filename.rpartition("/")[2].rpartition("\\")[2]  # old browsers send the path
    filename = check_filename(terms.filename or sent)
    mimetype = field.type
    if mimetype in ("", None, "application/octet-stream"):
        mimetype = media_type_for(filename)
    terms.check_file(None, mimetype, size)
    return filename, mimetype, lambda: keep_or_put(library.store, field.file)


def too_large(context: DropError, request: Request) -> Response:
    """413 (RFC 9110, section 15.5.14)."""
    return error_response(request, 413, str(context))


def wrong_type(context: WrongDropType, request: Request) -> Response:
    """415 (RFC 9110, section 15.5.16)."""
    return error_response(request, 415, str(context))
