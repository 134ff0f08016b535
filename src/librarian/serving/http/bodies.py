"""Bodies of requests on their way in: small ones in memory, large ones in the byte store's own folder.

Disk work is done by threads.  Each body gives them one piece at a time, in order, so that a slow sender
holds no thread, and asks its connection to stop reading while too much waits to be written.
"""

import logging
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from io import BytesIO
from typing import BinaryIO

from librarian.log_filters import EXHAUSTED, NO_ROOM, Rarely
from librarian.serving.interfaces import RequestRefused
from librarian.store.disk.troubles import trouble
from librarian.store.interfaces import IByteStore, StoreFull, StoreTrouble

log = logging.getLogger(__name__)
log.addFilter(Rarely(EXHAUSTED | NO_ROOM))

IN_MEMORY = 1 << 19  # bytes of a body, before a file is made for it
PIECE = 1 << 18  # bytes that are written at a time
MOST_WAITING = 1 << 20  # bytes that may wait for the disk before the connection stops reading
LOOK_BYTES = 8 << 20  # of a body, between two looks at the room


class ReceivedBody:
    """One body.  Everything but the writing itself happens in the loop's thread.

    `changed` is called when something was written, when it `failed`, and when the body is `ready`.
    """

    def __init__(
        self, store: IByteStore, loop: AbstractEventLoop, disk: Executor, changed: Callable[[], None]
    ) -> None:
        self.size = 0  # bytes that have arrived
        self.failed: RequestRefused | None = None
        self.ready: BinaryIO | None = None  # the whole body, at its start; the caller's to close
        self._store = store
        self._loop = loop
        self._disk = disk
        self._changed: Callable[[], None] | None = changed
        self._gathered: list[bytes] = []
        self._gathered_size = 0
        self._file: BinaryIO | None = None
        self._looked_at = 0  # bytes that had arrived when room was last looked for
        self._writing = 0  # bytes that a thread is at work on
        self._ended = False

    @property
    def must_wait(self) -> bool:
        """Whether no more should be read from the connection for now."""
        return self._in_file and self._gathered_size + self._writing > MOST_WAITING

    @property
    def _in_file(self) -> bool:
        return self._file is not None or self._writing > 0

    def expect(self, size: int) -> None:
        """Raise RequestRefused if there is no room for a body of `size` bytes."""
        if size > IN_MEMORY:
            try:
                self._require_room(size)
            except OSError as error:
                raise _refusal(error) from error

    def write(self, piece: bytes) -> None:
        self.size += len(piece)
        self._gathered.append(piece)
        self._gathered_size += len(piece)
        if self._gathered_size >= PIECE and (self._in_file or self.size > IN_MEMORY):
            self._write_on()

    def end(self) -> None:
        """All has arrived; `ready` follows, or `failed`."""
        self._ended = True
        if self._in_file:
            self._write_on()
        else:
            self.ready = BytesIO(b"".join(self._gathered))
            self._tell()

    def close(self) -> None:
        """Give up, unless it is ready: nothing is called any more, and nothing is left behind."""
        self._changed = None
        self._gathered.clear()
        if not self._writing:
            self._close_file()

    def _write_on(self) -> None:
        if self._writing:
            return
        if self._gathered:
            data = b"".join(self._gathered)
            self._gathered.clear()
            self._gathered_size, self._writing = 0, len(data)
            future = self._loop.run_in_executor(self._disk, self._write, data)
            future.add_done_callback(self._written)
        elif self._ended and self._file is not None:
            self.ready, self._file = self._file, None
            self.ready.seek(0)
            self._tell()

    def _write(self, data: bytes) -> None:
        """In a thread of the disk's."""
        if self.size - self._looked_at > LOOK_BYTES:
            # put() needs room for all of it once more, so what has come must fit beside itself.
            self._looked_at = self.size
            self._require_room(self.size)
        if self._file is None:
            self._file = self._store.spool()
        self._file.write(data)

    def _written(self, future: "Future[None]") -> None:
        self._writing = 0
        error = future.exception()
        if self._changed is None:
            self._close_file()
        elif error is not None:
            self.failed = _refusal(error)
            self._close_file()
            self._tell()
        elif self._ended:
            self._write_on()
        else:
            if self._gathered_size >= PIECE:
                self._write_on()
            self._tell()

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed()

    def _require_room(self, needed: int) -> None:
        room = self._store.room()
        if room is not None and needed > room:
            log.warning("body refused needed=%d room=%d", needed, room)
            raise RequestRefused("the byte store has no room for this", 507)

    def _close_file(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # of what is thrown away, not all could be written
                self._file.close()


def _refusal(error: BaseException) -> RequestRefused:
    """What an error of the disk is answered with."""
    if isinstance(error, RequestRefused):
        return error
    if not isinstance(error, OSError):
        raise error
    log.error("body cannot be received error=%s", error)
    known = error if isinstance(error, StoreTrouble) else trouble(error)
    return RequestRefused(str(known), 507 if isinstance(known, StoreFull) else 503)
