"""One pass over a stream: copied, counted, hashed three times, and compared with what was declared."""

import errno
import hashlib
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from io import BufferedReader
from typing import BinaryIO

from librarian.store.interfaces import DigestMismatch, SizeMismatch, StoredBytes

CHUNK_BYTES = 1 << 20
# Three threads pay for their start once more than one piece comes (measured at 2 to 16 MiB).
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


def copy_and_hash(
    stream: BinaryIO, write: Callable[[bytes], object], *, size: int | None = None
) -> StoredBytes:
    """Hand the bytes of `stream` to `write`, a piece at a time, and tell what they were.

    With `size` declared, at most `size` + 1 bytes are read and another count raises SizeMismatch.
    Memory stays at a few pieces, whatever the length.
    """
    hashes = [hashlib.new(name, usedforsecurity=False) for name in ("sha256", "sha1", "md5")]
    count = 0
    with ExitStack() as stack:
        pool: ThreadPoolExecutor | None = None
        hashing: list[Future[None]] = []
        for chunk in read_chunks(stream, None if size is None else size + 1):
            if pool is None and count >= INLINE_BYTES:
                # hashlib releases the interpreter lock, so the three run side by side, and beside the
                # writing and the reading of the next piece.  The threads live for one stream only:
                # a pool kept for longer would be dead in a forked server process.
                pool = stack.enter_context(ThreadPoolExecutor(len(hashes), "librarian-hash"))
            _finish(hashing)
            if pool is None:
                for digest in hashes:
                    digest.update(chunk)
            else:
                hashing = [pool.submit(digest.update, chunk) for digest in hashes]
            write(chunk)
            count += len(chunk)
        _finish(hashing)
    if size is not None and count != size:
        raise SizeMismatch(size, count)
    sha256, sha1, md5 = (digest.hexdigest() for digest in hashes)
    return StoredBytes(sha256, sha1, md5, count)


def sha256_of(file: BufferedReader, progress: Callable[[int], object] | None = None) -> str:
    """The SHA-256, in hex, of what a file still holds; `progress` gets the size of each piece."""
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


def _finish(hashing: list[Future[None]]) -> None:
    """Wait for all, and raise what went wrong in any: a piece left out would give a false digest."""
    for update in hashing:
        update.result()


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
