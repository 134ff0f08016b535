"""The body of a request for an upload link, as far as the link's limit reaches."""

from collections.abc import Callable
from typing import Any

from pyramid.request import Request
from pyramid.response import Response

from librarian.library.drops.interfaces import DropTooLarge
from librarian.library.drops.model import DropTerms
from librarian.library.http.request_bodies import store_body
from librarian.library.operations import Library
from librarian.store.interfaces import IByteStore, IReceiving, StoredBytes
from librarian.web.interfaces import BODY_TAKER, BodyRefused
from librarian.web.requests.form_files import FormReceiving, is_form_with_files
from librarian.web.requests.promises import promised_hashes, rewind
from librarian.web.requests.received import FORM, RECEIVED

FORM_ROOM = 1 << 16  # bytes that a form may have beside the file


class Limited:
    """An IReceiving, or what receives a form, that takes `most` bytes of a body; of a file `told`."""

    def __init__(self, receiving: Any, most: int, told: int) -> None:
        self._receiving = receiving
        self._left = most
        self._reason = str(DropTooLarge(told))

    def write(self, data: bytes) -> None:
        """Take the next bytes.  Raises BodyRefused beyond the limit."""
        self._left -= len(data)
        if self._left < 0:
            raise BodyRefused(413, self._reason)
        self._receiving.write(data)

    def finish(self) -> Any:
        """What was received."""
        return self._receiving.finish()

    def abort(self) -> None:
        """Forget it."""
        self._receiving.abort()


class LimitedStream:
    """A ``wsgi.input`` of which `terms` allow so many bytes."""

    def __init__(self, stream: Any, terms: DropTerms) -> None:
        self._stream = stream
        self._terms = terms
        self._read = 0

    def read(self, size: int = -1) -> bytes:
        """As PEP 3333 has it.  Raises DropTooLarge."""
        block: bytes = self._stream.read(size)
        self._read += len(block)
        self._terms.check_size(self._read)
        return block

    def rewind(self) -> None:
        """Have it read from its start.  Raises what promises.rewind() raises."""
        rewind(self._stream)
        self._read = 0


def has_form(request: Request) -> bool:
    """Whether the body is a form with a file."""
    return request.method == "POST" and is_form_with_files(request.environ)


def check_told_size(request: Request, terms: DropTerms) -> None:
    """Judge by the Content-Length, before the body is read.  Raises DropTooLarge."""
    told = request.content_length
    if told is not None:
        terms.check_size(max(told - FORM_ROOM, 0) if has_form(request) else told)


def go_on(request: Request, store: IByteStore, terms: DropTerms) -> Response | None:
    """The answer that has the server receive the body; None where it is there, or a stream."""
    take: Callable[[IReceiving], None] | None = request.environ.get(BODY_TAKER)
    if take is None or {RECEIVED, FORM} & request.environ.keys():
        return None
    receiving: Any
    if has_form(request):
        receiving = FormReceiving(store, request.environ["CONTENT_TYPE"], promised_hashes(request.environ))
    else:
        receiving = store.receive(request.content_length)
    most = terms.max_size
    if most is not None:
        receiving = Limited(receiving, most + (FORM_ROOM if has_form(request) else 0), most)
    take(receiving)
    return Response(status=100)


def store_limited(library: Library, request: Request, terms: DropTerms) -> StoredBytes:
    """Make a body durable that is no form.  Raises DropTooLarge, and what store_body() raises."""
    stream = request.environ["wsgi.input"]
    if RECEIVED not in request.environ and not isinstance(stream, LimitedStream):
        request.environ["wsgi.input"] = LimitedStream(stream, terms)
    return store_body(library, request)
