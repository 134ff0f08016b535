"""The cache itself: which way an object goes, and what happens beside the readers."""

import logging
from collections.abc import Callable
from contextlib import closing, suppress
from io import BufferedReader
from pathlib import Path
from threading import Lock
from typing import BinaryIO, cast

from zope.interface import implementer

from librarian.store import hashing
from librarian.store.cache.beside import Beside
from librarian.store.cache.entries import Entries
from librarian.store.cache.fetching import Check, Filler
from librarian.store.cache.interfaces import IByteCache, Read, Size
from librarian.store.cache.slices import SliceCheck, SlicedFile, SliceMap
from librarian.store.disk.troubles import troubles
from librarian.store.interfaces import BytesDamaged, BytesNotFound

log = logging.getLogger(__name__)

WHOLE_BYTES = 32 << 20
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
        self._lock = Lock()
        self._since_trim = limit  # bytes; the first thing that is fetched shows how large the cache is
        self._beside = Beside()
        with troubles("prepare the cache"):
            self._entries.prepare()

    def open(self, sha256: str, size: Size, read: Read) -> BinaryIO:
        if not hashing.is_sha256(sha256):
            raise BytesNotFound(sha256)
        with troubles("read the cache"):
            # Its size is not known here; the digest alone tells all.
            found = self._filler.held(sha256, _Named(sha256))
            if found is not None:
                return found
            slices = self._slice_map(sha256) or self._asked(sha256, size)
        if slices.size > self._whole_bytes:
            return self._sliced(slices, read)
        return self._filler.open(sha256, Check(sha256, slices.size), lambda: read(0, None))

    def forget(self, sha256: str) -> None:
        if hashing.is_sha256(sha256):
            with troubles("forget"):
                self._entries.drop(sha256)
                self._entries.drop_slices(sha256)

    def trim(self) -> int:
        with troubles("trim the cache"):
            return self._entries.trim(self._limit)

    def finish(self) -> None:
        self._beside.finish()

    def _asked(self, sha256: str, size: Size) -> SliceMap:
        """What the remote store knows of an object; kept if it is large."""
        slices = SliceMap(sha256, size())
        if slices.size > self._whole_bytes:
            self._keep_map(slices)
        return slices

    def _slice_map(self, sha256: str) -> SliceMap | None:
        name = SliceMap(sha256, 0).name("digests")
        file = self._entries.open(name)
        if file is None:
            return None
        with file:
            found = SliceMap.unpacked(sha256, file.read())
        if found is None:
            self._entries.drop(name)
        return found

    def _keep_map(self, slices: SliceMap) -> None:
        with closing(self._entries.create()) as draft:
            draft.write(slices.packed())
            self._entries.publish(draft, slices.name("digests"))

    def _sliced(self, slices: SliceMap, read: Read) -> BufferedReader:
        def open_slice(number: int) -> BufferedReader:
            start, stop = slices.bounds(number)
            check = SliceCheck(slices, number)
            name = slices.name(number)
            return self._filler.open(name, check, lambda: read(start, stop))

        def hashed(actual: str, digests: list[bytes]) -> None:
            self._judge(slices, actual, digests)

        def closed() -> None:
            if slices.digests is None:
                self._beside.start(slices.sha256, lambda: self._judge_held(slices))

        return BufferedReader(SlicedFile(slices, open_slice, hashed, closed), BUFFER_BYTES)

    def _judge(self, slices: SliceMap, actual: str, digests: list[bytes]) -> None:
        """Remember the digests of the slices if the whole of them is right; otherwise forget the slices."""
        if actual == slices.sha256:
            with troubles("write the cache"):
                self._keep_map(slices.with_digests(digests))
            return
        log.error("bytes fetched are damaged sha256=%s", slices.sha256)
        self.forget(slices.sha256)
        raise BytesDamaged(slices.sha256)

    def _judge_held(self, slices: SliceMap) -> None:
        """Judge an object that was not read in order, once all its slices are here."""
        known = self._slice_map(slices.sha256)
        if (known is not None and known.digests) or not all(
            self._entries.has(slices.name(number)) for number in range(slices.count)
        ):
            return
        # As a reader would; a slice that is evicted meanwhile ends it, and damage was logged and forgotten.
        with (
            suppress(BytesDamaged, BytesNotFound),
            BufferedReader(SlicedFile(slices, self._held_slice(slices), self._judging(slices), bool)) as file,
        ):
            for _piece in hashing.read_chunks(cast(BinaryIO, file)):
                pass

    def _held_slice(self, slices: SliceMap) -> Callable[[int], BufferedReader]:
        def held(number: int) -> BufferedReader:
            file = self._filler.held(slices.name(number), SliceCheck(slices, number))
            if file is None:
                raise BytesNotFound(slices.sha256)
            return file

        return held

    def _judging(self, slices: SliceMap) -> Callable[[str, list[bytes]], None]:
        return lambda actual, digests: self._judge(slices, actual, digests)

    def _filled(self, size: int) -> None:
        with self._lock:
            self._since_trim += size
            due = self._since_trim * TRIM_SHARE >= self._limit
            if due:
                self._since_trim = 0
        if due:
            self._beside.start("trim", self.trim)


class _Named(Check):
    """What an object must be whose size is not known."""

    def __init__(self, sha256: str) -> None:
        super().__init__(sha256, -1)

    def holds(self, file: BufferedReader) -> bool:
        return hashing.sha256_of(file) == self.sha256
