"""gzip of untrusted peers."""

import gzip
import io
import tracemalloc
import unittest
import zlib
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from librarian.tracker.client.interfaces import GzipDamaged, GzipTooLong
from librarian.tracker.client.wire.gunzip import GunzipReader


def unpack(packed: bytes, limit: int | None = None, step: int = 65536, at_once: int = 65536) -> bytes:
    source = io.BytesIO(packed)
    reader = GunzipReader(lambda size: source.read(min(size, step)), limit)
    return b"".join(iter(lambda: reader.read(at_once) or b"", b""))


class GunzipTests(unittest.TestCase):
    @settings(deadline=None)
    @given(
        st.lists(st.binary(max_size=5000), min_size=1, max_size=4), st.integers(1, 300), st.integers(1, 7000)
    )
    def test_members_in_any_slices(self, parts: list[bytes], step: int, at_once: int) -> None:
        packed = b"".join(gzip.compress(part) for part in parts)
        plain = b"".join(parts)
        self.assertEqual(unpack(packed, len(plain), step, at_once), plain)

    def test_each_truncation_is_noticed(self) -> None:
        packed = gzip.compress(Random(1).randbytes(300) + b"x" * 300)
        for end in range(len(packed)):
            with self.subTest(end), self.assertRaises(GzipDamaged):
                unpack(packed[:end])

    def test_each_changed_byte_is_noticed(self) -> None:
        plain = Random(2).randbytes(200) + b"y" * 200
        packed = gzip.compress(plain)
        for at in range(10, len(packed)):
            with self.subTest(at), self.assertRaises(GzipDamaged):
                unpack(packed[:at] + bytes([packed[at] ^ 0x55]) + packed[at + 1 :])

    def test_not_gzip(self) -> None:
        for packed in (b"", b"plain", zlib.compress(b"zlib"), gzip.compress(b"a") + b"tail", b"\0" * 100):
            with self.subTest(packed), self.assertRaises(GzipDamaged):
                unpack(packed)

    def test_limit(self) -> None:
        packed = gzip.compress(b"z" * 1000)
        self.assertEqual(len(unpack(packed, 1000)), 1000)
        with self.assertRaises(GzipTooLong) as caught:
            unpack(packed, 999)
        self.assertEqual(caught.exception.limit, 999)

    def test_a_bomb_takes_little_memory(self) -> None:
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        zeros = bytes(1 << 20)
        bomb = b"".join([packer.compress(zeros) for _ in range(256)] + [packer.flush()])
        tracemalloc.start()
        try:
            with self.assertRaises(GzipTooLong):
                unpack(bomb, 10 << 20)
            _now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        self.assertLess(peak, 24 << 20)  # the ten allowed megabytes, which the test keeps, and a joint
