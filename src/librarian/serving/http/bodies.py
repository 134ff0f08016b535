"""Bodies of requests on their way in: small ones in memory, others received by the byte store as they arrive.

What the store has received is written once: the application only names it, or the server discards it.
Disk work and hashing are done by threads.  Each body gives them one piece at a time, in order, so that a slow
sender holds no thread, and asks its connection to stop reading while too much waits to be written.
"""

import logging
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Protocol

from librarian.log_filters import EXHAUSTED, NO_ROOM, Rarely
from librarian.serving.interfaces import RequestRefused
from librarian.store.disk.troubles import trouble
from librarian.store.interfaces import DigestMismatch, IReceivedFile, StoreFull, StoreTrouble
from librarian.web.bare import FAULT
from librarian.web.interfaces import BodyRefused, FormTooLarge, FormUnreadable
from librarian.web.requests.form_files import ReceivedForm

log = logging.getLogger(__name__)
log.addFilter(Rarely(EXHAUSTED | NO_ROOM))

PIECE = 1 << 18  # bytes that are given to the store at a time; a smaller body stays in memory
MOST_WAITING = 1 << 20  # bytes that may wait for the disk before the connection stops reading


Whole = bytes | IReceivedFile | ReceivedForm


class Receiving(Protocol):
    """What takes a body: that of a byte store (IReceiving), or a form's."""

    def write(self, data: bytes, /) -> None:
        """Take the next bytes."""

    def finish(self) -> IReceivedFile | ReceivedForm:
        """The body, complete."""

    def abort(self) -> None:
        """Forget what has arrived."""


class ReceivedBody:
    """One body.  Everything but the writing itself happens in the loop's thread.

    `receive` is called in a disk thread, with the declared size in bytes or None.  `changed` is called when
    something was written, when the body is `accepted`, when it `failed`, and when it is `ready`.
    """

    def __init__(
        self,
        receive: Callable[[int | None], Receiving],
        loop: AbstractEventLoop,
        disk: Executor,
        changed: Callable[[], None],
        receiving: Receiving | None = None,
    ) -> None:
        """`receiving` is the application's for this body: what has come of it when it is cut is written."""
        self.size = 0  # bytes that have arrived
        self.accepted = True  # there is room for it, as far as can be known
        self.failed: RequestRefused | None = None
        self.ready: Whole | None = None
        self._receive = receive
        self._loop = loop
        self._disk = disk
        self._changed: Callable[[], None] | None = changed
        self._gathered: list[bytes] = []
        self._gathered_size = 0
        self._declared: int | None = None  # bytes
        self._receiving = receiving
        self._keeps_parts = receiving is not None
        self._writing = 0  # bytes that a thread is at work on
        self._ended = False

    @property
    def must_wait(self) -> bool:
        """Whether no more should be read from the connection for now."""
        return self._in_store and self._gathered_size + self._writing > MOST_WAITING

    @property
    def _in_store(self) -> bool:
        return self._receiving is not None or self._writing > 0

    def expect(self, size: int) -> None:
        """Note how many bytes will come; a large body is `accepted` once room was found for it."""
        self._declared = size
        if size > PIECE:
            self.accepted = False
            self._write_on()

    def write(self, piece: bytes) -> None:
        """Take the next piece of the body, of any size; a small body stays in memory until its end."""
        self.size += len(piece)
        self._gathered.append(piece)
        self._gathered_size += len(piece)
        if self._gathered_size >= PIECE:
            self._write_on()

    def end(self) -> None:
        """Note that the body is complete; `ready` follows, or `failed`."""
        self._ended = True
        if self._in_store:
            self._write_on()
        else:
            self.ready = b"".join(self._gathered)
            self._tell()

    def close(self) -> None:
        """Discard the body, unless it is `ready`; `changed` is not called any more."""
        self._changed = None
        if not self._keeps_parts:
            self._gathered.clear()
        if not self._writing:
            self._end_early()

    def _write_on(self) -> None:
        if self._writing or self.ready is not None:
            return
        data = b"".join(self._gathered)
        self._gathered.clear()
        self._gathered_size, self._writing = 0, max(len(data), 1)
        future: Future[IReceivedFile | ReceivedForm | None]
        future = self._loop.run_in_executor(self._disk, self._write, data, self._ended)
        future.add_done_callback(self._written)

    def _write(self, data: bytes, last: bool) -> IReceivedFile | ReceivedForm | None:
        """Write a piece, in a disk thread; the received body, if this was the last piece."""
        if self._receiving is None:
            self._receiving = self._receive(self._declared)
        self._receiving.write(data)
        return self._receiving.finish() if last else None

    def _written(self, future: "Future[IReceivedFile | ReceivedForm | None]") -> None:
        self._writing = 0
        self.accepted = True
        error = future.exception()
        if error is not None:
            self._abort()
            self.failed = _refusal(error)
        else:
            self.ready = future.result()
        if self._changed is None:
            self._end_early()
        elif error is None and self.ready is None and (self._ended or self._gathered_size >= PIECE):
            self._write_on()
            if not self._ended:
                self._tell()
        else:
            self._tell()

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed()

    def _end_early(self) -> None:
        if self._gathered and self.failed is None and self.ready is None:
            self._write_on()
        else:
            self._abort()

    def _abort(self) -> None:
        if self._receiving is not None:
            self._disk.submit(self._receiving.abort)
        if self.ready is not None and not isinstance(self.ready, bytes):
            self._disk.submit(self.ready.discard)


def _refusal(error: BaseException) -> RequestRefused:
    """The refusal that answers an error of the disk."""
    if isinstance(error, RequestRefused):
        return error
    if isinstance(error, (FormUnreadable, DigestMismatch)):
        return RequestRefused(str(error), 413 if isinstance(error, FormTooLarge) else 400)
    if isinstance(error, BodyRefused):
        return RequestRefused(error.reason, error.status, error.facts)
    if not isinstance(error, OSError):
        log.error("body cannot be received", exc_info=error)
        return RequestRefused(FAULT, 500)
    log.error("body cannot be received error=%s", error)
    known = error if isinstance(error, StoreTrouble) else trouble(error)
    return RequestRefused(str(known), 507 if isinstance(known, StoreFull) else 503)
