"""Reads streams in pieces, makes three digests in one pass, and compares them with declared ones."""

import errno
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from io import BufferedReader
from typing import BinaryIO

from librarian.store.interfaces import DigestMismatch, StoredBytes

CHUNK_BYTES = 1 << 20
# A second thread pays for the handing over once more than this comes (measured at 2 to 16 MiB).
INLINE_BYTES = CHUNK_BYTES

_SHA256 = re.compile("[0-9a-f]{64}")


def is_sha256(text: str) -> bool:
    """Whether `text` is spelled as the store spells its names: 64 lower-case hex digits."""
    return _SHA256.fullmatch(text) is not None


def read_chunks(stream: BinaryIO, limit: int | None = None) -> Iterator[bytes]:
    """The bytes of `stream` in pieces of CHUNK_BYTES (the last may be shorter), `limit` bytes at most.

    Streams fed by a socket give little at a time; their pieces are joined, so that hashing and
    writing always work on large ones.
    """
    left = limit
    while True:
        wanted = CHUNK_BYTES if left is None else min(CHUNK_BYTES, left)
        chunk = _read_fully(stream, wanted)
        if chunk:
            yield chunk
        if len(chunk) < CHUNK_BYTES:
            return
        left = None if left is None else left - len(chunk)


class Digests:
    """The three digests of a stream whose pieces come one by one.

    The md5, half of the work, of a large stream is computed by another thread, while the caller computes
    the other two and writes the piece.
    """

    def __init__(self) -> None:
        self._sha256, self._sha1, self._md5 = (
            hashlib.new(name, usedforsecurity=False) for name in ("sha256", "sha1", "md5")
        )
        self._pending: Future[None] | None = None
        self._size = 0  # bytes

    def update(self, piece: bytes) -> None:
        """Take a piece into account; the bytes must not change afterwards."""
        self._finish_pending()
        self._size += len(piece)
        if self._size > INLINE_BYTES:
            self._pending = _md5_threads().submit(self._md5.update, piece)
        else:
            self._md5.update(piece)
        self._sha256.update(piece)
        self._sha1.update(piece)

    def found(self) -> StoredBytes:
        """The size and digests of all pieces together."""
        self._finish_pending()
        return StoredBytes(
            self._sha256.hexdigest(), self._sha1.hexdigest(), self._md5.hexdigest(), self._size
        )

    def _finish_pending(self) -> None:
        """Wait for the piece before, and raise what went wrong: one left out would give a false digest."""
        if self._pending is not None:
            self._pending.result()
            self._pending = None


@cache
def _md5_threads() -> ThreadPoolExecutor:
    """The threads that make MD5 digests, shared by all streams: most wait for slow clients."""
    return ThreadPoolExecutor(os.cpu_count() or 2, "librarian-md5")


# Threads do not survive a fork; the child starts its own.
os.register_at_fork(after_in_child=_md5_threads.cache_clear)


def sha256_of(file: BufferedReader, progress: Callable[[int], object] | None = None) -> str:
    """The SHA-256, in hex, of the rest of a file; `progress` gets the size of each piece."""
    if progress is None:
        return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for chunk in read_chunks(file):
        digest.update(chunk)
        progress(len(chunk))
    return digest.hexdigest()


def check_digests(found: StoredBytes, *, sha256: str | None, sha1: str | None, md5: str | None) -> None:
    """Raise DigestMismatch for the first declared digest (hex, either case) that is not the one found."""
    for algorithm, declared in (("sha256", sha256), ("sha1", sha1), ("md5", md5)):
        actual: str = getattr(found, algorithm)
        if declared is not None and declared.lower() != actual:
            raise DigestMismatch(algorithm, declared, actual)


def _read_fully(stream: BinaryIO, wanted: int) -> bytes:
    """`wanted` bytes, or fewer at the end of the stream."""
    pieces: list[bytes] = []
    missing = wanted
    while missing > 0 and (piece := _read_some(stream, missing)):
        pieces.append(piece)
        missing -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _read_some(stream: BinaryIO, most: int) -> bytes:
    piece: bytes | None = stream.read(most)
    if piece is None:
        # A non-blocking stream with nothing to give yet; taken for the end, it would cut the file short.
        raise BlockingIOError(errno.EAGAIN, "the stream has no bytes yet: a blocking one is needed")
    return piece
