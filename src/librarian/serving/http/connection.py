"""One connection: its requests one after another, each with its answer before the next is begun.

Everything here happens in the loop's thread.
"""

import logging
import time
from asyncio import AbstractEventLoop, BufferedProtocol, Transport
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from time import perf_counter
from typing import Any, BinaryIO

from librarian.serving.http.bodies import ReceivedBody, Whole
from librarian.serving.http.chunks import ChunkedBody
from librarian.serving.http.environ import environ_of, environ_of_head
from librarian.serving.http.file_lane import LaneAnswer
from librarian.serving.http.heads import Head, asks_first, is_judged_first, parse_head
from librarian.serving.http.lane_access import LaneAccess, Request
from librarian.serving.http.output import Output
from librarian.serving.interfaces import NotFresh, RequestRefused
from librarian.serving.wsgi.application import Application
from librarian.serving.wsgi.asking import AskingExchange, JudgingExchange
from librarian.serving.wsgi.deferred import DeferringExchange
from librarian.serving.wsgi.exchange import FileBody, WSGIExchange, answer_head
from librarian.serving.wsgi.link import ApplicationLink
from librarian.serving.wsgi.outgoing import Outgoing
from librarian.store.interfaces import IReceiving
from librarian.web.bare import FAULT, bare_refusal
from librarian.web.interfaces import FILE_LANE

log = logging.getLogger(__name__)

LONGEST_HEAD = 1 << 18  # bytes
MOST_AHEAD = 1 << 16  # bytes of further requests that are read while one is answered
READ_AT_ONCE = 1 << 18  # bytes
LINGER_SECONDS = 10.0  # see Connection._linger
_LINE_END, _HEAD_END = b"\r\n", b"\r\n\r\n"


class Phase(Enum):
    """The phase of a connection."""

    READING_HEAD = 1  # idle, as long as nothing has come
    READING_BODY = 2
    ANSWERING = 3
    LINGERING = 4
    CLOSED = 5


@dataclass(eq=False)
class Listener:
    """The objects that the connections of one listening socket share."""

    loop: AbstractEventLoop
    application: Application
    environ: dict[str, Any]  # what it contributes to each WSGI environ
    new_body: Callable[..., ReceivedBody]  # of a head, a callback, an IReceiving or none
    new_file: Callable[[], BinaryIO]
    connections: set["Connection"]  # of all listeners
    lane: LaneAccess | None = None  # None: every request is the application's
    judges_heads: bool = False  # whether the application knows HEAD_ALONE, and DEFERRED
    unpacks_gzip: bool = False  # as IEndpoint has it
    now: float = field(default_factory=time.monotonic)  # seconds, a second old at most
    stopping: bool = False
    # What arrives is read into it, and taken before the next connection is read.  A Protocol instead is given
    # memory of this size that is new for each piece; where malloc maps it anew, that takes 12 us more.
    buffer: memoryview = field(default_factory=lambda: memoryview(bytearray(READ_AT_ONCE)))


