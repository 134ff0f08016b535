"""The cache itself: which way an object goes, and what happens beside the readers."""

from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from zope.interface import implementer

from librarian.store import hashing
from librarian.store.cache.beside import Beside
from librarian.store.cache.entries import Entries
from librarian.store.cache.fetching import Check, Filler
from librarian.store.cache.interfaces import IByteCache, ISliceDigests, Read, Size
from librarian.store.cache.slices import WHOLE_BYTES, SliceCheck, SlicedFile, SliceMap
from librarian.store.cache.wholes import Wholes
from librarian.store.disk.troubles import troubles
from librarian.store.interfaces import BytesNotFound, StoreTrouble

TRIM_SHARE = 20  # a process looks whether the limit holds after each 1/20 of it that it has fetched
BUFFER_BYTES = 1 << 18


@implementer(IByteCache)
class LocalCache:
    """Keeps up to `limit` bytes below `folder`; objects of more than `whole_bytes` in slices."""

    def __init__(self, folder: Path, limit: int, whole_bytes: int = WHOLE_BYTES) -> None:
        self._entries = Entries(folder)
        self._limit = limit
        self._whole_bytes = whole_bytes
        self._filler = Filler(self._entries, limit, self._filled)
        self._wholes = Wholes(self._entries, self._filler, self.forget)
        self._lock = Lock()
        self._since_trim = limit  # bytes; the first thing that is fetched shows how large the cache is
        self._beside = Beside()
        with troubles("prepare the cache"):
            self._entries.prepare()

    def open(self, sha256: str, size: Size, read: Read, digests: ISliceDigests | None = None) -> BinaryIO:
        if not hashing.is_sha256(sha256):
            raise BytesNotFound(sha256)
        with troubles("read the cache"):
            # Its size is not known here; the digest alone tells all.
            found = self._filler.held(sha256, _Named(sha256))
            if found is not None:
                return found
            kept = digests or NoDigests()
            slices = self._asked(sha256, size, kept)
        if slices.size > self._whole_bytes:
            return self._sliced(slices, read, kept)
        return self._filler.open(sha256, Check(sha256, slices.size), lambda: read(0, None))

    def open_descriptor(self, sha256: str) -> int:
        if not hashing.is_sha256(sha256):
            raise BytesNotFound(sha256)
        try:
            return self._entries.open_descriptor(sha256)
        except FileNotFoundError:
            raise BytesNotFound(sha256) from None

    def forget(self, sha256: str) -> None:
        if hashing.is_sha256(sha256):
            with troubles("forget"):
                self._entries.drop(sha256)
                self._entries.drop_slices(sha256)

    def trim(self) -> int:
        with troubles("trim the cache"):
            return self._entries.trim(self._limit)

    def finish(self) -> None:
        self._wholes.finish()
        self._beside.finish()

    def _asked(self, sha256: str, size: Size, digests: ISliceDigests) -> SliceMap:
        """What the remote store knows of an object; kept if it is large."""
        known = self._wholes.map_of(sha256)
        if known is not None:
            return known if known.digests else self._completed(known, digests)
        slices = SliceMap(sha256, size())
        if slices.size > self._whole_bytes:
            slices = slices.stated(digests.load())
            self._wholes.keep(slices)
        return slices

    def _completed(self, known: SliceMap, digests: ISliceDigests) -> SliceMap:
        """The map with the digests that another machine has made meanwhile."""
        with suppress(StoreTrouble):  # what is here is given also while the store is away
            found = known.stated(digests.load())
            if found.digests:
                self._wholes.learned(found)
                return found
        return known

    def _sliced(self, slices: SliceMap, read: Read, digests: ISliceDigests) -> BufferedReader:
        is_read = False

        def open_slice(number: int) -> BufferedReader:
            nonlocal is_read
            is_read = True
            start, stop = slices.bounds(number)
            check = SliceCheck(slices, number)
            name = slices.name(number)
            return self._filler.open(name, check, lambda: read(start, stop))

        def hashed(actual: str, found: list[bytes]) -> None:
            self._wholes.judge(slices, digests, actual, found)

        def closed() -> None:
            if is_read and slices.digests is None:
                self._wholes.learn(slices, read, digests)

        return BufferedReader(SlicedFile(slices, open_slice, hashed, closed), BUFFER_BYTES)

    def _filled(self, size: int) -> None:
        with self._lock:
            self._since_trim += size
            due = self._since_trim * TRIM_SHARE >= self._limit
            if due:
                self._since_trim = 0
        if due:
            self._beside.start("trim", self.trim)


@implementer(ISliceDigests)
class NoDigests:
    """Of a remote store that keeps none."""

    def load(self) -> bytes | None:
        return None

    def save(self, packed: bytes) -> None:
        """Nowhere."""


class _Named(Check):
    """What an object must be whose size is not known."""

    def __init__(self, sha256: str) -> None:
        super().__init__(sha256, -1)

    def holds(self, file: BufferedReader) -> bool:
        return hashing.sha256_of(file) == self.sha256
