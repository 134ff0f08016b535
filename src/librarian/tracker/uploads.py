"""Storing the body of an upload, which may be gzip, if it agrees with what was declared."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import RawIOBase
from typing import Any, BinaryIO, cast

from librarian.store.interfaces import (
    DigestMismatch,
    IByteStore,
    IReceiving,
    SizeMismatch,
    StoredBytes,
)
from librarian.store.receiving import keep_or_put
from librarian.tracker.client.interfaces import GzipDamaged, GzipTooLong
from librarian.tracker.client.wire.gunzip import GunzipReader
from librarian.tracker.interfaces import BadUpload, Declared
from librarian.tracker.protocol import SMALLEST_PACKED
from librarian.tracker.unpacking import UnpackedFile

_WORTH_KEEPING = 0.9  # packed size over plain size; above it the gzip form is not stored


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """The durable bytes of an upload; `packed` is the same file as gzip, if that is kept."""

    plain: StoredBytes
    packed: StoredBytes | None = None


class Body(RawIOBase):
    """A request body that ends after `size` bytes, also where the server's stream goes on.

    What is read is also written to `copy`.  Without a size it ends where the stream does; with one,
    a stream that ends earlier raises BadUpload.
    """

    def __init__(self, stream: Any, size: int | None, copy: IReceiving | None = None) -> None:
        super().__init__()
        self._stream = stream
        self._left = size
        self._copy = copy

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._left is not None:
            size = self._left if size < 0 else min(size, self._left)
        block: bytes = self._stream.read(size) if size else b""
        if self._left is not None:
            if size and not block:
                raise BadUpload("the body is shorter than its Content-Length")
            self._left -= len(block)
        if self._copy is not None:
            self._copy.write(block)
        return block


def store_upload(
    store: IByteStore, stream: BinaryIO, declared: Declared, limit: int, keep_packed: bool
) -> StoredUpload:
    """Make the bytes of `stream` durable.  Raises BadUpload, and the errors of IByteStore.put().

    A gzip body is unpacked while it is read, to at most `limit` bytes, in constant memory.  With
    `keep_packed` the gzip form is stored too if the file is large enough to be sent packed, and the form is
    notably smaller.  What was received is not copied.
    """
    with _explained():
        if not declared.packed:
            return StoredUpload(keep_or_put(store, stream, size=declared.size, sha256=declared.sha256))
        received: Any = getattr(stream, "received", None)
        if isinstance(received, UnpackedFile):
            return _keep_unpacked(store, received, declared, keep_packed)
        if received is None:
            return _unpack_stream(store, stream, declared, limit, keep_packed)
        with received.open() as file:
            plain = _store_unpacked(store, file, declared, limit)
        if not keep_packed or not _is_worth_keeping(received.size, plain.size):
            return StoredUpload(plain)
        return StoredUpload(plain, store.keep(received))


def _keep_unpacked(
    store: IByteStore, received: UnpackedFile, declared: Declared, keep_packed: bool
) -> StoredUpload:
    if received.error is not None:
        raise received.error
    assert received.plain is not None  # without an error there is one
    plain: StoredBytes = store.keep(received.plain, sha256=declared.sha256)
    worthy = keep_packed and _is_worth_keeping(received.size, plain.size)
    if received.packed is None or not worthy:
        return StoredUpload(plain)
    return StoredUpload(plain, store.keep(received.packed))


def _unpack_stream(
    store: IByteStore, stream: BinaryIO, declared: Declared, limit: int, keep_packed: bool
) -> StoredUpload:
    if not keep_packed or not may_be_kept(declared):
        return StoredUpload(_store_unpacked(store, Body(stream, declared.packed_size), declared, limit))
    copy = store.receive()
    try:
        plain = _store_unpacked(store, Body(stream, declared.packed_size, copy), declared, limit)
        if not _is_worth_keeping(copy.size, plain.size):
            return StoredUpload(plain)
        packed = copy.finish()
    finally:
        copy.abort()
    try:
        return StoredUpload(plain, store.keep(packed))
    finally:
        packed.discard()


def _store_unpacked(store: IByteStore, body: Any, declared: Declared, limit: int) -> StoredBytes:
    plain = cast(BinaryIO, GunzipReader(body.read, limit))
    stored: StoredBytes = store.put(plain, size=declared.size, sha256=declared.sha256)
    return stored


def may_be_kept(declared: Declared) -> bool:
    """False if the declared sizes show that the gzip form is not worth keeping."""
    if declared.size is None or declared.packed_size is None:
        return True
    return _is_worth_keeping(declared.packed_size, declared.size)


def _is_worth_keeping(packed_size: int, size: int) -> bool:
    """A small file is sent plain, so a packed form would be a second durable file for nothing."""
    return size >= SMALLEST_PACKED and packed_size <= _WORTH_KEEPING * size


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (GzipDamaged, GzipTooLong, SizeMismatch, DigestMismatch) as error:
        raise BadUpload(str(error)) from None
