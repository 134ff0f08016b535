"""Sending an alias's file: what the download endpoints and the streaming view share."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, BinaryIO, cast

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response

from librarian.library.model.files import LibraryFileAlias, LibraryFileContent
from librarian.library.operations import Library
from librarian.store.disk.layout import relative_path
from librarian.store.interfaces import BytesDamaged, BytesNotFound
from librarian.web.files.accel import handed_over
from librarian.web.files.answer import FileAnswer, FileFacts, answer_file_request, unavailable_answer
from librarian.web.files.delivery import request_headers
from librarian.web.files.ranges import Slice
from librarian.web.files.response import file_response

log = logging.getLogger(__name__)


def deliver(
    library: Library,
    alias: LibraryFileAlias,
    request: Request,
    own_host: bool = False,
    admit: Callable[[FileAnswer], bool] = lambda answer: True,
    ended: Callable[[int], None] = lambda position: None,
) -> Response:
    """The file, or what the request's conditions and ranges make of it.

    The file is opened before the response begins, so that what is missing is still a 503.  `admit`
    has the last word, once it is known what would be sent.  `ended` is called with the position in the
    file that the answer had come to when the server let go of it.  Raises HTTPNotFound.
    """
    content = alias.content
    if content is None:
        raise HTTPNotFound
    verified = library.reads.is_sound(content.sha256, content.filesize)
    facts = replace(facts_of(alias, content, own_host), verified=verified)
    answer = answer_file_request(request.method, request_headers(request.environ), facts)
    try:
        file = _opened(library, facts, answer)
    except (BytesNotFound, BytesDamaged) as error:
        log.error("alias has no whole bytes alias=%d error=%s", alias.id, error)
        return file_response(unavailable_answer(request.method))
    if not admit(answer):
        file.close()
        raise HTTPNotFound
    response = None
    if not library.reads.must_stream(facts.size):  # what is verified while it is sent, is sent from here
        response = handed_over(library.accel_settings, answer, facts, request, relative_path)
    if response is not None:
        file.close()
        ended(facts.size)  # as far as is known here
        return response
    return file_response(answer, cast(BinaryIO, _ToldFile(file, ended)), request.environ)


def facts_of(alias: LibraryFileAlias, content: LibraryFileContent, own_host: bool = False) -> FileFacts:
    """What has to be known of an alias that has a content."""
    return FileFacts(
        size=content.filesize,
        sha256=content.sha256,
        filename=alias.filename,
        mimetype=alias.mimetype,
        last_modified=alias.date_created,
        restricted=alias.restricted,
        own_host=own_host,
    )


def _opened(library: Library, facts: FileFacts, answer: FileAnswer) -> BinaryIO:
    """The file, verified as far as the answer has bytes of it.  Raises BytesNotFound, BytesDamaged."""
    file: BinaryIO = library.store.open(facts.sha256)
    if not any(isinstance(segment, Slice) for segment in answer.segments):
        return file
    whole = answer.status == 200
    checked: BinaryIO = library.reads.checked(library.store, file, facts.sha256, facts.size, whole)
    return checked


class _ToldFile:
    """A file that tells, once, at which position it is closed."""

    def __init__(self, file: BinaryIO, ended: Callable[[int], None]) -> None:
        self._file = file
        self._ended = ended

    def close(self) -> None:
        if not self._file.closed:
            position = self._file.tell()
            self._file.close()
            self._ended(position)

    def __getattr__(self, name: str) -> Any:  # read, seek, tell, and fileno for a server that uses sendfile()
        return getattr(self._file, name)
