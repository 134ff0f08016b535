"""A file for the time being: small in memory, large in the byte store's own folder.

The system's temporary folder is another, smaller disk on many machines, and nothing refuses in time
what does not fit there.
"""

from contextlib import suppress
from io import BytesIO
from typing import BinaryIO

from librarian.store.disk.troubles import troubles
from librarian.store.interfaces import IByteStore


class Spooled:
    """Written once and then read.  Raises StoreFull and StoreUnavailable where the store does."""

    def __init__(self, store: IByteStore, in_memory: int) -> None:
        self._store = store
        self._in_memory = in_memory  # bytes
        self._file: BinaryIO = BytesIO()
        self._spooled = False

    def write(self, data: bytes) -> int:
        with troubles("spool"):
            if not self._spooled and self._file.tell() + len(data) > self._in_memory:
                self._spool()
            return self._file.write(data)

    def _spool(self) -> None:
        small = self._file
        self._file = self._store.spool()
        self._spooled = True
        small.seek(0)
        self._file.write(small.read())

    def read(self, size: int = -1) -> bytes:
        with troubles("read the spool"):
            return self._file.read(size)

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        with troubles("spool"):
            return self._file.seek(offset, whence)

    def close(self) -> None:
        with suppress(OSError):  # of what is thrown away, not all could be written
            self._file.close()
