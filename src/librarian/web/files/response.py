"""A file answer as a Pyramid response."""

from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

from pyramid.response import Response

from librarian.web.files.delivery import render
from librarian.web.files.facts import FileAnswer


def file_response(
    answer: FileAnswer, file: BinaryIO | None = None, environ: Mapping[str, Any] | None = None
) -> Response:
    """The response that sends `answer`; takes over `file` and closes it when it is sent."""
    body: Iterable[bytes]
    if file is None:  # a refusal has no bytes of the file: its segments are texts
        body = [part for part in answer.segments if isinstance(part, bytes)]
    else:
        body = render(answer, file, environ or {})
    return Response(status=answer.status, headerlist=answer.headers, app_iter=body)
