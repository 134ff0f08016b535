"""A byte store that forgets everything when its process ends: for tests and trials."""

import io
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256 as sha256_of
from threading import RLock
from typing import BinaryIO

from zope.interface import implementer

from librarian.interfaces import IClock
from librarian.store import hashing
from librarian.store.disk.drafts import Draft
from librarian.store.disk.partials import PartialFiles
from librarian.store.interfaces import (
    BytesDamaged,
    BytesNotFound,
    IByteStore,
    IReceivedFile,
    IReceiving,
    StoredBytes,
)
from librarian.store.receiving import GATHER_BYTES, PutsByReceiving, Receiving
from librarian.store.room import quota_exhausted


@dataclass(frozen=True, slots=True)
class _Held:
    data: bytes
    stored_at: datetime


@implementer(IReceivedFile)
class MemoryReceivedFile:
    """A whole file."""

    def __init__(self, found: StoredBytes, data: bytes) -> None:
        self.found = found
        self.size, self.sha256, self.sha1, self.md5 = found.size, found.sha256, found.sha1, found.md5
        self._data: bytes | None = data
        self._is_kept = False

    def open(self) -> BinaryIO:
        return io.BytesIO(self._require())

    def discard(self) -> None:
        if not self._is_kept:
            self._data = None

    def keep(self) -> bytes:
        """The bytes, which can no longer be discarded."""
        data = self._require()
        self._is_kept = True
        return data

    def _require(self) -> bytes:
        if self._data is None:
            raise ValueError("what was received has been discarded")
        return self._data


class MemoryPartialFile(MemoryReceivedFile):
    """A partial upload that is whole; its file goes when the bytes are kept."""

    def __init__(self, found: StoredBytes, draft: Draft) -> None:
        with open(draft.path, "rb") as file:
            super().__init__(found, file.read())
        self._draft = draft

    def keep(self) -> bytes:
        """As MemoryReceivedFile has it."""
        os.unlink(self._draft.path)
        return super().keep()


class _MemoryRoom:
    """The room of a memory store, for its partial uploads."""

    def __init__(self, store: "weakref.ref[MemoryStore]") -> None:
        self._store = store

    def require(self, more: int, written: int = 0) -> None:
        store = self._store()
        if store is not None:
            store.require(written + more)

    @contextmanager
    def changing(self, difference: int) -> Iterator[None]:
        yield


@implementer(IReceiving)
class MemoryReceiving(Receiving):
    """`require` raises StoreFull unless so many bytes fit beside what is held."""

    def __init__(self, require: Callable[[int], None], size: int | None) -> None:
        super().__init__(size)
        if size is not None and size > GATHER_BYTES:
            require(size)
        self._require = require
        self._arrived = io.BytesIO()

    def abort(self) -> None:
        self._arrived = io.BytesIO()

    def _write_piece(self, piece: bytes) -> None:
        self._require(self._arrived.tell() + len(piece))
        self._arrived.write(piece)

    def _received(self, found: StoredBytes, last: bytes) -> IReceivedFile:
        self._arrived.write(last)
        return MemoryReceivedFile(found, self._arrived.getvalue())


