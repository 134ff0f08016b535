"""A large gzip body of an upload, unpacked while it arrives."""

from collections.abc import Iterator
from typing import BinaryIO

from zope.interface import implementer

from librarian.store.hashing import Digests
from librarian.store.interfaces import IByteStore, IReceivedFile, IReceiving, SizeMismatch, StoredBytes
from librarian.tracker.client.interfaces import GzipDamaged, GzipTooLong
from librarian.tracker.client.wire.gunzip import CHUNK, GunzipReader
from librarian.tracker.interfaces import Declared

_REFUSED = (GzipDamaged, GzipTooLong, SizeMismatch)


class _Fed:
    """What has come of a gzip stream, for a GunzipReader."""

    def __init__(self, limit: int) -> None:
        self.ended = False
        self._piece = b""
        self._reader = GunzipReader(self._take, limit)

    def plain(self, piece: bytes) -> Iterator[bytes]:
        """The plain bytes that are known with this piece.  Raises GzipDamaged, GzipTooLong."""
        self._piece = piece
        try:
            while block := self._reader.read(CHUNK):
                yield block
        except BlockingIOError:  # the next piece goes on
            return

    def _take(self, size: int) -> bytes:
        piece, self._piece = self._piece, b""
        if not piece and not self.ended:
            raise BlockingIOError
        return piece


@implementer(IReceivedFile)
class UnpackedFile:
    """A received gzip body: its digests and, if that may be kept, its bytes; `plain` is the file in it.

    `error` is what is wrong with it, to be answered by the view; there is then no `plain`.
    """

    def __init__(
        self,
        found: StoredBytes | IReceivedFile,
        plain: IReceivedFile | None,
        packed: IReceivedFile | None,
        error: Exception | None,
    ) -> None:
        self.size, self.sha256, self.sha1, self.md5 = found.size, found.sha256, found.sha1, found.md5
        self.plain = plain
        self.packed = packed
        self.error = error

    def open(self) -> BinaryIO:
        """The bytes as they were sent.  Raises ValueError where they were not kept."""
        if self.packed is None:
            raise ValueError("the packed bytes were not kept")
        file: BinaryIO = self.packed.open()
        return file

    def discard(self) -> None:
        """As IReceivedFile has it, of both forms."""
        for file in (self.plain, self.packed):
            if file is not None:
                file.discard()


@implementer(IReceiving)
class UnpackingReceiving:
    """Takes a gzip body; the plain file is written, and with `keeps_packed` the body too.

    At most `limit` plain bytes are written.  Of a body that is damaged or too long the rest is taken and
    forgotten: the view refuses it in the words of the protocol.
    """

    def __init__(self, store: IByteStore, declared: Declared, limit: int, keeps_packed: bool) -> None:
        self.size = 0
        self._fed = _Fed(limit)
        self._digests = Digests()
        self._plain: IReceiving = store.receive(declared.size)
        self._packed: IReceiving | None = store.receive(declared.packed_size) if keeps_packed else None
        self._error: Exception | None = None

    def write(self, data: bytes) -> None:
        """Take the next bytes.  Raises StoreFull, StoreUnavailable."""
        self.size += len(data)
        if self._packed is None:
            self._digests.update(data)
        else:
            self._packed.write(data)
        self._unpack(data)

    def finish(self) -> UnpackedFile:
        """The body and the file in it."""
        self._fed.ended = True
        self._unpack(b"")
        packed = None if self._packed is None else self._packed.finish()
        plain = self._finished_plain()
        found = self._digests.found() if packed is None else packed
        return UnpackedFile(found, plain, packed, self._error)

    def abort(self) -> None:
        """As IReceiving has it."""
        self._plain.abort()
        if self._packed is not None:
            self._packed.abort()

    def _unpack(self, data: bytes) -> None:
        if self._error is not None or not (data or self._fed.ended):
            return
        try:
            for block in self._fed.plain(data):
                self._plain.write(block)
        except _REFUSED as error:
            self._refuse(error)

    def _finished_plain(self) -> IReceivedFile | None:
        if self._error is not None:
            return None
        try:
            file: IReceivedFile = self._plain.finish()
            return file
        except SizeMismatch as error:
            self._refuse(error)
            return None

    def _refuse(self, error: Exception) -> None:
        self._error = error
        self._plain.abort()
