"""A large object of a remote store, read in slices."""

import hashlib
import io
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from io import BufferedReader
from typing import Any

from librarian.store import hashing
from librarian.store.cache.fetching import Check, received
from librarian.store.disk.incoming import IncomingFile
from librarian.store.interfaces import BytesDamaged

WHOLE_BYTES = 32 << 20  # objects of up to so many bytes are not cut
SLICE_BYTES = 4 << 20
MOST_SLICES = 1 << 16  # of one object, so that a list of their digests is at most 2 MiB
DIGEST_BYTES = 32


@dataclass(frozen=True)
class SliceMap:
    """How a large object is cut; `digests` has the raw SHA-256 of each slice, None if unknown."""

    sha256: str
    size: int
    digests: tuple[bytes, ...] | None = None

    @property
    def slice_bytes(self) -> int:
        """The size of all slices but the last: a power of two."""
        size = SLICE_BYTES
        while size * MOST_SLICES < self.size:
            size *= 2
        return size

    @property
    def count(self) -> int:
        """The number of slices."""
        return -(-self.size // self.slice_bytes)

    def bounds(self, number: int) -> tuple[int, int]:
        """The first byte of a slice, and the one after its last."""
        start = number * self.slice_bytes
        return start, min(start + self.slice_bytes, self.size)

    def name(self, number: int | str) -> str:
        """The entry of a slice, or of the map itself, which is called ``digests``."""
        return f"{self.sha256}.d/{number}"

    def with_digests(self, digests: Iterable[bytes]) -> "SliceMap":
        """The same, with the digests of the slices."""
        return replace(self, digests=tuple(digests))

    def packed(self) -> bytes:
        """The map as its entry holds it: the size, the digests, and the SHA-256 of both."""
        plain = b"%d\n" % self.size + b"".join(self.digests or ())
        return plain + hashlib.sha256(plain).digest()

    def stated(self, packed: bytes | None) -> "SliceMap":
        """The same with the digests that a remote store keeps, as packed() made them, if they are of it."""
        found = None if packed is None else self.unpacked(self.sha256, packed)
        if found is None or found.size != self.size or len(found.digests or ()) != self.count:
            return self
        return found

    @classmethod
    def unpacked(cls, sha256: str, data: bytes) -> "SliceMap | None":
        """The reverse of packed(); None for bytes that were damaged."""
        plain, seal = data[:-DIGEST_BYTES], data[-DIGEST_BYTES:]
        if hashlib.sha256(plain).digest() != seal:
            return None
        size, _, joined = plain.partition(b"\n")
        cuts = range(0, len(joined), DIGEST_BYTES)
        return cls(sha256, int(size), tuple(joined[at : at + DIGEST_BYTES] for at in cuts) or None)


class Slicing:
    """Hashes an object whose bytes come in order: as a whole, and each slice."""

    def __init__(self, slices: SliceMap) -> None:
        self._slices = slices
        self._whole = hashlib.sha256()
        self._slice = hashlib.sha256()
        self._left = slices.slice_bytes
        self._digests: list[bytes] = []

    def update(self, piece: bytes) -> None:
        """Take the next bytes into account."""
        self._whole.update(piece)
        view = memoryview(piece)
        while len(view) >= self._left:
            self._slice.update(view[: self._left])
            view = view[self._left :]
            self._begin_next()
        self._slice.update(view)
        self._left -= len(view)

    def found(self) -> SliceMap | None:
        """The map with the digests of all slices, at the end; None if the whole is not what it must be."""
        if self._whole.hexdigest() != self._slices.sha256:
            return None
        if self._left != self._slices.slice_bytes:
            self._begin_next()
        return self._slices.with_digests(self._digests)

    def _begin_next(self) -> None:
        self._digests.append(self._slice.digest())
        self._slice, self._left = hashlib.sha256(), self._slices.slice_bytes


class SliceCheck(Check):
    """What a slice must be: its bytes, then their raw SHA-256, which is the known one if there is any."""

    def __init__(self, slices: SliceMap, number: int) -> None:
        start, stop = slices.bounds(number)
        super().__init__(slices.sha256, stop - start)
        self._digest = slices.digests[number] if slices.digests else None

    def holds(self, file: BufferedReader) -> bool:
        """Whether an entry that is at its beginning is right."""
        if os.fstat(file.fileno()).st_size != self.size + DIGEST_BYTES:
            return False
        digest = hashlib.sha256()
        for piece in hashing.read_chunks(file, self.size):
            digest.update(piece)
        found = digest.digest()
        return file.read(DIGEST_BYTES) == found and self._digest in (None, found)

    def receive(self, draft: IncomingFile, pieces: Iterable[bytes]) -> bool:
        """Write what is fetched; whether it may be right."""
        found = received(draft, pieces, self.size)
        if found is None or self._digest not in (None, bytes.fromhex(found)):
            return False
        draft.write(bytes.fromhex(found))
        return True


class SlicedFile(io.RawIOBase):
    """Opens a slice when it is read, and hashes what is read in order from the beginning.

    `open_slice` opens a slice, which is sound, by its number.  `hashed` is called when all slices were read
    in order and their digests were not known: with what the whole hashes to (hex), and the digests.  It
    raises BytesDamaged where the whole is wrong, before anything of the last slice is given.  `closed` is
    called once.
    """

    def __init__(
        self,
        slices: SliceMap,
        open_slice: Callable[[int], BufferedReader],
        hashed: Callable[[str, list[bytes]], object],
        closed: Callable[[], object],
    ) -> None:
        super().__init__()
        self._slices = slices
        self._open_slice = open_slice
        self._hashed = hashed
        self._closed = closed
        self._position = 0
        self._current: tuple[int, BufferedReader] | None = None
        self._digest = hashlib.sha256()
        self._digests: list[bytes] = []

    def readable(self) -> bool:
        """As io.IOBase has it."""
        return True

    def seekable(self) -> bool:
        """As io.IOBase has it."""
        return True

    def tell(self) -> int:
        """The position, in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As io.IOBase has it; fetches nothing."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._slices.size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """As io.RawIOBase has it, at most to the end of a slice.  Raises BytesDamaged, errors of fetching."""
        if self._position >= self._slices.size or not len(buffer):
            return 0
        number = self._position // self._slices.slice_bytes
        start, stop = self._slices.bounds(number)
        view = memoryview(buffer)[: stop - self._position]
        count = os.preadv(self._slice(number).fileno(), [view], self._position - start)
        if not count:
            raise BytesDamaged(self._slices.sha256)
        self._position += count
        return count

    def close(self) -> None:
        """As io.IOBase has it."""
        if not self.closed:
            self._leave()
            super().close()
            self._closed()

    def _slice(self, number: int) -> BufferedReader:
        if self._current is None or self._current[0] != number:
            self._leave()
            self._current = number, self._open_slice(number)
            if self._slices.digests is None and number == len(self._digests):
                try:
                    self._hash(number, self._current[1])
                except BaseException:
                    self._leave()
                    raise
        return self._current[1]

    def _hash(self, number: int, file: BufferedReader) -> None:
        start, stop = self._slices.bounds(number)
        file.seek(0)
        for piece in hashing.read_chunks(file, stop - start):
            self._digest.update(piece)
        self._digests.append(file.read(DIGEST_BYTES))
        if stop == self._slices.size:
            self._hashed(self._digest.hexdigest(), self._digests)

    def _leave(self) -> None:
        if self._current is not None:
            self._current[1].close()
            self._current = None
