"""A remote store that tests damage, and a cache of its bytes in a folder of its own."""

import hashlib
import tempfile
import threading
import unittest
from collections.abc import Callable, Iterator
from errno import EHOSTDOWN
from functools import partial
from pathlib import Path
from typing import BinaryIO

from zope.interface import implementer

from librarian.store.cache.interfaces import ISliceDigests
from librarian.store.cache.local import LocalCache
from librarian.store.cache.slices import SliceMap, Slicing
from librarian.store.interfaces import BytesNotFound, StoreUnavailable

MIB = 1 << 20
LIMIT = 64 * MIB
WHOLE = MIB  # larger objects go by slices


def pattern(size: int, seed: int = 0) -> bytes:
    """Bytes of which no two slices are alike."""
    block = hashlib.shake_128(b"%d" % seed).digest(min(size, MIB))
    pieces = [block[number:] + block[:number] for number in range(-(-size // MIB))]
    return b"".join(pieces)[:size]


class Remote:
    """`asked` has a line for each question; `sent` may change the bytes of an answer."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.sent: Callable[[bytes], bytes] = lambda data: data
        self.gate = threading.Event()
        self.gate.set()
        self.refuses_wholes = False
        self.digests: dict[str, bytes] = {}  # of slices, packed

    def put(self, data: bytes) -> str:
        """The SHA-256 under which `data` is to be had."""
        sha256 = hashlib.sha256(data).hexdigest()
        self.held[sha256] = data
        return sha256

    def put_with_digests(self, data: bytes) -> str:
        """As put(), by a store that keeps digests of slices."""
        sha256 = self.put(data)
        slicing = Slicing(SliceMap(sha256, len(data)))
        slicing.update(data)
        found = slicing.found()
        assert found is not None
        self.digests[sha256] = found.packed()
        return sha256

    def digests_of(self, sha256: str) -> "RemoteDigests":
        """Where the cache finds those of an object."""
        return RemoteDigests(self.digests, sha256)

    def size(self, sha256: str) -> int:
        """The number of bytes of an object."""
        self.asked.append("size")
        return len(self._found(sha256))

    def get(self, sha256: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` to `stop`, by the MiB."""
        self.asked.append(f"{start // MIB}-{'' if stop is None else -(-stop // MIB)}")
        if stop is None and self.refuses_wholes:
            raise StoreUnavailable(EHOSTDOWN, "the byte store is unavailable")
        data = self.sent(self._found(sha256)[start:stop])
        for at in range(0, len(data), MIB):
            self.gate.wait(30)
            yield data[at : at + MIB]

    def _found(self, sha256: str) -> bytes:
        try:
            return self.held[sha256]
        except KeyError:
            raise BytesNotFound(sha256) from None


@implementer(ISliceDigests)
class RemoteDigests:
    def __init__(self, held: dict[str, bytes], sha256: str) -> None:
        self._held = held
        self._sha256 = sha256

    def load(self) -> bytes | None:
        return self._held.get(self._sha256)

    def save(self, packed: bytes) -> None:
        self._held[self._sha256] = packed


class CacheTestCase(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.remote = Remote()
        self.cache = self.another_cache()

    def another_cache(self, limit: int = LIMIT) -> LocalCache:
        """A cache of the same folder, as another process has it."""
        cache = LocalCache(self.folder, limit, WHOLE)
        self.addCleanup(cache.finish)
        return cache

    def open(self, sha256: str, cache: LocalCache | None = None) -> BinaryIO:
        """An object through the cache."""
        asked = cache or self.cache
        size, get = partial(self.remote.size, sha256), partial(self.remote.get, sha256)
        return asked.open(sha256, size, get, self.remote.digests_of(sha256))

    def read(self, sha256: str) -> bytes:
        """The whole of an object through the cache."""
        with self.open(sha256) as file:
            return file.read()

    def read_at(self, sha256: str, start: int, size: int) -> bytes:
        """A range of an object through the cache."""
        with self.open(sha256) as file:
            file.seek(start)
            return file.read(size)

    def entry(self, name: str) -> Path:
        """The file of an entry."""
        return self.folder / "entries" / name[:2] / name

    def files(self, below: str) -> list[str]:
        """The names of the files in a part of the folder."""
        return sorted(path.name for path in (self.folder / below).rglob("*") if path.is_file())
