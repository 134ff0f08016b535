"""A buffer between a thread of the application, which writes an answer, and the loop, which sends it.

A thread is not held by a slow client: what does not fit into memory waits in the byte store's own folder.
"""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, NamedTuple

IN_MEMORY = 1 << 20  # bytes of an answer that wait in memory


class FilePart(NamedTuple):
    """`size` bytes of an open file, from `offset`, for sendfile(2)."""

    descriptor: int
    offset: int
    size: int


class Outgoing:
    """A queue of bytes with one thread at each end."""

    def __init__(self, new_file: Callable[[], BinaryIO]) -> None:
        self.ended = False  # nothing is added any more
        self.is_live = False  # it goes on without a thread of the application, and may be ended at any time
        self._new_file = new_file
        self._lock = threading.Lock()
        self._pieces: deque[bytes] = deque()
        self._held = 0  # bytes in memory
        self._file: BinaryIO | None = None
        self._written = self._taken = 0  # bytes of the file
        self._closed = False

    def put(self, data: bytes) -> bool:
        """Add bytes; False: the client is gone, and they are dropped."""
        with self._lock:
            if self._closed:
                return False
            if self._file is None and self._held + len(data) > IN_MEMORY:
                self._file = self._descriptor_file()
            if self._file is None:
                self._pieces.append(data)
                self._held += len(data)
            else:
                self._file.write(data)
                self._file.flush()
                self._written += len(data)
        return True

    @property
    def backlog(self) -> int:
        """The number of bytes that were put and not taken."""
        return self._held + self._written - self._taken

    def _descriptor_file(self) -> BinaryIO | None:
        """A file that the kernel can send; None where there is none to be had, so that memory has to do."""
        with suppress(OSError):  # io.UnsupportedOperation, of a store in memory, is one
            file = self._new_file()
            file.fileno()
            return file
        return None

    def take(self) -> bytes | FilePart | None:
        """The next part to send; None: nothing for now, or, once it has `ended`, nothing any more."""
        with self._lock:
            if self._pieces:
                data = b"".join(self._pieces)
                self._pieces.clear()
                self._held = 0
                return data
            if self._file is not None and self._taken < self._written:
                part = FilePart(self._file.fileno(), self._taken, self._written - self._taken)
                self._taken = self._written
                return part
        return None

    def close(self) -> None:
        """Drop the bytes that are left: the answer was sent, or its client is gone."""
        with self._lock:
            self._closed = True
            self._pieces.clear()
            if self._file is not None:
                with suppress(OSError):
                    self._file.close()
