"""Bytes on their way into a disk store: in memory while they are few, then in ``incoming``."""

import io
import tempfile
from collections.abc import Callable
from typing import BinaryIO, cast

from zope.interface import implementer

from librarian.store.disk.drafts import Draft
from librarian.store.disk.incoming import Incoming, IncomingFile
from librarian.store.disk.troubles import troubles
from librarian.store.interfaces import IReceivedFile, IReceiving, StoredBytes
from librarian.store.receiving import GATHER_BYTES, Receiving
from librarian.store.room import Room


class Drafts:
    """A place for bytes that are not held yet, for as long as there is room."""

    def __init__(self, incoming: Incoming, room: Room) -> None:
        self._incoming = incoming
        self._room = room

    def require(self, size: int) -> None:
        """Raise StoreFull unless a file of `size` bytes fits."""
        with troubles("make room"):
            self._room.require(size)

    def spool(self) -> BinaryIO:
        """As IByteStore.spool()."""
        with troubles("spool"):
            return cast(BinaryIO, tempfile.TemporaryFile(dir=self._incoming.path))

    def left(self) -> int:
        """The number of bytes that there is room for."""
        with troubles("look for room"):
            return self._room.left()

    def add(self, file: IncomingFile | None, piece: bytes, written: int) -> IncomingFile:
        """The file (None: a new one) with a piece more, of which `written` bytes are there.

        What fails leaves a file that was given, and none that was not.
        """
        with troubles("write"):
            self._room.require(len(piece), written)
            draft = self._incoming.create() if file is None else file
            try:
                draft.write(piece)
            except BaseException:
                if file is None:
                    draft.close()
                raise
        return draft


@implementer(IReceivedFile)
class DiskReceivedFile:
    """A whole file: `data` in memory, or a draft in the folder; neither once it is kept or discarded."""

    def __init__(
        self,
        found: StoredBytes,
        drafts: Drafts,
        draft: Draft | None,
        data: bytes | None,
        open_held: Callable[[str], BinaryIO],
    ) -> None:
        self.found = found
        self.size, self.sha256, self.sha1, self.md5 = found.size, found.sha256, found.sha1, found.md5
        self.is_kept = False
        self._drafts = drafts
        self._draft = draft
        self._data = data
        self._open_held = open_held

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.size} bytes, sha256 {self.sha256}>"

    def open(self) -> BinaryIO:
        if self._data is not None:
            return io.BytesIO(self._data)
        if self.is_kept and self._draft is None:
            return self._open_held(self.sha256)
        with troubles("open what was received"):
            return open(self._require_draft().path, "rb")

    def discard(self) -> None:
        draft, self._draft, self._data = self._draft, None, None
        if draft is not None:
            draft.close()

    def draft(self) -> Draft:
        """The file to publish; bytes in memory are written now.  Raises StoreFull, StoreUnavailable."""
        if self._data is not None:
            self._draft, self._data = self._drafts.add(None, self._data, 0), None
        return self._require_draft()

    def release_if_renamed(self) -> None:
        """Close the draft without removing it if it was renamed into place."""
        if self._draft is not None and self._draft.is_renamed:
            self.is_kept = True
            self.discard()

    def _require_draft(self) -> Draft:
        if self._draft is None:
            raise ValueError("what was received has been discarded")
        return self._draft


@implementer(IReceiving)
class DiskReceiving(Receiving):
    """Writes to a draft as soon as there is more than is kept in memory."""

    def __init__(self, drafts: Drafts, size: int | None, open_held: Callable[[str], BinaryIO]) -> None:
        super().__init__(size)
        if size is not None and size > GATHER_BYTES:
            drafts.require(size)
        self._drafts = drafts
        self._open_held = open_held
        self._draft: IncomingFile | None = None
        self._written = 0  # bytes

    def abort(self) -> None:
        draft, self._draft = self._draft, None
        if draft is not None:
            draft.close()

    def _write_piece(self, piece: bytes) -> None:
        self._draft = self._drafts.add(self._draft, piece, self._written)
        self._written += len(piece)

    def _received(self, found: StoredBytes, last: bytes) -> IReceivedFile:
        data: bytes | None = last
        if self._draft is not None:
            self._write_piece(last)
            data = None
        draft, self._draft = self._draft, None
        return DiskReceivedFile(found, self._drafts, draft, data, self._open_held)
