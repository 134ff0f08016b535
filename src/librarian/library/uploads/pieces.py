"""A piece: the bytes of one request on their way into a partial upload."""

import hashlib
import io
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

from zope.interface import implementer

from librarian.library.uploads.interfaces import ChecksumMismatch, OffsetMismatch
from librarian.store.interfaces import IPartial, IReceivedFile, IReceiving, PartialBusy, StoredBytes
from librarian.web.interfaces import BodyRefused


@implementer(IReceivedFile)
class Held:
    """Bytes that the store holds; `opened` opens them."""

    def __init__(self, stored: StoredBytes, opened: Callable[[], BinaryIO]) -> None:
        self.sha256, self.sha1, self.md5 = stored.sha256, stored.sha1, stored.md5
        self.size = stored.size
        self._opened = opened

    def open(self) -> BinaryIO:
        """As IReceivedFile has it."""
        return self._opened()

    def discard(self) -> None:
        """They are the store's."""


class Repetition:
    """An IPartial that has come as far as `end`, for a client that has lost the last answer.

    What is written is not appended: it is compared with what came, from `offset` on.  `opened` gives that.
    """

    def __init__(self, partial: IPartial, opened: Callable[[], BinaryIO], offset: int, end: int) -> None:
        self._partial = partial
        self._opened = opened
        self._file: BinaryIO | None = None
        self._offset = self._at = offset
        self._end = end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._partial, name)

    def write(self, data: bytes) -> None:
        """Compare.  Raises BodyRefused for other bytes, BytesLost where those that came are not held."""
        if self._file is None:
            self._file = self._opened()
            self._file.seek(self._offset)
        if self._file.read(len(data)) != data:
            raise BodyRefused(409, "all bytes of this upload have come, and these are others")
        self._at += len(data)

    def settle(self) -> None:
        """Raise OffsetMismatch unless all was repeated, to the end."""
        if self._at != self._end:
            raise OffsetMismatch(self._end, self._offset)

    def hold_back(self) -> None:
        """Nothing is appended."""

    def rollback(self, size: int) -> None:
        """The same."""

    def close(self) -> None:
        """Let the next writer in."""
        if self._file is not None:
            self._file.close()
        self._partial.close()


@dataclass(frozen=True)
class Most:
    """How many bytes a piece may have at most, and what one with more is told."""

    size: int | None  # bytes; None: as many as there is room for
    reason: str = ""
    facts: Mapping[str, Any] | None = None  # that the refusal's JSON has beside
    is_final: bool = False  # no upload of more bytes can ever be complete; such a one is dropped

    def require(self, size: int) -> None:
        """Raise BodyRefused for a piece of more bytes."""
        if self.size is not None and size > self.size:
            reason = self.reason or f"this piece may have {self.size} bytes at most"
            raise BodyRefused(413, reason, self.facts)


@implementer(IReceiving, IReceivedFile)
class Piece:
    """What a server writes a body to, and then the application's to settle.

    With `digests`, lower-case hex by hashlib's names, the bytes count once they are found to be those.
    One that `begins` an upload takes it along when it is refused: by tus its client is told no URL of it.
    """

    begins = False

    def __init__(
        self,
        partial: IPartial,
        most: Most,
        digests: Mapping[str, str],
        closed: Callable[["Piece"], None],
    ) -> None:
        self.partial = partial
        self.size = 0
        self.sha256 = self.sha1 = self.md5 = ""  # of a piece they are of no use
        self._start: int = partial.size
        self._most = most
        self._digests = digests
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in digests}
        self._closed = closed
        self._lock = threading.Lock()  # against interrupt()
        self._is_open = True
        self._is_whole = self._is_over = False
        if digests:
            partial.hold_back()

    def write(self, data: bytes) -> None:
        """Append bytes.  Raises BodyRefused, StoreFull, StoreUnavailable."""
        with self._lock:
            if not self._is_open:
                raise BodyRefused(409, "another request goes on with this upload")
            self._is_over = True
            self._most.require(self.size + len(data))
            self._is_over = False
            self.partial.write(data)
            self.size += len(data)
            for digest in self._hashes.values():
                digest.update(data)

    def finish(self) -> "Piece":
        """The piece itself, from now on the application's.  Raises BodyRefused."""
        with self._lock:
            if not self._is_open:
                raise BodyRefused(409, "another request goes on with this upload")
            self._is_whole = True
        return self

    def settle(self) -> None:
        """Make the bytes durable.  Raises ChecksumMismatch, after which none of them are kept."""
        for name, declared in self._digests.items():
            if self._hashes[name].hexdigest() != declared:
                self._forget()
                raise ChecksumMismatch(name)
        self.partial.settle()

    def _forget(self) -> None:
        if self.begins:
            self.partial.discard()
        else:
            self.partial.rollback(self._start)

    def interrupt(self) -> bool:
        """End a piece that is still being received; False: it is whole, and being worked on."""
        with self._lock:
            if self._is_whole:
                return False
            self._close()
            return True

    def abort(self) -> None:
        """The request was cut: what has come of it is kept, unless it had a checksum."""
        with self._lock:
            self._close()

    def discard(self) -> None:
        """As IReceivedFile has it: at the end of the request, let the next one in."""
        self.abort()

    def open(self) -> BinaryIO:
        """Nothing to read: the bytes are where they belong."""
        return io.BytesIO()

    def _close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        try:
            if self._is_over and (self._most.is_final or self.begins):
                self.partial.discard()
            elif not self._digests:
                with suppress(PartialBusy, OffsetMismatch):  # it was discarded, or is a part of a repetition
                    self.partial.settle()
        finally:
            self.partial.close()
            self._closed(self)
