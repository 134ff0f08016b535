"""The response with an alias's file, for download endpoints and for the view that streams."""

import logging
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any, BinaryIO, cast

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response

from librarian.library.model.files import LibraryFileAlias, LibraryFileContent
from librarian.library.operations import Library
from librarian.store.disk.layout import relative_path
from librarian.store.interfaces import BytesDamaged, BytesNotFound, IPresignedUrls
from librarian.web.files.accel import handed_over
from librarian.web.files.answer import answer_file_request, unavailable_answer
from librarian.web.files.delivery import request_headers
from librarian.web.files.elsewhere import fetched_by_front_end, redirected
from librarian.web.files.facts import FileAnswer, FileFacts
from librarian.web.files.ranges import Slice
from librarian.web.files.response import file_response
from librarian.web.interfaces import GRANTED

log = logging.getLogger(__name__)


def alias_response(
    library: Library,
    alias: LibraryFileAlias,
    request: Request,
    own_host: bool = False,
    admit: Callable[[FileAnswer], bool] = lambda answer: True,
    ended: Callable[[int], None] = lambda position: None,
) -> Response:
    """The answer with an alias's file, under the request's conditions and ranges (RFC 9110, 13 and 14).

    The file is opened before the response begins, so that missing or damaged bytes are a 503.  `admit` is
    called with the answer that would be sent; if it returns False, HTTPNotFound is raised, as for an alias
    without content.  `ended` is called once, with the position in the file at which the server closed it.
    """
    if alias.content is None:
        raise HTTPNotFound
    facts = _verified_facts(library, alias, alias.content, own_host)
    answer = answer_file_request(request.method, request_headers(request.environ), facts)
    elsewhere = _from_elsewhere(library, answer, facts, request)
    if elsewhere is not None:
        if not admit(answer):
            raise HTTPNotFound
        ended(facts.size)  # how far the client comes is not known here
        request.environ[GRANTED] = _granted(answer)
        return elsewhere
    try:
        file = _opened(library, facts, answer)
    except (BytesNotFound, BytesDamaged) as error:
        log.error("alias has no whole bytes alias=%d error=%s", alias.id, error)
        return file_response(unavailable_answer(request.method))
    if not admit(answer):
        file.close()
        raise HTTPNotFound
    handed = _handed_over(library, answer, facts, request)
    if handed is None:
        return file_response(answer, cast(BinaryIO, _ReportingFile(file, ended)), request.environ)
    file.close()
    ended(facts.size)  # how far the front end comes is not known here
    request.environ[GRANTED] = _granted(answer)
    return handed


def _granted(answer: FileAnswer) -> tuple[int, int]:
    """Status and bytes of the answer that another server gives."""
    slices = (part for part in answer.segments if isinstance(part, Slice))
    return answer.status, sum(part.stop - part.start for part in slices)


def _from_elsewhere(
    library: Library, answer: FileAnswer, facts: FileFacts, request: Request
) -> Response | None:
    """A response that has a front end or the client fetch the file from a store in the network; None where it
    is sent from here.  The store is not asked whether it has the bytes."""
    store = library.store
    if not IPresignedUrls.providedBy(store) or library.reads.must_stream(facts.size):
        return None
    handed = fetched_by_front_end(library.accel_settings, answer, facts, request, store)
    if handed is not None:
        return handed
    return redirected(library.redirect_settings, answer, facts, request, store)


def _handed_over(library: Library, answer: FileAnswer, facts: FileFacts, request: Request) -> Response | None:
    """A response that has the front end send the file; None where this process sends it."""
    if library.reads.must_stream(facts.size) or IPresignedUrls.providedBy(library.store):
        return None
    return handed_over(library.accel_settings, answer, facts, request, relative_path)


def _verified_facts(
    library: Library, alias: LibraryFileAlias, content: LibraryFileContent, own_host: bool
) -> FileFacts:
    verified = library.store.verifies_reads or library.reads.is_sound(content.sha256, content.filesize)
    return replace(facts_of(alias, content, own_host), verified=verified)


def facts_of(alias: LibraryFileAlias, content: LibraryFileContent, own_host: bool = False) -> FileFacts:
    """The facts of an alias and its content that an answer is made of."""
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
    """The file, with the bytes verified that the answer has.  Raises BytesNotFound, BytesDamaged."""
    has_bytes = any(isinstance(segment, Slice) for segment in answer.segments)
    if not has_bytes and IPresignedUrls.providedBy(library.store):
        return _asked_for(library, facts, answer)
    file: BinaryIO = library.store.open(facts.sha256)
    if not has_bytes:
        return file
    whole = answer.status == 200
    checked: BinaryIO = library.reads.checked(library.store, file, facts.sha256, facts.size, whole)
    return checked


def _asked_for(library: Library, facts: FileFacts, answer: FileAnswer) -> BinaryIO:
    """An empty file for an answer without bytes of a file that would have to be fetched for it."""
    if answer.status == 200:
        library.store.size(facts.sha256)
    return BytesIO()


class _ReportingFile:
    """A file that calls `ended` with its position when it is closed, once."""

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
