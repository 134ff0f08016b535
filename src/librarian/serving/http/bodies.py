"""Bodies of requests on their way in: small ones in memory, others received by the byte store as they arrive.

What the store has received is written once: the application only names it, or the server discards it.
Disk work and hashing are done by threads.  Each body gives them one piece at a time, in order, so that a slow
sender holds no thread, and asks its connection to stop reading while too much waits to be written.
"""

import logging
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from concurrent.futures import Executor

from librarian.log_filters import EXHAUSTED, NO_ROOM, Rarely
from librarian.serving.interfaces import RequestRefused
from librarian.store.disk.troubles import trouble
from librarian.store.interfaces import IByteStore, IReceivedFile, IReceiving, StoreFull, StoreTrouble
from librarian.web.bare import FAULT

log = logging.getLogger(__name__)
log.addFilter(Rarely(EXHAUSTED | NO_ROOM))

PIECE = 1 << 18  # bytes that are given to the store at a time; a smaller body stays in memory
MOST_WAITING = 1 << 20  # bytes that may wait for the disk before the connection stops reading


class ReceivedBody:
    """One body.  Everything but the writing itself happens in the loop's thread.

    `changed` is called when something was written, when it `failed`, and when the body is `ready`.
    """

    def __init__(
        self, store: IByteStore, loop: AbstractEventLoop, disk: Executor, changed: Callable[[], None]
    ) -> None:
        self.size = 0  # bytes that have arrived
        self.failed: RequestRefused | None = None
        self.ready: bytes | IReceivedFile | None = None  # the whole body
        self._store = store
        self._loop = loop
        self._disk = disk
        self._changed: Callable[[], None] | None = changed
        self._gathered: list[bytes] = []
        self._gathered_size = 0
        self._declared: int | None = None  # bytes
        self._receiving: IReceiving | None = None
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
        """Raise RequestRefused if there is no room for a body of `size` bytes."""
        self._declared = size
        if size > PIECE:
            try:
                room = self._store.room()
            except OSError as error:
                raise _refusal(error) from error
            if room is not None and size > room:
                log.warning("body refused needed=%d room=%d", size, room)
                raise RequestRefused("the byte store has no room for this", 507)

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
        self._gathered.clear()
        if not self._writing:
            self._abort()

    def _write_on(self) -> None:
        if self._writing or self.ready is not None:
            return
        data = b"".join(self._gathered)
        self._gathered.clear()
        self._gathered_size, self._writing = 0, max(len(data), 1)
        future = self._loop.run_in_executor(self._disk, self._write, data, self._ended)
        future.add_done_callback(self._written)

    def _write(self, data: bytes, last: bool) -> IReceivedFile | None:
        """Write a piece, in a disk thread; the received file, if this was the last piece."""
        if self._receiving is None:
            self._receiving = self._store.receive(self._declared)
        self._receiving.write(data)
        return self._receiving.finish() if last else None

    def _written(self, future: "Future[IReceivedFile | None]") -> None:
        self._writing = 0
        error = future.exception()
        if error is not None:
            self._abort()
            self.failed = _refusal(error)
        else:
            self.ready = future.result()
        if self._changed is None:
            self._abort()
        elif error is None and self.ready is None and (self._ended or self._gathered_size >= PIECE):
            self._write_on()
            if not self._ended:
                self._tell()
        else:
            self._tell()

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed()

    def _abort(self) -> None:
        if self._receiving is not None:
            self._disk.submit(self._receiving.abort)
        if self.ready is not None and not isinstance(self.ready, bytes):
            self._disk.submit(self.ready.discard)


def _refusal(error: BaseException) -> RequestRefused:
    """The refusal that answers an error of the disk."""
    if isinstance(error, RequestRefused):
        return error
    if not isinstance(error, OSError):
        log.error("body cannot be received", exc_info=error)
        return RequestRefused(FAULT, 500)
    log.error("body cannot be received error=%s", error)
    known = error if isinstance(error, StoreTrouble) else trouble(error)
    return RequestRefused(str(known), 507 if isinstance(known, StoreFull) else 503)
