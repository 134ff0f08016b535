"""Resumable uploads as the HTTP working group drafts them (draft-ietf-httpbis-resumable-upload).

What was implemented is interop version 8; versions 5 to 7 differ in nothing that is used here but the interim
answer, 104, which only version 8 is sent.
"""

from collections.abc import Callable
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest, HTTPLengthRequired, HTTPUnsupportedMediaType
from pyramid.request import Request
from pyramid.response import Response

from librarian.library.filenames import check_filename
from librarian.library.http.description import FILE
from librarian.library.http.request_bodies import refuse_match, stated_mimetype, upload_expires
from librarian.library.http.uploads import ENDPOINTS, UploadTarget
from librarian.library.interfaces import InvalidFilename
from librarian.library.operations import acting_owner
from librarian.library.uploads.interfaces import InconsistentLength
from librarian.library.uploads.model import UploadFacts
from librarian.library.uploads.pieces import Piece
from librarian.library.uploads.views import tus
from librarian.library.uploads.views.common import (
    Place,
    body_size,
    go_on,
    piece_digests,
    received,
    required_offset,
    space_of,
    stated_boolean,
    stated_integer,
    uploads,
    whole_digests,
    without_body,
)
from librarian.store.interfaces import IPartial
from librarian.web.interfaces import BODY_TAKER
from librarian.web.openapi.declaring import describes, does, empty, gives
from librarian.web.openapi.schemas import one_of
from librarian.web.requests.methods import takes
from librarian.web.requests.parts import takes_parts
from librarian.web.requests.received import RECEIVED

INTEROP = "8"
KNOWN = ("5", "6", "7", "8")
VERSION_FIELD = "Upload-Draft-Interop-Version"
PIECE_TYPE = "application/partial-upload"


CAPABILITIES = does(
    "What is taken here, by tus 1.0.0 and by the draft",
    empty(204, "It can", "Tus-Version", "Tus-Extension", "Upload-Limit"),
)
_BEGINS = does(
    f"With Upload-Complete (?0 with {VERSION_FIELD}): the first piece, to be gone on with",
    gives(FILE, 201, "Added, or begun", "Location", "Upload-Offset", "Upload-Complete"),
    headers={"Upload-Complete": one_of(["?1"])},
)


@describes("/{filename:name}", *ENDPOINTS, PUT=_BEGINS, POST=_BEGINS)
@takes_parts
@takes("PUT", "POST")
def create(context: UploadTarget, request: Request) -> Response:
    """``PUT /<filename>`` with Upload-Complete: the whole file, or its first piece."""
    return created(Place(context.root), request, lambda length: _stated(context, request))


def created(place: Place, request: Request, stated: Callable[[int | None], dict[str, Any]]) -> Response:
    """The answer to a request that begins an upload, whose URL is below `place`.

    `stated` is told the length, and gives the facts that are not the protocol's: name, media type, expiry,
    space, owner, target.  Raises HTTPBadRequest, what `stated` raises, and what begin() of the uploads does.
    """
    is_last = stated_boolean(request, "Upload-Complete")
    version = request.headers.get(VERSION_FIELD, "").strip()
    if not is_last and version not in KNOWN:
        raise HTTPBadRequest(f"A resumable upload needs {VERSION_FIELD}: {INTEROP} beside Upload-Complete.")
    _check_framing(request)
    piece, is_whole = received(request, lambda: _first_piece(stated, request, is_last))
    if is_whole:
        return _settled(place, piece, is_last, 201)
    begun = piece.partial
    if version != INTEROP:
        return go_on()
    limits = _limits(place, UploadFacts.of(begun.facts))
    response = go_on(104)
    response.headers.update(
        {"Location": place.path(begun.id), VERSION_FIELD: INTEROP, "Upload-Limit": limits}
    )
    return response


def _stated(context: UploadTarget, request: Request) -> dict[str, Any]:
    restricted = space_of(context.root)
    filename = check_filename(context.filename)
    if request.path_info != f"/{filename}":
        raise InvalidFilename(filename, "the path is not just a name")
    refuse_match(request)
    return {
        "filename": filename,
        "mimetype": stated_mimetype(request, filename),
        "expires": upload_expires(request),
        "restricted": restricted,
        "owner": acting_owner(),
    }


