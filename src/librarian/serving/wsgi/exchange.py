"""One request in the hands of a WSGI application (PEP 3333): runs in a thread, answers through the loop."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from typing import Any, BinaryIO, Protocol

from librarian.serving.wsgi.outgoing import Outgoing
from librarian.store.interfaces import BytesDamaged, IReceiving
from librarian.web.interfaces import LIVE_BODY, SENDS_SLICES, FileCutShort
from librarian.web.requests.received import forget

log = logging.getLogger(__name__)

Headers = list[tuple[str, str]]

WITHOUT_BODY = frozenset((204, 304))  # and 1xx: RFC 9110, 6.4.1
_FRAMING = frozenset(("connection", "content-length", "date", "keep-alive", "transfer-encoding"))


class _ClientGone(Exception):
    """The client is gone: the rest of the answer is dropped."""


class FileBody:
    """``wsgi.file_wrapper``: a file from its position to its end, for the loop to send."""

    def __init__(self, file: Any, block_size: int = 1 << 18) -> None:
        self.file = file
        self._block_size = block_size

    def __iter__(self) -> "FileBody":
        return self

    def __next__(self) -> bytes:
        block: bytes = self.file.read(self._block_size)
        if not block:
            raise StopIteration
        return block

    def close(self) -> None:
        """Close the file (PEP 3333); a second call does nothing."""
        self.file.close()


class LiveBody:
    """A body that goes on when the application's thread has left it; see LIVE_BODY in web.interfaces."""

    def __init__(self, begin: Callable[["LiveSink"], None], ended: Callable[[], None] | None = None) -> None:
        self.begin = begin
        self.ended = ended

    def __iter__(self) -> Iterator[bytes]:
        return iter(())


class LiveSink:
    """Where a LiveBody goes."""

    def __init__(self, put: Callable[[bytes], None], parts: Outgoing, end: Callable[[], None]) -> None:
        self._put = put
        self._parts = parts
        self._end: Callable[[], None] | None = end

    @property
    def backlog(self) -> int:
        """The number of bytes that the client has not taken."""
        return self._parts.backlog

    def put(self, data: bytes) -> bool:
        """Send bytes; False: the client is gone."""
        try:
            self._put(data)
        except _ClientGone:
            return False
        return True

    def end(self) -> None:
        """End the answer; a second call does nothing."""
        if self._end is not None:
            end, self._end = self._end, None
            end()


class Link(Protocol):
    """The way of answers to the connection: methods for the application's threads."""

    def send_whole(self, data: bytes, keeps_open: bool) -> None:
        """Send a whole answer, head included."""

    def send_file(self, head: bytes, file: FileBody, size: int, keeps_open: bool) -> None:
        """Send a head and `size` bytes of a file from its position; the link closes the file."""

    def send_stream(self, parts: Outgoing, keeps_open: bool) -> None:
        """Send an answer that comes in parts; called at its first and again for each further part."""

    def go_on(self, interim: bytes, receiving: IReceiving | None) -> None:
        """Send an interim answer, and have the body received; None: where bodies go."""

    def call_again(self, exchange: "WSGIExchange") -> None:
        """Have an exchange run once more, in a thread of the application."""

    def refuse_fault(self) -> None:
        """Answer 500: the application failed before it answered."""

    def cut(self) -> None:
        """Close the connection in the middle of an answer: the client notices that it is incomplete."""

    def new_file(self) -> BinaryIO:
        """A temporary file for the bytes that a slow client has not taken yet."""


