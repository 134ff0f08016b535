"""The tus protocol 1.0.0 (https://tus.io/protocols/resumable-upload), with the extensions in EXTENSIONS."""

import binascii
import hashlib
from base64 import b64decode
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest, HTTPUnsupportedMediaType
from pyramid.request import Request
from pyramid.response import Response

from librarian.library.uploads.interfaces import ChecksumMismatch, UnknownChecksum
from librarian.library.uploads.model import UploadFacts
from librarian.library.uploads.pieces import Piece
from librarian.library.uploads.views.common import (
    Place,
    body_size,
    go_on,
    piece_digests,
    received,
    required_offset,
    stated_integer,
    until_field,
    uploads,
    whole_digests,
    without_body,
)
from librarian.store.interfaces import IPartial

VERSION = "1.0.0"
OFFSET = {"type": "integer", "minimum": 0, "maximum": 10**15 - 1, "description": "bytes"}
LENGTH = {**OFFSET, "minimum": 1}  # there are no empty files
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,expiration,termination,checksum"
CHECKSUMS = {"sha1": 20, "sha256": 32, "md5": 16}  # digest sizes in bytes
PIECE_TYPE = "application/offset+octet-stream"
_DECLARABLE = {"sha512": 128, "sha256": 64, "sha1": 40, "md5": 32}  # in Upload-Metadata; hex digits


def capabilities(longest: int | None) -> Response:
    """The answer to OPTIONS; `longest` is the most bytes of an upload."""
    fields = {"Tus-Extension": EXTENSIONS, "Tus-Checksum-Algorithm": ",".join(CHECKSUMS)}
    if longest is not None:
        fields["Tus-Max-Size"] = str(longest)
    return _answer(204, **{"Tus-Version": VERSION, **fields})


def wrong_version() -> Response:
    """412 for a request without Tus-Resumable, or with that of another version."""
    response = _answer(412, **{"Tus-Version": VERSION})
    return _with_json(response, {"error": f"Tus-Resumable: {VERSION} is what is spoken here.", "status": 412})


def create(place: Place, request: Request) -> Response:
    """``POST /+uploads``: begin an upload, with its first piece if there is a body."""
    if body_size(request) != 0 and request.content_type == PIECE_TYPE:
        piece, is_whole = received(request, lambda: _first_piece(place, request))
        if not is_whole:
            return go_on()
        facts, response = _settled(place, piece, 201)
        response.location = place.path(piece.partial.id)
    else:
        if body_size(request) != 0:
            raise HTTPUnsupportedMediaType(f"A body that begins the file is {PIECE_TYPE}.")
        _check_no_bytes(request)
        partial = _begin(place, request)
        partial.close()
        facts = UploadFacts.of(partial.facts)
        response = _answer(201)
        response.location = place.path(partial.id)
    response.headers["Upload-Expires"] = until_field(facts)
    return response


def _first_piece(place: Place, request: Request) -> Piece:
    checksum = _piece_digests(request)
    partial = _begin(place, request)
    length = UploadFacts.of(partial.facts).length
    return uploads().first_piece(partial, length, checksum, body_size(request))


def _check_no_bytes(request: Request) -> None:
    """Compare the digests of a body that is empty.  Raises ChecksumMismatch."""
    for name, declared in _piece_digests(request).items():
        if hashlib.new(name, usedforsecurity=False).hexdigest() != declared:
            raise ChecksumMismatch(name)


def _piece_digests(request: Request) -> dict[str, str]:
    """The digests of a body, in Upload-Checksum or in the fields of HTTP.  Raises HTTPBadRequest."""
    found = piece_digests(request)
    for name, digest in stated_checksum(request).items():
        if found.setdefault(name, digest) != digest:
            raise HTTPBadRequest(f"Upload-Checksum and another field contradict each other about {name}.")
    return found


def _begin(place: Place, request: Request) -> IPartial:
    if "Upload-Concat" in request.headers:
        raise HTTPBadRequest("Upload-Concat: parts are not joined here; send the file as one upload.")
    metadata = stated_metadata(request)
    length, digests = stated_length(request), _declared(request, metadata)
    return place.begin(request, metadata, length=length, digests=digests)


