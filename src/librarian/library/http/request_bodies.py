"""Requests whose body is a file: the bytes, checked, and the fields that describe them.

For the upload endpoints and for views of other systems that take files.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, BinaryIO

from pyramid.httpexceptions import (
    HTTPBadRequest,
    HTTPLengthRequired,
    HTTPPreconditionFailed,
    HTTPUnsupportedMediaType,
)
from pyramid.request import Request
from zope.component import getUtility

from librarian.interfaces import IClock, ISettings
from librarian.library.filenames import check_content_type, media_type_for
from librarian.library.interfaces import NEVER_EXPIRES, UploadFailed
from librarian.library.operations import Library, check_expires
from librarian.library.settings import NEVER, UNREFERENCED, ExpirySettings
from librarian.quantities import parse_duration
from librarian.store.interfaces import StoredBytes
from librarian.store.receiving import keep_or_put
from librarian.web.requests.promises import begin_body, promises, take_over
from librarian.web.requests.received import ReceivedInput

# What curl and forms send by default, which says nothing about the bytes.
_DEFAULT_TYPES = ("", "application/x-www-form-urlencoded")


_LIFETIME = re.compile(r"\d{1,6}[hdw]", re.ASCII)


class SizedBody:
    """A request body of `size` bytes (RFC 9112, section 6.3), which ends where the stream would block."""

    def __init__(self, stream: Any, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes (-1: all that are left), b"" at the end."""
        wanted = self._left if size < 0 else min(size, self._left)
        block: bytes = self._stream.read(wanted) if wanted else b""
        self._left -= len(block)
        return block


def store_body(library: Library, request: Request) -> StoredBytes:
    """Make the body durable, if it is whole and has its declared digests (RFC 9530, 2 and 3).

    Raises UploadFailed for an empty body, SizeMismatch, DigestMismatch, StoreFull, HTTPLengthRequired and
    HTTPUnsupportedMediaType.
    """
    check_coding(request)
    begin_body(request.environ)
    # The byte store computes these digests anyway, so it compares them.
    taken = take_over(request.environ, _ALGORITHMS)
    declared = {_ALGORITHMS[name]: digest for name, digest in taken.items()}
    stored = keep_or_put(library.store, _body(request), size=request.content_length, **declared)
    if stored.size == 0:
        raise UploadFailed("Invalid length: 0")
    return stored


def check_coding(request: Request) -> None:
    """Raise HTTPUnsupportedMediaType if the body has a Content-Encoding."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise HTTPUnsupportedMediaType("Send the bytes as they are, without a Content-Encoding.")


def refuse_match(request: Request) -> None:
    """Raise HTTPPreconditionFailed for an If-Match (RFC 9110, 13.1.1) where each upload is a new file."""
    if "If-Match" in request.headers:
        raise HTTPPreconditionFailed("If-Match: an upload is a new file here, and replaces none.")


def _body(request: Request) -> BinaryIO:
    """The body as a stream that ends where the body ends."""
    stream: Any = request.environ["wsgi.input"]
    size = request.content_length
    if size == 0:
        raise UploadFailed("Invalid length: 0")
    if isinstance(stream, ReceivedInput):  # which ends where it ends
        pass
    elif size is not None:
        stream = SizedBody(stream, size)
    # Some servers cannot tell a chunked body that was cut from one that ended (RFC 9112, section 8).
    elif not promises(request.environ).keys() & {"sha-256", "sha-512"}:
        raise HTTPLengthRequired("Send a Content-Length, or a Repr-Digest that proves the body whole.")
    body: BinaryIO = stream
    return body


_ALGORITHMS = {"sha-256": "sha256", "sha": "sha1", "md5": "md5"}  # as HTTP and as the byte store call them


def stated_mimetype(request: Request, filename: str) -> str:
    """The Content-Type of the request, or the one that `filename` suggests.  Raises InvalidContentType."""
    stated = request.headers.get("Content-Type", "")
    if stated in _DEFAULT_TYPES:
        return media_type_for(filename)
    return check_content_type(stated)


def stated_expires(request: Request) -> datetime | None:
    """The field Librarian-Expires, as expires_at() reads it; None without it.  Raises HTTPBadRequest."""
    text = request.headers.get("Librarian-Expires")
    return None if text is None else expires_at(text, "Librarian-Expires")


def upload_expires(request: Request) -> datetime | None:
    """stated_expires(); of an upload that says nothing, what the setting `default_expiry` says."""
    return expires_or_default(request.headers.get("Librarian-Expires", ""), "Librarian-Expires")


def expires_or_default(text: str, name: str) -> datetime | None:
    """expires_at(); of an empty text, what the setting `default_expiry` says."""
    return expires_at(text or getUtility(ISettings).section(ExpirySettings).default_expiry, name)


def expires_at(text: str, name: str) -> datetime | None:
    """An expiry as people write it: a time (RFC 3339, section 5.6), a day, whose end in UTC is meant, how
    long from now (``30d``), ``never``, or ``unreferenced`` (None).  `name` is of the field.

    Raises HTTPBadRequest.
    """
    stated = text.strip().lower()
    if stated == UNREFERENCED:
        return None
    if stated == NEVER:
        return NEVER_EXPIRES
    try:
        if _LIFETIME.fullmatch(stated):
            return check_expires(getUtility(IClock).now() + parse_duration(stated))
        return check_expires(end_of(text.strip()))
    except (ValueError, OverflowError):
        raise HTTPBadRequest(
            f"{name} is a time (RFC 3339), a day as 2026-11-22, 30d, unreferenced or never."
        ) from None


def end_of(stated: str) -> datetime:
    """A time (RFC 3339), or the end of a day in UTC.  Raises ValueError, OverflowError."""
    if len(stated) == len("2026-11-22"):
        return datetime.combine(date.fromisoformat(stated), time(tzinfo=UTC)) + timedelta(days=1)
    return datetime.fromisoformat(stated)
