"""The sending half of a connection.  Everything here happens in the loop's thread.

Files go from the disk's cache to the socket by sendfile(2), without a copy in this process; what is not in
the cache is read by a thread first, as the loop would stand still for the disk.  An asyncio loop
reserves the descriptor of a transport for itself, so that a duplicate is used.
"""

import logging
import os
import socket
from asyncio import AbstractEventLoop, Future, Transport
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress

from librarian.serving.http.cached_reads import fetch, is_cached
from librarian.serving.wsgi.exchange import FileBody
from librarian.serving.wsgi.outgoing import FilePart, Outgoing

log = logging.getLogger(__name__)

FETCHED_AT_ONCE = 1 << 20  # bytes, which a thread reads where they are not in the disk's cache
LONGEST_PIECE = 1 << 18  # bytes that one call may send: other connections wait for the loop meanwhile


class Output:
    """Sends one answer at a time; `ended` is then called with whether the client can have all of it."""

    def __init__(self, loop: AbstractEventLoop, transport: Transport, ended: Callable[[bool], None]) -> None:
        self.busy = False  # whether an answer is being sent
        self.sent = 0  # bytes of files and streams
        self._loop = loop
        self._transport = transport
        self._ended = ended
        self._socket: socket.socket | None = None
        self._when_writable: Callable[[], None] | None = None
        self._writable = True
        self._file: FileBody | None = None
        self._stream: Outgoing | None = None
        self._head = b""
        self._part = FilePart(-1, 0, 0)
        self._parts: deque[bytes | FilePart] = deque()
        self._waits = False  # whether the loop tells when the socket can take more
        self._part_done: Callable[[], None] = self._end
        self._fetching: Future[None] | None = None
        self._fetched_to = 0  # the offset up to which a thread has read the part

    # -- answers

    def send_whole(self, data: bytes) -> None:
        """Send an answer that is complete, head and body; `busy` until it is in the kernel's buffer."""
        self.busy = True
        self._transport.write(data)
        self._once_writable(self._end)

    def send_file(self, head: bytes, file: FileBody, size: int) -> None:
        """`size` bytes from the position of `file`, which is closed at the end."""
        self.send_parts((head, FilePart(file.file.fileno(), file.file.tell(), size)), file)

    def send_parts(self, parts: Iterable[bytes | FilePart], file: FileBody) -> None:
        """Bytes and parts of `file`, which is closed at the end."""
        self.busy = True
        self._file = file
        self._parts = deque(parts)
        self._send_next()

    def _send_next(self) -> None:
        head = b""
        while self._parts:
            part = self._parts.popleft()
            if isinstance(part, FilePart):
                self._send_part(head, part, self._send_next)
                return
            head += part
        if head:
            self._transport.write(head)
        self._once_writable(self._end)

    def send_stream(self, stream: Outgoing) -> None:
        """Send the parts of `stream`; to be called again whenever there is more, and when it has ended."""
        if self._stream is None:
            self.busy = True
            self._stream = stream
            self._send_on()
        elif self._idle_stream:
            self._send_on()

    @property
    def is_live(self) -> bool:
        """Whether the answer is one that goes on until the client, or the server, has enough of it."""
        return self._stream is not None and self._stream.is_live

    def writable(self, writable: bool) -> None:
        """Note whether the transport's buffer can take more."""
        self._writable = writable
        if writable and self._when_writable is not None:
            then, self._when_writable = self._when_writable, None
            then()

    def finish(self) -> None:
        """Tell the client that nothing more comes."""
        try:
            self._transport.write_eof()
        except OSError:  # it is gone
            self._transport.abort()

    def close(self) -> None:
        """Drop the answer: the connection is gone, and `ended` is not called any more."""
        self._ended = _nothing
        self._when_writable = None
        self._drop()
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()

    # -- streams

    _idle_stream = False

    def _send_on(self) -> None:
        self._idle_stream = False
        assert self._stream is not None
        part = self._stream.take()
        if isinstance(part, FilePart):
            self._send_part(b"", part, self._send_on)
        elif part is not None:
            self.sent += len(part)
            self._transport.write(part)
            self._once_writable(self._send_on)
        elif self._stream.ended:
            self._end()
        else:
            self._idle_stream = True

    def _once_writable(self, then: Callable[[], None]) -> None:
        if self._writable:
            then()
        else:
            self._when_writable = then

    # -- files

    def _send_part(self, head: bytes, part: FilePart, done: Callable[[], None]) -> None:
        self._head, self._part, self._part_done = head, part, done
        self._fetched_to = 0
        # What the transport holds back itself must go first.
        self._transport.set_write_buffer_limits(high=0)
        self._writable = not self._transport.get_write_buffer_size()
        self._once_writable(self._begin_part)

    def _begin_part(self) -> None:
        self._transport.set_write_buffer_limits()
        self._send_some()

    def _send_some(self) -> None:
        part = self._part
        if part.offset >= self._fetched_to and not is_cached(
            part.descriptor, part.offset, min(part.size, LONGEST_PIECE)
        ):
            self._fetch(part)
            return
        try:
            finished = self._send_piece(self._own_socket())
        except (OSError, EOFError) as error:
            if isinstance(error, EOFError):
                log.error("answer cut short error=%s", error)
            self._end(whole=False)
            return
        if finished:
            self._stop_waiting()
            self._part_done()
        elif not self._waits:
            self._waits = True
            self._loop.add_writer(self._own_socket().fileno(), self._send_some)

    def _fetch(self, part: FilePart) -> None:
        """Have a thread read what is sent next; the loop goes on meanwhile."""
        self._stop_waiting()
        # A descriptor of the thread's own: the client may leave, and the file be closed.
        descriptor = os.dup(part.descriptor)

        def read() -> None:
            try:
                fetch(descriptor, part.offset, min(part.size, FETCHED_AT_ONCE))
            finally:
                os.close(descriptor)

        self._fetching = self._loop.run_in_executor(None, read)
        self._fetching.add_done_callback(self._fetched)

    def _fetched(self, future: "Future[None]") -> None:
        future.exception()  # what is wrong with the file, sending finds out
        if self._fetching is future:
            self._fetching = None
            self._fetched_to = self._part.offset + FETCHED_AT_ONCE
            self._send_some()

    def _own_socket(self) -> socket.socket:
        """The connection's socket once more, by a descriptor that the loop does not watch."""
        if self._socket is None:
            descriptor = self._transport.get_extra_info("socket").fileno()
            self._socket = socket.socket(fileno=os.dup(descriptor))
        return self._socket

    def _send_piece(self, sock: socket.socket) -> bool:
        """Send as much as the socket takes now; True if that was all."""
        part = self._part
        try:
            if self._head:
                self._head = self._head[sock.send(self._head, socket.MSG_MORE) :]
            if self._head:
                return False
            sent = os.sendfile(sock.fileno(), part.descriptor, part.offset, min(part.size, LONGEST_PIECE))
        except BlockingIOError:
            return False
        if not sent and part.size:
            raise EOFError("a file ended before what was promised of it")
        self.sent += sent
        self._part = FilePart(part.descriptor, part.offset + sent, part.size - sent)
        return not self._part.size

    def _stop_waiting(self) -> None:
        if self._waits and self._socket is not None:
            self._waits = False
            self._loop.remove_writer(self._socket.fileno())

    # -- ends

    def _end(self, whole: bool = True) -> None:
        self._drop()
        self.busy = False
        self._ended(whole)

    def _drop(self) -> None:
        """Close the file, and drop the parts that were not sent."""
        self._fetching = None
        self._stop_waiting()
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        if self._file is not None:
            with suppress(OSError, ValueError):
                # The access log counts what was sent of a file by its position.
                self._file.file.seek(self._part.offset)
            self._file.close()
            self._file = None


def _nothing(whole: bool) -> None:
    """A callback that does nothing, for an answer whose client is gone."""
