"""Reading the body of an upload, which may be gzip, and keeping it only if it is what it says it is."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import RawIOBase
from typing import Any, BinaryIO, cast

from librarian.store.disk.form_files import Spooled
from librarian.store.interfaces import DigestMismatch, IByteStore, SizeMismatch, StoredBytes
from librarian.tracker.client.errors import GzipDamaged, GzipTooLong
from librarian.tracker.client.wire.gunzip import GunzipReader
from librarian.tracker.interfaces import BadUpload, Declared

_IN_MEMORY = 1 << 20  # bytes of a packed body kept in memory before a file of the store's is used
_WORTH_KEEPING = 0.9  # packed size over plain size, above which keeping both makes no sense


@dataclass(frozen=True, slots=True)
class Stored:
    """The durable bytes of an upload; `packed` are the same as gzip."""

    plain: StoredBytes
    packed: StoredBytes | None = None


class Body(RawIOBase):
    """A request body that ends after `size` bytes, whatever the server's stream does there.

    `copy` gets what is read.  Without a size it ends where the stream does; with one, a stream that
    ends before raises BadUpload.
    """

    def __init__(self, stream: Any, size: int | None, copy: BinaryIO | None = None) -> None:
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
) -> Stored:
    """Make the bytes durable.  Raises BadUpload, and whatever the store raises.

    A packed body is unpacked on the way, at most to `limit` bytes; memory does not grow with either
    size.  The packed bytes are kept too, if that is wanted and they are smaller.
    """
    if not declared.packed:
        with _explained():
            return Stored(store.put(stream, size=declared.size, sha256=declared.sha256))
    with closing(Spooled(store, _IN_MEMORY)) as spool:
        copy: BinaryIO | None = cast(BinaryIO, spool) if keep_packed and _may_be_kept(declared) else None
        body = Body(stream, declared.packed_size, copy)
        with _explained():
            plain = store.put(
                cast(BinaryIO, GunzipReader(body.read, limit)), size=declared.size, sha256=declared.sha256
            )
            packed_size = spool.tell()
            if copy is None or packed_size > _WORTH_KEEPING * plain.size:
                return Stored(plain)
            spool.seek(0)
            return Stored(plain, store.put(cast(BinaryIO, spool), size=packed_size))


def _may_be_kept(declared: Declared) -> bool:
    """False if the sizes declared say already that the packed form is hardly smaller."""
    if declared.size is None or declared.packed_size is None:
        return True
    return declared.packed_size <= _WORTH_KEEPING * declared.size


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (GzipDamaged, GzipTooLong, SizeMismatch, DigestMismatch) as error:
        raise BadUpload(str(error)) from None
