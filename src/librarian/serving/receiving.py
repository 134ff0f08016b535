"""How waitress receives request bodies here: in the byte store's own file system, and only what fits.

waitress spools a body to the system's temporary folder before the application hears of it, and when that
is full, the connection just breaks.  Here the client learns it, by 507, and most often before it has sent
anything: a Content-Length larger than the store's room is refused when the headers are there.
"""

import logging
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO

from waitress.adjustments import Adjustments
from waitress.buffers import FileBasedBuffer, OverflowableBuffer
from waitress.channel import HTTPChannel

from librarian.log_filters import EXHAUSTED, NO_ROOM, Rarely
from librarian.serving.refusing import RefusingTask, refuse
from librarian.serving.strictness import StrictRequest
from librarian.store.disk.troubles import trouble
from librarian.store.interfaces import IByteStore, StoreFull, StoreTrouble

log = logging.getLogger(__name__)
log.addFilter(Rarely(EXHAUSTED | NO_ROOM))

# After a refusal the client may still be sending, and would lose the answer if its connection were
# reset at once (RFC 9112, 9.6).  So long what it sends is read and forgotten.
LINGER_SECONDS = 10.0
CHECK_BYTES = 8 << 20  # of a body, between two checks of the room


class Spool(OverflowableBuffer):
    """A body: small in memory, large in a file that `new_file` makes."""

    buf: Any = None

    def __init__(self, overflow: int, new_file: Callable[[], BinaryIO]) -> None:
        super().__init__(overflow)
        self._new_file = new_file

    def _set_large_buffer(self) -> None:
        small = self.buf
        self.buf = FileBasedBuffer(self._new_file(), small)
        if small is not None:
            small.close()
        self.overflowed = True


class ReceivedRequest(StrictRequest):
    """A request that is refused as soon as it is known not to fit."""

    def __init__(self, adj: Adjustments, channel: "ReceivingChannel") -> None:
        super().__init__(adj)
        self._channel = channel
        self._looked_at = 0  # bytes of the body that had come when room was last looked for

    def new_buffer(self) -> Spool:
        return Spool(self.adj.inbuf_overflow, self._channel.store.spool)

    def received(self, data: bytes) -> int:
        in_headers = not self.headers_finished
        try:
            consumed = super().received(data)
            if not self.completed:
                self._require_room(in_headers)
        except OSError as error:
            log.error("body cannot be received error=%s", error)
            known = error if isinstance(error, StoreTrouble) else trouble(error)
            self._refuse(507 if isinstance(known, StoreFull) else 503, str(known))
        if self.error is not None:
            self._channel.refused = True
            return len(data)  # what follows is no request
        if self.completed and self._channel.server.stopping:
            self.headers["CONNECTION"] = "close"
        return consumed

    def _require_room(self, at_headers: bool) -> None:
        """Check whether it fits when the size is known, and periodically while the body comes: others
        may fill the store meanwhile, and a chunked body does not tell.  put() needs room for all of it
        once more, so what has come must fit beside itself."""
        if at_headers and self.headers_finished:
            needed = self.content_length if self.content_length > self.adj.inbuf_overflow else 0
        elif self.body_bytes_received - self._looked_at > CHECK_BYTES:
            needed = self._looked_at = self.body_bytes_received
        else:
            return
        room = self._channel.store.room()
        if room is not None and needed > room:
            log.warning("body refused needed=%d room=%d", needed, room)
            self._refuse(507, "the byte store has no room for this")

    def _refuse(self, status: int, reason: str) -> None:
        refuse(self, status, reason)
        with suppress(OSError):
            self.close()


class ReceivingChannel(HTTPChannel):
    """A connection that hears a refused client out."""

    error_task_class = RefusingTask
    refused = False
    _lingers_until: float | None = None

    @property
    def store(self) -> IByteStore:
        return self.server.store

    def parser_class(self, adj: Adjustments) -> ReceivedRequest:
        return ReceivedRequest(adj, self)

    def handle_close(self) -> None:
        if self.refused and self._lingers_until is None and self.connected:
            self._lingers_until = time.monotonic() + LINGER_SECONDS
            self.will_close = False
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
        else:
            super().handle_close()

    def handle_write(self) -> None:
        # One turn of the loop can bring both: the end of what is read, and room for what is written.
        if self.connected:
            super().handle_write()

    def readable(self) -> Any:
        return self._lingers_until is not None or super().readable()

    def handle_read(self) -> None:
        if self._lingers_until is None:
            super().handle_read()
            return
        try:
            self.recv(self.adj.recv_bytes)  # which closes at the end of what is sent
        except OSError:
            super().handle_close()
        if self.connected and time.monotonic() > self._lingers_until:
            super().handle_close()