def _first_piece(stated: Callable[[int | None], dict[str, Any]], request: Request, is_last: bool) -> Piece:
    length = stated_integer(request, "Upload-Length")
    size = body_size(request)
    if is_last and size is not None:
        if length not in (None, size):
            raise InconsistentLength(f"Upload-Length is {length}, and the body's length another")
        length = size
    digests = piece_digests(request)  # what is refused begins no upload
    promised = tuple(whole_digests(request).items())
    partial = uploads().begin(**stated(length), length=length, digests=promised)
    return uploads().first_piece(partial, length, digests, size)


def _check_framing(request: Request) -> None:
    """Some servers cannot tell a chunked body that was cut from one that ended (RFC 9112, section 8)."""
    ours = BODY_TAKER in request.environ or RECEIVED in request.environ
    if body_size(request) is None and not ours:
        raise HTTPLengthRequired("Send a Content-Length.")


def append(place: Place, request: Request, upload_id: str) -> Response:
    """``PATCH``: the next piece; with ``Upload-Complete: ?1`` the last."""
    if "Upload-Complete" not in request.headers:
        raise HTTPBadRequest("A piece comes with Tus-Resumable, or with Upload-Complete.")
    facts = place.facts(upload_id)
    if request.content_type != PIECE_TYPE:
        raise HTTPUnsupportedMediaType(f"A piece of a file is {PIECE_TYPE}.")
    is_last, offset = stated_boolean(request, "Upload-Complete"), required_offset(request)
    _check_framing(request)
    size = body_size(request)
    length = stated_integer(request, "Upload-Length")
    if is_last and size is not None:
        ends = offset + size
        if length not in (None, ends) or facts.length not in (None, ends):
            stated = facts.length if length is None else length
            raise InconsistentLength(f"the upload has {stated} bytes, and this last piece ends at {ends}")
        length = ends
    digests = {"digests": piece_digests(request), "of_whole": whole_digests(request)}
    told: dict[str, Any] = {"size": size, "length": length, "may_repeat": is_last, **digests}
    piece, is_whole = received(request, lambda: uploads().piece(upload_id, offset, **told))
    return _settled(place, piece, is_last, 200) if is_whole else go_on()


def _settled(place: Place, piece: Piece, is_last: bool, status: int) -> Response:
    piece.settle()
    partial = piece.partial
    if is_last:
        response = _completed(place, partial, status)
    else:
        response = without_body(201 if status == 201 else 204)
        response.location = place.path(partial.id)
        response.headers["Upload-Limit"] = _limits(place, UploadFacts.of(partial.facts))
    have = UploadFacts.of(partial.facts).size(partial.size)
    response.headers.update({"Upload-Complete": "?1" if is_last else "?0", "Upload-Offset": str(have)})
    return response


def _completed(place: Place, partial: IPartial, status: int) -> Response:
    """The answer to the last piece: that of a PUT of the whole; of a piece that is no creation it is 200."""
    described = place.complete(partial)
    target = UploadFacts.of(partial.facts).target
    if target is None:
        return Response(json_body=described, status=status, location=described.get("url"))
    replaced = described["version"] != 1
    response = Response(json_body=described, status=200 if replaced else status)
    response.location, response.headers["ETag"] = uploads().targets.location(target), described["etag"]
    return response


def state(place: Place, request: Request, upload_id: str) -> dict[str, str]:
    """The fields of ``HEAD`` and ``GET``: how many bytes have come."""
    facts = place.facts(upload_id)
    offset = uploads().offset(upload_id)
    fields = {
        "Upload-Offset": str(offset),
        "Upload-Complete": "?1" if facts.named else "?0",
        "Upload-Limit": _limits(place, facts),
        "Cache-Control": "no-store",
    }
    if facts.length is not None:
        fields["Upload-Length"] = str(facts.length)
    return fields


def capabilities(place: Place) -> Response:
    """The answer to OPTIONS, for both protocols."""
    limits = place.limits()
    response = tus.capabilities(limits.get("max-size"))
    response.headers["Upload-Limit"] = _limits(place)
    return response


def _limits(place: Place, facts: UploadFacts | None = None) -> str:
    return ", ".join(f"{name}={value}" for name, value in place.limits(facts).items())