@implementer(IByteStore)
class MemoryStore(PutsByReceiving):
    """Bytes in dictionaries of one process.  `quota` limits their sum, in bytes."""

    verifies_reads = False
    is_shared = False

    def __init__(self, clock: IClock, quota: int | None = None) -> None:
        self._clock = clock
        self._quota = quota
        self._lock = RLock()
        self._held: dict[str, _Held] = {}
        self._quarantined: dict[str, _Held] = {}
        self._fresh: set[str] = set()
        self._installation: str | None = None
        self._partials: PartialFiles | None = None

    @property
    def partials(self) -> PartialFiles:
        """Partial uploads are files all the same, in a temporary folder that goes with the store."""
        with self._lock:
            if self._partials is None:
                folder = tempfile.mkdtemp(prefix="librarian-partial-")
                weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
                self._partials = PartialFiles(folder, _MemoryRoom(weakref.ref(self)), MemoryPartialFile)
            return self._partials

    def receive(self, size: int | None = None) -> "MemoryReceiving":
        return MemoryReceiving(self.require, size)

    def keep(
        self,
        received: IReceivedFile,
        *,
        sha256: str | None = None,
        sha1: str | None = None,
        md5: str | None = None,
    ) -> StoredBytes:
        assert isinstance(received, MemoryReceivedFile)
        found = received.found
        hashing.check_digests(found, sha256=sha256, sha1=sha1, md5=md5)
        with self._lock:
            if not isinstance(received, MemoryPartialFile):
                self.require(found.size)
            data = received.keep()
            self._quarantined.pop(found.sha256, None)
            if found.sha256 not in self._held:
                self._fresh.add(found.sha256)
            self._held[found.sha256] = _Held(data, self._clock.now())
        return found

    def open(self, sha256: str) -> BinaryIO:
        return io.BytesIO(self._find(sha256).data)

    def size(self, sha256: str) -> int:
        return len(self._find(sha256).data)

    def stored_at(self, sha256: str) -> datetime:
        return self._find(sha256).stored_at

    def remove(self, sha256: str, *, stored_before: datetime | None = None) -> bool:
        removed = False
        with self._lock:
            for files in (self._held, self._quarantined):
                found = files.get(sha256)
                if found and (stored_before is None or found.stored_at < stored_before):
                    del files[sha256]
                    removed = True
        return removed

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._held

    def __iter__(self) -> Iterator[str]:
        with self._lock:
            held = sorted(self._held)
        return iter(held)

    def verify(self, sha256: str, progress: Callable[[int], object] | None = None) -> int:
        data = self._find(sha256).data
        if progress is not None:
            progress(len(data))
        if sha256_of(data).hexdigest() != sha256:
            raise BytesDamaged(sha256)
        return len(data)

    def quarantine(self, sha256: str) -> bool:
        with self._lock:
            if sha256 in self._quarantined:
                return False
            try:
                self.verify(sha256)
            except BytesDamaged:
                self._quarantined[sha256] = self._held.pop(sha256)
                return True
        return False

    def quarantined(self) -> Iterator[str]:
        with self._lock:
            found = sorted(self._quarantined)
        return iter(found)

    def fresh(self) -> Iterator[str]:
        with self._lock:
            found, self._fresh = sorted(self._fresh), set()
        return iter(found)

    def strays(self) -> Iterator[str]:
        """Nothing: no other program has access to the memory of this process."""
        return iter(())

    def clear_incoming(self, older_than: timedelta) -> int:
        """As IByteStore has it; other unfinished files than partial uploads end with the process."""
        return self.partials.clear(older_than)

    def check(self) -> None:
        self.require(1)

    def spool(self) -> BinaryIO:
        return io.BytesIO()

    def room(self) -> int | None:
        return None if self._quota is None else max(self._quota - self.recount(), 0)

    def installation(self) -> str | None:
        return self._installation

    def join(self, installation: str, *, anew: bool = False) -> str:
        with self._lock:
            if self._installation is None or anew:
                self._installation = installation
            return self._installation

    def recount(self) -> int:
        with self._lock:
            files = (*self._held.values(), *self._quarantined.values())
            return sum(len(held.data) for held in files) + sum(
                self._partials.sizes() if self._partials else ()
            )

    def _find(self, sha256: str) -> _Held:
        with self._lock:
            if sha256 in self._quarantined:
                raise BytesDamaged(sha256)
            if sha256 not in self._held:
                raise BytesNotFound(sha256)
            return self._held[sha256]

    def require(self, more: int) -> None:
        """Raise StoreFull unless `more` bytes fit beside what is held."""
        if self._quota is not None and self.recount() + more > self._quota:
            raise quota_exhausted(self._quota)
