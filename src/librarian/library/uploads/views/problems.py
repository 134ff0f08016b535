"""Refusals of resumable uploads: problem details (RFC 9457) whose members our own clients know too."""

import json
from typing import Any

from pyramid.request import Request
from pyramid.response import Response

from librarian.library.uploads.interfaces import (
    BytesLost,
    ChecksumMismatch,
    InconsistentLength,
    OffsetMismatch,
    ResumableUploadError,
    UnknownChecksum,
    UploadBusy,
    UploadCompleted,
    UploadExpired,
    UploadTooLarge,
)
from librarian.library.uploads.views import tus

_STATUS: dict[type[ResumableUploadError], int] = {
    UploadExpired: 410,
    UploadBusy: 423,
    OffsetMismatch: 409,
    InconsistentLength: 400,
    UploadTooLarge: 413,
    UploadCompleted: 400,
    ChecksumMismatch: 460,  # the tus protocol's own; 400 in the draft's
    UnknownChecksum: 400,
    BytesLost: 410,
}
_REGISTRY = "https://iana.org/assignments/http-problem-types#"
_TYPES = {
    OffsetMismatch: "mismatching-upload-offset",
    InconsistentLength: "inconsistent-upload-length",
    UploadCompleted: "completed-upload",
}


def problem(context: ResumableUploadError, request: Request) -> Response:
    """The refusal, with the offset at which the upload goes on where that is the trouble."""
    kind, speaks_tus = type(context), "Tus-Resumable" in request.headers
    status = 400 if kind is ChecksumMismatch and not speaks_tus else _STATUS[kind]
    reason = str(context)
    values: dict[str, Any] = {"status": status, "title": reason, "error": reason}
    if kind in _TYPES:
        values["type"] = _REGISTRY + _TYPES[kind]
    line = f"{status} Checksum Mismatch" if status == _STATUS[ChecksumMismatch] else status
    response = Response(status=line, content_type="application/problem+json")
    if isinstance(context, OffsetMismatch):
        values |= {"expected-offset": context.expected, "provided-offset": context.provided}
        response.headers["Upload-Offset"] = str(context.expected)
    if isinstance(context, UploadBusy):
        response.headers["Retry-After"] = "1"
    if speaks_tus:
        response.headers["Tus-Resumable"] = tus.VERSION
    response.body = json.dumps(values).encode()
    response.cache_control = "no-store"
    return response
