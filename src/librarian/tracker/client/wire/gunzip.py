"""Unpacking a gzip stream (RFC 1952, section 2) of an untrusted peer in bounded memory."""

import io
import zlib
from collections.abc import Callable

from librarian.tracker.client.interfaces import GzipDamaged, GzipTooLong

CHUNK = 64 * 1024  # bytes read from the packed side at a time

_GZIP_ONLY = 16 + zlib.MAX_WBITS  # zlib's code for a gzip header and trailer, and no other format


class GunzipReader(io.RawIOBase):
    """The plain bytes of a gzip stream, as a file.

    `read_packed(n)` gives up to n packed bytes, b"" at the end.  At most `limit` plain bytes come
    out: one more raises GzipTooLong, however small the packed stream is, so a decompression bomb costs one
    chunk.  Several members in a row are one stream (RFC 1952, section 2.2).  Other bytes behind the last
    member, a truncated member and a wrong CRC raise GzipDamaged.
    """

    def __init__(self, read_packed: Callable[[int], bytes], limit: int | None = None) -> None:
        super().__init__()
        self._read_packed = read_packed
        self._limit = limit
        self._unpack = zlib.decompressobj(_GZIP_ONLY)
        self._packed = b""
        self._begun = False  # whether the current member has got a byte
        self._members = 0  # members that ended with a correct CRC
        self.plain_size = 0  # bytes given out so far

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        data = self._next(len(buffer))
        self.plain_size += len(data)
        if self._limit is not None and self.plain_size > self._limit:
            raise GzipTooLong(self._limit)
        buffer[: len(data)] = data
        return len(data)

    def _next(self, size: int) -> bytes:
        while True:
            if self._unpack.eof:
                self._start_next_member()
            if not self._packed:
                self._packed = self._read_packed(CHUNK)
                if not self._packed:
                    return self._at_end(size)
            data = self._feed(size)
            if data:
                return data

    def _feed(self, size: int) -> bytes:
        self._begun = True
        try:
            data = self._unpack.decompress(self._packed, size)
        except zlib.error as error:
            raise GzipDamaged(f"damaged gzip stream: {error}") from None
        self._packed = self._unpack.unused_data if self._unpack.eof else self._unpack.unconsumed_tail
        return data

    def _at_end(self, size: int) -> bytes:
        """After the last packed byte: what zlib still has, then b"".  Raises GzipDamaged if truncated."""
        if self._begun and not self._unpack.eof:
            try:
                data = self._unpack.decompress(b"", size)
            except zlib.error as error:
                raise GzipDamaged(f"damaged gzip stream: {error}") from None
            if data or self._unpack.eof:
                return data
        if self._begun or not self._members:
            raise GzipDamaged("the gzip stream ends too early")
        return b""

    def _start_next_member(self) -> None:
        self._unpack = zlib.decompressobj(_GZIP_ONLY)
        self._begun = False
        self._members += 1