class Connection(BufferedProtocol):
    """A client's connection: reads requests, passes them on and sends the answers in order."""

    def __init__(self, listener: Listener) -> None:
        self.last_activity = listener.now
        self.phase = Phase.READING_HEAD
        self.was_used = False  # whether a request was answered
        self._listener = listener
        self._loop = listener.loop
        self._arrived = bytearray()
        self._searched = 0  # bytes of it in which no head ends
        self._head_begun: float | None = None  # monotonic seconds; None: nothing of one has come
        self._head: Head | None = None
        self._chunks: ChunkedBody | None = None
        self._left = 0  # bytes of a body with a length that have not come
        self._body: ReceivedBody | None = None
        self._owes_continue = False
        self._is_head = False
        self._keeps_open = True
        self._half_closed = False  # the client sends nothing any more
        self._reading = True
        self._seen_waiting = 0  # bytes, when last looked at
        self._lingers_until = 0.0

    # -- what the transport calls

    def connection_made(self, transport: Any) -> None:
        self._transport: Transport = transport
        peer = transport.get_extra_info("peername")
        self.peer = (str(peer[0]), int(peer[1])) if peer else ("", 0)
        self._output = Output(self._loop, transport, self._answered)
        self._listener.connections.add(self)

    def new_file(self) -> BinaryIO:
        """As Link has it."""
        return self._listener.new_file()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._listener.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._take(bytes(self._listener.buffer[:nbytes]))

    def _take(self, data: bytes) -> None:
        self.last_activity = self._listener.now
        if self.phase is Phase.READING_BODY:
            self._take_body(data)
        elif self.phase is Phase.READING_HEAD:
            self._arrived += data
            self._take_heads()
        elif self.phase is Phase.ANSWERING:
            self._arrived += data
            if len(self._arrived) > MOST_AHEAD:
                self._pause_reading()

    def eof_received(self) -> bool:
        """Whether the connection stays, for an answer that is still owed."""
        self._half_closed = True
        if self.phase is Phase.READING_HEAD and self._arrived:
            self._loop.call_soon(self._take_heads)  # which closes, if it is no whole one
            return True
        return self.phase is Phase.ANSWERING

    def connection_lost(self, error: Exception | None) -> None:
        self.phase = Phase.CLOSED
        self._listener.connections.discard(self)
        if self._body is not None:
            self._body.close()
            self._body = None
        self._output.close()

    def pause_writing(self) -> None:
        self._output.writable(False)

    def resume_writing(self) -> None:
        self._output.writable(True)

    # -- requests

    def _take_heads(self) -> None:
        """Begin the next request whose head has come whole."""
        if self.phase is not Phase.READING_HEAD or not self._arrived:
            return
        if self._head_begun is None:
            self._head_begun = self._listener.now
        arrived = self._arrived
        while arrived.startswith(_LINE_END):  # RFC 9112, 2.2
            del arrived[:2]
        end = arrived.find(_HEAD_END, max(self._searched - 3, 0))
        if (end if end >= 0 else len(arrived)) > LONGEST_HEAD:
            self._refuse(RequestRefused("The header is too long.", 431))
            return
        if end < 0:
            self._searched = len(arrived)
            if self._half_closed:
                self._transport.close()
            return
        self._searched, self._head_begun = 0, None
        head = bytes(arrived[: end + 2])
        del arrived[: end + 4]
        # Known even of a head that is refused: an answer to HEAD has no body (RFC 9110, 9.3.2).
        self._is_head = head.startswith(b"HEAD ")
        try:
            self._begin(parse_head(head))
        except RequestRefused as refused:
            self._refuse(refused)
        except Exception:
            log.exception("request cannot be read")
            self._refuse(RequestRefused(FAULT, 500))

    def _begin(self, head: Head) -> None:
        meaning = head.meaning
        self._head = head
        self._keeps_open = meaning.keeps_open
        if not (meaning.length or meaning.chunked):
            if not self._answer_in_lane(head):
                self._answer(head, b"")
            return
        if asks_first(head, self._listener.unpacks_gzip):
            self._ask(head, AskingExchange)
        elif self._listener.judges_heads and is_judged_first(meaning, bool(self._arrived)):
            self._ask(head, JudgingExchange)
        else:
            self._read_body(head, self._listener.new_body(head, self._body_changed))

    def _ask(self, head: Head, exchange: type[AskingExchange | JudgingExchange]) -> None:
        """Have the application judge the head, and perhaps say where the body goes; see BODY_TAKER."""
        self.phase = Phase.ANSWERING
        self._pause_reading()
        environ = environ_of_head(self._listener.environ, head, self.peer)
        application = self._listener.application
        # A refusal ends the connection: the body, which may still come, is not read as a request.
        application.submit(exchange(ApplicationLink(self, application), environ, head.version))

    def go_on(self, interim: bytes, receiving: IReceiving | None) -> None:
        """Read the body that the application was asked about, after an answer 1xx to it."""
        head = self._head
        assert head is not None
        body = self._listener.new_body(head, self._body_changed, receiving)
        if self.phase is not Phase.ANSWERING:  # the client is gone
            body.close()
            return
        if head.version == "1.1":
            self._transport.write(interim)
        self._read_body(head, body)
        self._resume_reading()

    def _read_body(self, head: Head, body: ReceivedBody) -> None:
        meaning = head.meaning
        self.phase, self._body = Phase.READING_BODY, body
        self._chunks = ChunkedBody() if meaning.chunked else None
        self._left = meaning.length
        self._owes_continue = meaning.expects_continue and not self._arrived
        self._continue_if_accepted()
        arrived, self._arrived = bytes(self._arrived), bytearray()
        if arrived:
            self._take_body(arrived)

    def _continue_if_accepted(self) -> None:
        """Ask for the body (RFC 9110, 10.1.1), unless it has begun to come."""
        if self._owes_continue and self._body is not None and self._body.accepted:
            self._owes_continue = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _take_body(self, data: bytes) -> None:
        body = self._body
        assert body is not None
        self._owes_continue = False
        if self._chunks is None:
            piece, self._arrived = data[: self._left], bytearray(data[self._left :])
            self._left -= len(piece)
            body.write(piece)
            whole = not self._left
        else:
            try:
                for piece in self._chunks.feed(data):
                    body.write(piece)
            except RequestRefused as refused:
                self._refuse(refused)
                return
            whole = self._chunks.complete
            if whole:
                self._arrived = self._chunks.rest
        if whole:
            self.phase = Phase.ANSWERING
            body.end()
        elif body.must_wait:
            self._pause_reading()

    def _body_changed(self) -> None:
        body, head = self._body, self._head
        assert body is not None and head is not None
        if body.failed is not None:
            self._refuse(body.failed)
        elif body.ready is not None:
            self._body = None
            self.run_or_abort(self._answer, head, body.ready)
        else:
            self._continue_if_accepted()
            if not body.must_wait:
                self._resume_reading()

    def _answer(self, head: Head, body: Whole) -> None:
        self.phase = Phase.ANSWERING
        keeps_open = self._keeps_open = self._keeps_open and not self._listener.stopping
        environ = environ_of(self._listener.environ, head, self.peer, body)
        if self._listener.lane is not None:
            environ[FILE_LANE] = self._listener.lane.offers(head)
        link = ApplicationLink(self, self._listener.application)
        defers = self._listener.judges_heads and body != b""
        kind = DeferringExchange if defers else WSGIExchange
        self._listener.application.submit(kind(link, environ, head.version, keeps_open))

    def _answer_in_lane(self, head: Head) -> bool:
        """Answer at once, if this is a file that the loop can answer for."""
        lane = self._listener.lane
        if lane is None:
            return False
        self._keeps_open = self._keeps_open and not self._listener.stopping
        begun = perf_counter()
        request = Request(head, self.peer, self._keeps_open)
        try:
            answer = lane.find_answer(request)
        except (NotFresh, BlockingIOError) as why:
            self.phase = Phase.ANSWERING
            then = partial(self._found_later, lane, head, begun)
            lane.find_later(why, request, partial(self.run_or_abort, then))
            return True
        if answer is None:
            return False
        self.phase = Phase.ANSWERING
        lane.send(self._output, head, self.peer, begun, answer)
        return True

    def _found_later(self, lane: LaneAccess, head: Head, begun: float, answer: LaneAnswer | None) -> None:
        if self.phase is not Phase.ANSWERING:  # the client is gone
            if answer is not None and answer.file is not None:
                answer.file.close()
        elif answer is None:
            self._answer(head, b"")
        else:
            lane.send(self._output, head, self.peer, begun, answer)

    # -- answers

    def send_whole(self, data: bytes, keeps_open: bool) -> None:
        """Send a whole answer, head included."""
        if self.phase is Phase.ANSWERING:
            self._keeps_open = keeps_open
            self._output.send_whole(data)

    def send_file(self, head: bytes, file: FileBody, size: int, keeps_open: bool) -> None:
        """Send a head, and `size` bytes of a file from its position."""
        if self.phase is Phase.ANSWERING:
            self._keeps_open = keeps_open
            self._output.send_file(head, file, size)
        else:
            file.close()

    def send_stream(self, stream: Outgoing, keeps_open: bool) -> None:
        """Send an answer that comes in parts; called again for each further part."""
        if self.phase is Phase.ANSWERING:
            self._keeps_open = keeps_open
            self._output.send_stream(stream)
        else:
            stream.close()

    def refuse_fault(self) -> None:
        """Answer 500: the application failed before it answered."""
        if self.phase is Phase.ANSWERING:
            self._refuse(RequestRefused(FAULT, 500))

    def cut(self) -> None:
        """Close the connection in the middle of an answer: the client notices that it is incomplete."""
        self._transport.abort()

    def _refuse(self, refused: RequestRefused) -> None:
        """Answer what cannot be served, and read no further request: where it begins is not certain."""
        if self._body is not None:
            self._body.close()
            self._body = None
        self.phase, self._keeps_open = Phase.ANSWERING, False
        fields = {} if self._head is None else self._head.meaning.fields
        status, headers, body = bare_refusal(
            ", ".join(fields.get("accept", ())) or None, refused.status, refused.reason, refused.facts
        )
        version = "1.1" if self._head is None else self._head.version
        head = answer_head(version, status, headers, len(body), chunked=False, keeps_open=False)
        self._output.send_whole(head if self._is_head else head + body)

    def _answered(self, whole: bool) -> None:
        """The answer is on its way; `whole`: the client can have all of it."""
        self.was_used = True
        self.last_activity = self._listener.now
        self._head = None
        if not whole:
            self._transport.abort()
        elif not self._keeps_open:
            self._close_behind_answer()
        else:
            self.phase = Phase.READING_HEAD
            self._is_head = False
            self._resume_reading()
            if self._arrived:
                self._loop.call_soon(self._take_heads)
            elif self._half_closed:
                self._transport.close()

    # -- ends

    def _close_behind_answer(self) -> None:
        """Close, in a way that a client which is still sending can read the answer (RFC 9112, 9.6): what it
        sends would be answered by a reset, which throws away what it has not read yet.  So it is told that
        nothing more comes, and for a while what it sends is read and forgotten."""
        if self._half_closed:
            self.phase = Phase.CLOSED
            self._transport.close()
            return
        self.phase = Phase.LINGERING
        self._lingers_until = self._listener.now + LINGER_SECONDS
        self._arrived.clear()
        self._resume_reading()
        self._output.finish()

    def close_idle(self) -> bool:
        """Close if no request is being received, or answered but by a live body; whether that was so."""
        idle = self.phase in (Phase.READING_HEAD, Phase.LINGERING) or self._output.is_live
        if idle:
            self.phase = Phase.CLOSED
            self._transport.close()
        return idle

    def run_or_abort(self, step: Callable[..., None], *arguments: Any) -> None:
        """Do a step of an answer; where it fails, close the connection, which would wait for ever."""
        try:
            step(*arguments)
        except Exception:
            log.exception("answer cannot be passed on")
            self._transport.abort()

    def abort(self) -> None:
        """Close the socket at once; what was not yet sent is lost."""
        self._transport.abort()

    def check(self, now: float, patience_seconds: float, head_seconds: float) -> None:
        """Close the connection after `patience_seconds` without a byte, unless the application works on an
        answer, and refuse a head that has taken longer than `head_seconds` from its first byte.

        `now` is in monotonic seconds."""
        if self._head_begun is not None and now - self._head_begun > head_seconds:
            self._head_begun = None
            if self.phase is Phase.READING_HEAD:
                self._refuse(RequestRefused("The header took too long.", 408))
                return
        if self.phase is Phase.LINGERING:
            if now > self._lingers_until:
                self._transport.abort()
            return
        waiting = self._transport.get_write_buffer_size() + self._output.sent
        if waiting != self._seen_waiting:  # it is being sent
            self._seen_waiting, self.last_activity = waiting, now
        if now - self.last_activity <= patience_seconds:
            return
        if self.phase is Phase.READING_HEAD:
            self.close_idle()
        elif self.phase is not Phase.ANSWERING or self._output.busy:
            self._transport.abort()

    def _pause_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._reading and self.phase is not Phase.CLOSED:
            self._reading = True
            self._transport.resume_reading()
