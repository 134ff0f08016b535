"""Requests whose body is a file: the bytes, checked, and the fields that describe them.

For the upload endpoints and for views of other systems that take files.
"""

from datetime import datetime
from typing import Any, BinaryIO

from pyramid.httpexceptions import HTTPBadRequest, HTTPLengthRequired, HTTPUnsupportedMediaType
from pyramid.request import Request

from librarian.library.filenames import check_content_type, media_type_for
from librarian.library.interfaces import NEVER_EXPIRES, UploadFailed
from librarian.library.operations import Library, check_expires
from librarian.store.interfaces import StoredBytes
from librarian.web.requests.promises import promises, take_over

# What curl and forms send by default, which says nothing about the bytes.
_DEFAULT_TYPES = ("", "application/x-www-form-urlencoded")


class SizedBody:
    """A request body that ends after `size` bytes, also where the server's stream blocks there."""

    def __init__(self, stream: Any, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        block: bytes = self._stream.read(wanted) if wanted else b""
        self._left -= len(block)
        return block


def store_body(library: Library, request: Request) -> StoredBytes:
    """Make the body durable, once it has proved to be whole and what its digests say."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise HTTPUnsupportedMediaType("Send the bytes as they are, without a Content-Encoding.")
    # What the byte store hashes anyway it compares by itself.
    taken = take_over(request.environ, _ALGORITHMS)
    declared = {_ALGORITHMS[name]: digest for name, digest in taken.items()}
    size = request.content_length
    stream: Any = request.environ["wsgi.input"]
    if size is None:
        # Some servers cannot tell a chunked body that was cut from one that ended.
        if not promises(request.environ).keys() & {"sha-256", "sha-512"}:
            raise HTTPLengthRequired("Send a Content-Length, or a Repr-Digest that proves the body whole.")
    elif size == 0:
        raise UploadFailed("Invalid length: 0")
    else:
        stream = SizedBody(stream, size)
    body: BinaryIO = stream
    stored = library.store.put(body, size=size, **declared)
    if stored.size == 0:
        raise UploadFailed("Invalid length: 0")
    return stored


_ALGORITHMS = {"sha-256": "sha256", "sha": "sha1", "md5": "md5"}  # as HTTP and as the byte store call them


def stated_mimetype(request: Request, filename: str) -> str:
    """The Content-Type the request states, or the one that `filename` suggests."""
    stated = request.headers.get("Content-Type", "")
    if stated in _DEFAULT_TYPES:
        return media_type_for(filename)
    return check_content_type(stated)


def stated_expires(request: Request) -> datetime | None:
    """Librarian-Expires: RFC 3339, or ``never``."""
    text = request.headers.get("Librarian-Expires")
    if text is None:
        return None
    if text.strip().lower() == "never":
        return NEVER_EXPIRES
    try:
        return check_expires(datetime.fromisoformat(text.strip()))
    except ValueError:
        raise HTTPBadRequest("Librarian-Expires is neither an RFC 3339 time nor never.") from None
