"""Bytes that come piece by piece, on their way into a store of any kind."""

from abc import ABC, abstractmethod
from typing import BinaryIO

from librarian.store.hashing import Digests, read_chunks
from librarian.store.interfaces import (
    BytesDamaged,
    BytesNotFound,
    IByteStore,
    IReceivedFile,
    SizeMismatch,
    StoredBytes,
)

# Shorter pieces are joined to this before they are hashed and written; a body that has no more never leaves
# memory before it is kept.  Two thousand connections may hold so much at a time.
GATHER_BYTES = 1 << 16


class Receiving(ABC):
    """Counts, joins and hashes the bytes that arrive; a subclass writes them."""

    def __init__(self, size: int | None) -> None:
        self.size = 0
        self._declared = size
        self._digests = Digests()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0

    def write(self, data: bytes) -> None:
        """Take the next bytes.  Raises SizeMismatch when they are more than declared."""
        self.size += len(data)
        if self._declared is not None and self.size > self._declared:
            raise SizeMismatch(self._declared, self.size)
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes > GATHER_BYTES:
            self._write_piece(self._next_piece())

    def finish(self) -> IReceivedFile:
        """The received file, to be kept or discarded.  Raises SizeMismatch when bytes are missing."""
        if self._declared is not None and self.size != self._declared:
            raise SizeMismatch(self._declared, self.size)
        piece = self._next_piece()
        return self._received(self._digests.found(), piece)

    @abstractmethod
    def abort(self) -> None:
        """As IReceiving has it."""

    @abstractmethod
    def _write_piece(self, piece: bytes) -> None:
        """Put a piece where the others are."""

    @abstractmethod
    def _received(self, found: StoredBytes, last: bytes) -> IReceivedFile:
        """All that has come, of which `last`, at most GATHER_BYTES, is not written yet."""

    def _next_piece(self) -> bytes:
        piece = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
        self._waiting, self._waiting_bytes = [], 0
        self._digests.update(piece)
        return piece


class PutsByReceiving(ABC):
    """What all stores do alike: put() receives a stream, and keeps it at its end.

    They have no generations, and share their bytes with other processes, unless they say so.
    """

    uses_generations = False
    is_shared = True

    @abstractmethod
    def size(self, sha256: str) -> int:
        """As IByteStore has it."""

    def __contains__(self, sha256: str) -> bool:
        try:
            self.size(sha256)
        except (BytesNotFound, BytesDamaged):
            return False
        return True

    def clear_superseded(self) -> int:
        """As IByteStore has it."""
        return 0

    @abstractmethod
    def receive(self, size: int | None = None) -> Receiving:
        """As IByteStore has it."""

    @abstractmethod
    def keep(
        self,
        received: IReceivedFile,
        *,
        sha256: str | None = None,
        sha1: str | None = None,
        md5: str | None = None,
    ) -> StoredBytes:
        """As IByteStore has it."""

    def put(
        self,
        stream: BinaryIO,
        *,
        size: int | None = None,
        sha256: str | None = None,
        sha1: str | None = None,
        md5: str | None = None,
    ) -> StoredBytes:
        """As IByteStore has it."""
        received = _receive_all(self.receive(size), stream, size)
        try:
            return self.keep(received, sha256=sha256, sha1=sha1, md5=md5)
        finally:
            received.discard()


def keep_or_put(
    store: IByteStore,
    stream: BinaryIO,
    *,
    size: int | None = None,
    sha256: str | None = None,
    sha1: str | None = None,
    md5: str | None = None,
) -> StoredBytes:
    """Like IByteStore.put(), but a stream whose attribute `received` is an IReceivedFile is not read again.

    The file is kept, from its start, wherever the stream stands.
    """
    received: IReceivedFile | None = getattr(stream, "received", None)
    if received is None:
        return store.put(stream, size=size, sha256=sha256, sha1=sha1, md5=md5)
    if size is not None and size != received.size:
        raise SizeMismatch(size, received.size)
    return store.keep(received, sha256=sha256, sha1=sha1, md5=md5)


def _receive_all(receiving: Receiving, stream: BinaryIO, size: int | None) -> IReceivedFile:
    """All that `stream` gives, of which `size` + 1 bytes at most are read; aborted if anything fails."""
    try:
        for piece in read_chunks(stream, None if size is None else size + 1):
            receiving.write(piece)
        return receiving.finish()
    except BaseException:
        receiving.abort()
        raise