def _declared(request: Request, metadata: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """The digests of the whole file, in Repr-Digest or, as hex, in the metadata.  Raises HTTPBadRequest."""
    found = whole_digests(request)
    for name, digits in _DECLARABLE.items():
        if name in metadata:
            digest = metadata[name].lower()
            if len(digest) != digits or digest.strip("0123456789abcdef"):
                raise HTTPBadRequest(f"{name} in Upload-Metadata is not {digits} hex digits.")
            if found.setdefault(name, digest) != digest:
                raise HTTPBadRequest(f"Upload-Metadata and Repr-Digest contradict each other about {name}.")
    return tuple(found.items())


def stated_length(request: Request) -> int | None:
    """Upload-Length; None if it is deferred.  Raises HTTPBadRequest."""
    length = stated_integer(request, "Upload-Length")
    deferred = request.headers.get("Upload-Defer-Length")
    if deferred not in (None, "1") or (deferred is None) == (length is None):
        raise HTTPBadRequest("Send either Upload-Length, in bytes, or Upload-Defer-Length: 1.")
    return length


def stated_metadata(request: Request) -> dict[str, str]:
    """Upload-Metadata: keys with values in Base64.  Raises HTTPBadRequest."""
    found: dict[str, str] = {}
    for pair in filter(
        None, (part.strip() for part in request.headers.get("Upload-Metadata", "").split(","))
    ):
        key, _space, value = pair.partition(" ")
        try:
            text = b64decode(value.encode(), validate=True).decode()
        except (binascii.Error, UnicodeError):
            raise HTTPBadRequest(f"Upload-Metadata: {key[:40]} is no text in Base64.") from None
        if found.setdefault(key, text) != text:
            raise HTTPBadRequest(f"Upload-Metadata has {key[:40]} twice.")
    return found


def stated_checksum(request: Request) -> dict[str, str]:
    """Upload-Checksum, as lower-case hex by hashlib's name; empty without it.  Raises UnknownChecksum."""
    field = request.headers.get("Upload-Checksum")
    if field is None:
        return {}
    name, _space, value = field.strip().partition(" ")
    if name not in CHECKSUMS:
        raise UnknownChecksum(f"Upload-Checksum is one of {', '.join(CHECKSUMS)}, not {name[:20]}.")
    try:
        digest = b64decode(value.encode(), validate=True)
    except (binascii.Error, UnicodeError):
        digest = b""
    if len(digest) != CHECKSUMS[name]:
        raise UnknownChecksum(f"Upload-Checksum: {name} has {CHECKSUMS[name]} bytes, in Base64.")
    return {name: digest.hex()}


def append(place: Place, request: Request, upload_id: str) -> Response:
    """``PATCH``: the next piece; 204, and for the last one 200 with the file's description."""
    place.facts(upload_id)
    if request.content_type != PIECE_TYPE:
        raise HTTPUnsupportedMediaType(f"A piece of a file is {PIECE_TYPE}.")

    def make() -> Piece:
        return uploads().piece(
            upload_id,
            required_offset(request),
            size=body_size(request),
            length=stated_integer(request, "Upload-Length"),
            digests=_piece_digests(request),
            of_whole=whole_digests(request),
        )

    piece, is_whole = received(request, make)
    if not is_whole:
        return go_on()
    facts, response = _settled(place, piece, 204)
    response.headers["Upload-Expires"] = until_field(facts)
    return response


def _settled(place: Place, piece: Piece, status: int) -> tuple[UploadFacts, Response]:
    """Make a piece durable, and complete the upload if it was the last."""
    piece.settle()
    facts = UploadFacts.of(piece.partial.facts)
    have = facts.size(piece.partial.size)
    response = _answer(status, **{"Upload-Offset": str(have)})
    if have == facts.length:
        described = place.complete(piece.partial)
        response.status_int = 200 if status == 204 else status
        _with_json(response, described)
    return facts, response


def forgotten() -> Response:
    """The answer to DELETE."""
    return _answer(204)


def state(place: Place, request: Request, upload_id: str) -> Response:
    """``HEAD``: how many bytes have come."""
    facts = place.facts(upload_id)
    offset = uploads().offset(upload_id, completes=True)
    length = {"Upload-Defer-Length": "1"} if facts.length is None else {"Upload-Length": str(facts.length)}
    fields = {**length, "Upload-Offset": str(offset), "Upload-Expires": until_field(facts)}
    return _answer(200, **fields, **{"Cache-Control": "no-store"})


def _with_json(response: Response, value: dict[str, Any]) -> Response:
    """The response with a body; webob does not say by itself that it is JSON."""
    response.content_type, response.json_body = "application/json", value
    return response


def _answer(status: int, **fields: str) -> Response:
    response = without_body(status)
    response.headers.update({"Tus-Resumable": VERSION, **fields})
    return response
