"""A part of a file is no file: requests that say they carry one are refused, but by views that take parts.

A server that ignored these fields would keep half of a file, and call it stored.
"""

from collections.abc import Mapping
from typing import Any

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request

from librarian.web.requests.methods import View

WITHOUT_BODY = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
# draft-ietf-httpbis-resumable-upload, and the tus protocol: HTTP_UPLOAD_COMPLETE, HTTP_TUS_RESUMABLE, ...
_RESUMING = ("HTTP_UPLOAD_", "HTTP_TUS_")
_ATTRIBUTE = "takes_parts"


def takes_parts(view: View) -> View:
    """Say of a view that it takes parts of files; it then checks their digests itself."""
    setattr(view, _ATTRIBUTE, True)
    return view


def part_field(environ: Mapping[str, Any]) -> str | None:
    """The first field by which a request says that its body is a part of a file; None if it is whole."""
    for key in environ:
        if key.startswith(_RESUMING):
            return key.removeprefix("HTTP_").replace("_", "-").title()
    return None


def refuse_ranges(environ: Mapping[str, Any]) -> None:
    """Raise HTTPBadRequest for a Content-Range (RFC 9110, 14.5), which no view takes."""
    if "HTTP_CONTENT_RANGE" in environ:
        raise HTTPBadRequest("Content-Range: a part of a file cannot be put; send the whole.")


def refuse_parts(request: Request) -> None:
    """Raise HTTPBadRequest for a request with a body that says it is a part of a file."""
    field = None if request.method in WITHOUT_BODY else part_field(request.environ)
    if field is not None:
        raise HTTPBadRequest(
            f"{field}: no resumable upload is taken here; send the whole file in one request."
        )


def with_whole_bodies(view: Any, info: Any) -> Any:
    """A Pyramid view deriver: the view refuses parts of files, unless it takes them."""
    if getattr(info.original_view, _ATTRIBUTE, False):
        return view

    def checked(context: Any, request: Request) -> Any:
        if not isinstance(context, Exception):
            refuse_parts(request)
        return view(context, request)

    return checked


def includeme(config: Configurator) -> None:
    """Have views refuse parts of files."""
    config.add_view_deriver(with_whole_bodies)