class WSGIExchange:
    """One request and its answer, with the WSGI environ and start_response()."""

    def __init__(self, link: Link, environ: dict[str, Any], version: str, keeps_open: bool) -> None:
        self._link = link
        self._environ = environ
        self._version = version
        self._keeps_open = keeps_open
        self._is_head = environ["REQUEST_METHOD"] == "HEAD"
        self._status = ""
        self._headers: Headers = []
        self._parts: Outgoing | None = None  # of an answer that has begun and comes bit by bit
        self._chunked = False
        self._promised: int | None = None  # bytes of the body, by the Content-Length
        self._given = 0

    def run(self, app: Any) -> None:
        """Call the application and pass its answer on; raises nothing."""
        self._environ["wsgi.file_wrapper"] = FileBody
        self._environ[LIVE_BODY] = LiveBody
        self._environ[SENDS_SLICES] = True
        self.serve(lambda: app(self._environ, self.start_response))

    def serve(self, respond: Callable[[], Iterable[bytes]]) -> None:
        """Pass on the answer whose body `respond` returns; raises nothing."""
        body: Any = None
        sent_by_link = False
        try:
            body = respond()
            sent_by_link = self._answer(body)
        except _ClientGone:
            pass
        except (BytesDamaged, FileCutShort) as error:
            log.error("answer cut short error=%s", error)
            self._fail()
        except Exception:
            log.exception("application failed path=%r", self._environ.get("PATH_INFO"))
            self._fail()
        finally:
            if not sent_by_link:
                _close(body)
            self._finish()

    def _finish(self) -> None:
        """Close and discard the body of the request, which nothing reads any more."""
        _close(self._environ["wsgi.input"])
        forget(self._environ)

    def start_response(self, status: str, headers: Headers, exc_info: Any = None) -> Any:
        """As PEP 3333 has it.  Raises AssertionError at a second call without `exc_info`."""
        if exc_info is not None:
            try:
                if self._parts is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # a circle of references otherwise
        elif self._status:
            raise AssertionError("start_response() was called again, without exc_info")
        self._status, self._headers = checked(status, headers)
        return self._write

    # -- the answer

    def _answer(self, body: Iterable[bytes]) -> bool:
        """Pass the body on; True if the link calls its close()."""
        if isinstance(body, FileBody) and self._may_sendfile(body):
            return True
        if isinstance(body, LiveBody) and self._parts is None and not self._is_head:
            self._go_live(body)
            return True
        if isinstance(body, list | tuple) and self._parts is None:
            self._send_list(body)
            return False
        for block in body:
            self._write(block)
        if self._parts is None:
            self._send_list(())
        else:
            self._end()
        return False

    def _go_live(self, body: LiveBody) -> None:
        self._begin()
        assert self._parts is not None
        self._parts.is_live = True

        def end() -> None:
            with suppress(_ClientGone):
                self._end()
            if body.ended is not None:
                body.ended()

        body.begin(LiveSink(self._write, self._parts, end))

    def _send_list(self, blocks: Iterable[bytes]) -> None:
        data = b"".join(blocks)
        if self._is_head or not self._may_have_body:
            data = b""
        else:
            self._promised = len(data) if self._stated_length is None else self._stated_length
            data = data[: self._promised]
            self._keeps_open &= len(data) == self._promised
        self._link.send_whole(self._head(self._promised) + data, self._keeps_open)

    def _may_sendfile(self, body: FileBody) -> bool:
        """Whether the loop can send the body by sendfile(2); it then has it."""
        if self._is_head or not self._may_have_body:
            return False
        try:
            descriptor = body.file.fileno()
        except (AttributeError, OSError):
            return False
        left = os.fstat(descriptor).st_size - body.file.tell()
        promised = left if self._stated_length is None else self._stated_length
        if left < promised:
            raise FileCutShort(promised, left)
        self._link.send_file(self._head(promised), body, promised, self._keeps_open)
        return True

    def _write(self, data: bytes) -> None:
        if self._parts is None:
            self._begin()
        if self._promised is not None:
            data = data[: self._promised - self._given]
        if data and self._may_have_body and not self._is_head:
            self._given += len(data)
            self._put(b"%x\r\n%s\r\n" % (len(data), data) if self._chunked else data)

    def _begin(self) -> None:
        self._parts = Outgoing(self._link.new_file)
        self._promised = self._stated_length
        if self._promised is None and self._may_have_body:
            self._chunked = self._version == "1.1" and not self._is_head
            self._keeps_open &= self._chunked or self._is_head
        self._put(self._head(self._promised))

    def _put(self, data: bytes) -> None:
        assert self._parts is not None
        if not self._parts.put(data):
            raise _ClientGone
        self._link.send_stream(self._parts, self._keeps_open)

    def _end(self) -> None:
        assert self._parts is not None
        if self._promised is not None and self._given < self._promised and not self._is_head:
            log.error("answer shorter than its Content-Length path=%r", self._environ.get("PATH_INFO"))
            self._link.cut()
            return
        if self._chunked:
            self._parts.put(b"0\r\n\r\n")
        self._parts.ended = True
        self._link.send_stream(self._parts, self._keeps_open)

    def _fail(self) -> None:
        if self._parts is None:
            self._link.refuse_fault()
        else:
            self._link.cut()

    # -- its head

    @property
    def _may_have_body(self) -> bool:
        code = int(self._status[:3])
        return code >= 200 and code not in WITHOUT_BODY

    @property
    def _stated_length(self) -> int | None:
        return next((int(value) for name, value in self._headers if name.lower() == "content-length"), None)

    def _head(self, length: int | None) -> bytes:
        length = self._stated_length if length is None else length
        return answer_head(
            self._version, self._status, self._headers, length, self._chunked, self._keeps_open
        )


def _close(body: Any) -> None:
    if hasattr(body, "close"):
        try:
            body.close()
        except Exception:
            log.exception("what was answered cannot be closed")


def checked(status: str, headers: Headers) -> tuple[str, Headers]:
    """Status and fields from start_response().  Raises AssertionError where PEP 3333 forbids them."""
    assert len(status) > 3 and status[:3].isdigit() and status[3] == " ", f"status {status!r}"
    for text in (status, *(part for header in headers for part in header)):
        assert "\r" not in text and "\n" not in text, f"a line end in a header: {text!r}"
    return status, list(headers)


def answer_head(
    version: str, status: str, headers: Headers, length: int | None, chunked: bool, keeps_open: bool
) -> bytes:
    """The head of an answer.  Framing and connection are the server's: such fields of an application
    are left out, but for its Content-Length, which `length` repeats."""
    lines = [f"HTTP/{version} {status}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers if name.lower() not in _FRAMING]
    if chunked:
        lines.append("Transfer-Encoding: chunked\r\n")
    elif length is not None and not status.startswith(("1", "204")):  # RFC 9110, 8.6
        lines.append(f"Content-Length: {length}\r\n")
    if not keeps_open:
        lines.append("Connection: close\r\n")
    elif version == "1.0":
        lines.append("Connection: keep-alive\r\n")
    return "".join(lines).encode("latin-1") + date_line()


def date_line() -> bytes:
    """The end of a head: a Date field (RFC 9110, 6.6.1) and the empty line."""
    return _date_line(int(time.time()))


@lru_cache(maxsize=2)
def _date_line(seconds: int) -> bytes:
    return f"Date: {formatdate(seconds, usegmt=True)}\r\n\r\n".encode()
