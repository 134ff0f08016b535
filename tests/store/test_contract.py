"""What every byte store promises, asked of each of them."""

import hashlib
import io
import threading
import unittest
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, BinaryIO, cast

from zope.interface.verify import verifyObject

from librarian.interfaces import LibrarianError
from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import (
    BytesDamaged,
    BytesNotFound,
    DigestMismatch,
    IByteStore,
    SizeMismatch,
    StoredBytes,
    StoreFull,
)
from librarian.store.memory import MemoryStore
from tests.store.support import MIB, NOON, DiskStoreTestCase, HandClock, pattern, sha256_of
from tests.support.object_store import MemoryS3, memory_s3_store

# Of every length at which the copying changes its ways, and one to either side.
LENGTHS = [0, 1, 1000, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB, 5 * MIB - 1, 5 * MIB + 1]
NO_DIGESTS = [
    "",
    "abc",
    "../../etc/passwd",
    "A" * 64,
    "g" * 64,
    "0" * 63 + "\n",
    "0" * 64 + "\n",
    "/" * 64,
    "é" * 64,
]


class Dribble(io.RawIOBase):
    """A stream that never gives more than a few hundred bytes at a time, as a socket may."""

    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._inner.read(min(size, 700) if size >= 0 else 700)


class Broken(io.BytesIO):
    """A stream that gives 3 MiB and then fails, as a client that hangs up."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= 3 * MIB:
            raise ConnectionResetError(104, "Connection reset by peer")
        return super().read(size)


class Counting(io.BytesIO):
    """A stream that knows how much was taken from it."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


class Dry(io.BytesIO):
    """A non-blocking stream that has nothing to give after its first bytes."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(size) or None  # type: ignore[return-value]  # what RawIOBase.read does


def declaring(algorithm: str, digest: str) -> Any:
    """Keyword arguments of put()."""
    return {algorithm: digest}


class Contract(unittest.TestCase):
    """The promises.  Each store has a class below that says how to make and how to damage one."""

    def make(self, quota: int | None = None) -> IByteStore:
        raise NotImplementedError

    def damage(self, sha256: str) -> None:
        """Flip a bit of what `self.store` holds under a digest."""
        raise NotImplementedError

    def setUp(self) -> None:
        self.clock = HandClock()
        self.store = self.make()

    def put(self, data: bytes) -> str:
        return str(self.store.put(io.BytesIO(data)).sha256)

    def read(self, sha256: str) -> bytes:
        with self.store.open(sha256) as file:
            data: bytes = file.read()
        return data

    def held(self) -> list[str]:
        return list(self.store)

    def assert_nothing_left(self) -> None:
        """No bytes, and no trace of having tried."""
        self.assertEqual([], self.held())

    def test_it_provides_its_interface(self) -> None:
        self.assertTrue(verifyObject(IByteStore, self.store))

    def test_bytes_of_any_length_come_back_with_their_digests(self) -> None:
        for length in LENGTHS:
            with self.subTest(length=length):
                data = pattern(length)
                expected = StoredBytes(
                    sha256_of(data), hashlib.sha1(data).hexdigest(), hashlib.md5(data).hexdigest(), length
                )
                self.assertEqual(expected, self.store.put(io.BytesIO(data), size=length))
                self.assertEqual(expected, self.store.put(io.BytesIO(data)))
                self.assertEqual(data, self.read(expected.sha256))
                self.assertEqual(length, self.store.size(expected.sha256))
                self.assertEqual(length, self.store.verify(expected.sha256))
        self.assertEqual(len(LENGTHS), len(self.held()))

    def test_a_stream_that_gives_little_at_a_time_is_read_to_its_end(self) -> None:
        for length in (0, 699, 701, 3 * MIB + 1):
            data = pattern(length)
            self.assertEqual(
                sha256_of(data), self.store.put(cast(BinaryIO, Dribble(data)), size=length).sha256
            )

    def test_a_stream_without_bytes_yet_is_not_taken_for_finished(self) -> None:
        for length in (0, 10, 3 * MIB):
            with self.assertRaises(BlockingIOError):
                self.store.put(Dry(pattern(length)))
        self.assert_nothing_left()

    def test_the_stream_is_read_from_where_it_stands_and_left_open(self) -> None:
        stream = io.BytesIO(b"skipped, kept")
        stream.seek(9)
        self.assertEqual(b"kept", self.read(self.store.put(stream).sha256))
        self.assertFalse(stream.closed)

    def test_a_text_stream_is_refused(self) -> None:
        with self.assertRaises(TypeError):
            self.store.put(cast(BinaryIO, io.StringIO("text")))
        self.assert_nothing_left()

    def test_what_the_stream_raises_passes_through(self) -> None:
        with self.assertRaises(ConnectionResetError):
            self.store.put(Broken(pattern(4 * MIB)))
        self.assert_nothing_left()

    def test_fewer_bytes_than_declared(self) -> None:
        for length in (0, 41, 3 * MIB):
            with self.assertRaises(SizeMismatch) as caught:
                self.store.put(io.BytesIO(pattern(length)), size=length + 1)
            self.assertEqual((length + 1, length), (caught.exception.declared, caught.exception.read))
            self.assertEqual(
                f"size is {length + 1}, but {length} were read from the file", str(caught.exception)
            )
        self.assert_nothing_left()

    def test_more_bytes_than_declared_and_only_one_of_them_is_read(self) -> None:
        for declared in (0, 42, MIB, 3 * MIB):
            stream = Counting(pattern(declared + 100))
            with self.assertRaises(SizeMismatch) as caught:
                self.store.put(stream, size=declared)
            self.assertEqual(declared + 1, stream.taken)
            self.assertEqual(
                f"size is {declared}, but the file holds at least {declared + 1}", str(caught.exception)
            )
            self.assertIsInstance(caught.exception, AssertionError)
        self.assert_nothing_left()

    def test_declared_digests_are_compared_in_either_case(self) -> None:
        data = pattern(100)
        for name in ("sha256", "sha1", "md5"):
            right = hashlib.new(name, data).hexdigest()
            for declared in (right, right.upper()):
                self.store.put(io.BytesIO(data), **declaring(name, declared))
            self.store.remove(sha256_of(data))
            for wrong in (right[:-1] + ("0" if right[-1] != "0" else "1"), "", "../x", right + " "):
                with self.assertRaises(DigestMismatch) as caught:
                    self.store.put(io.BytesIO(data), **declaring(name, wrong))
                error = caught.exception
                self.assertEqual((name, wrong, right), (error.algorithm, error.declared, error.actual))
        self.assert_nothing_left()

    def test_a_refused_upload_leaves_what_was_held_alone(self) -> None:
        sha256 = self.put(b"held")
        self.clock.time += timedelta(days=1)
        with self.assertRaises(DigestMismatch):
            self.store.put(io.BytesIO(b"held"), md5="0" * 32)
        self.assertEqual(b"held", self.read(sha256))
        self.assertEqual(NOON, self.store.stored_at(sha256))

    def test_the_same_bytes_twice_are_one_copy_of_renewed_age(self) -> None:
        sha256 = self.put(b"again")
        self.assertEqual(NOON, self.store.stored_at(sha256))
        self.clock.time += timedelta(days=3, microseconds=1)
        self.put(b"again")
        self.assertEqual([sha256], self.held())
        self.assertEqual(self.clock.time, self.store.stored_at(sha256))

    def test_the_age_counts_from_the_end_of_the_upload(self) -> None:
        clock = self.clock

        class Slow(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                clock.time += timedelta(hours=1)
                return super().read(size)

        sha256 = self.store.put(Slow(b"slow")).sha256
        self.assertEqual(clock.time, self.store.stored_at(sha256))

    def test_what_is_no_digest_is_absent(self) -> None:
        store = self.store
        for text in [*NO_DIGESTS, "0" * 64]:
            with self.subTest(text=text):
                self.assertNotIn(text, self.store)
                self.assertFalse(self.store.remove(text))
                for method in (store.open, store.size, store.stored_at, store.verify, store.quarantine):
                    with self.assertRaises(BytesNotFound) as caught:
                        method(text)
                    self.assertEqual(text, caught.exception.sha256)
                    self.assertLess(len(str(caught.exception)), 500)
                    self.assertNotIn("\n", str(caught.exception))

    def test_an_open_file_outlives_its_removal_and_its_replacement(self) -> None:
        sha256 = self.put(b"still here")
        with self.store.open(sha256) as before:
            self.put(b"still here")
            with self.store.open(sha256) as after:
                self.assertTrue(self.store.remove(sha256))
                for file in (before, after):
                    self.assertTrue(file.seekable())
                    self.assertEqual(0, file.tell())
                    self.assertEqual(b"still here", file.read())
                    self.assertEqual(6, file.seek(6))
                    self.assertEqual(b"here", file.read())

    def test_remove(self) -> None:
        sha256, other = self.put(b"one"), self.put(b"two")
        self.assertTrue(self.store.remove(sha256))
        self.assertFalse(self.store.remove(sha256))
        self.assertNotIn(sha256, self.store)
        self.assertEqual([other], self.held())

    def test_remove_spares_what_was_claimed_at_or_after_a_moment(self) -> None:
        sha256 = self.put(b"claimed")
        for moment in (NOON - timedelta(days=1), NOON):
            self.assertFalse(self.store.remove(sha256, stored_before=moment))
        self.assertIn(sha256, self.store)
        self.assertTrue(self.store.remove(sha256, stored_before=NOON + timedelta(microseconds=1)))
        self.assertNotIn(sha256, self.store)

    def test_a_naive_moment_is_refused(self) -> None:
        sha256 = self.put(b"claimed")
        with self.assertRaises(TypeError):
            self.store.remove(sha256, stored_before=NOON.replace(tzinfo=None))
        self.assertIn(sha256, self.store)

    def test_iteration_is_ascending_and_bears_changes_underneath(self) -> None:
        digests = sorted(self.put(b"%d" % number) for number in range(50))
        self.assertEqual(digests, self.held())
        walk: Iterator[str] = iter(self.store)
        self.assertEqual(digests[0], next(walk))
        for sha256 in digests[1::2]:
            self.store.remove(sha256)
        self.assertLessEqual(set(digests[2::2]), set(walk))

    def test_sound_bytes_cannot_be_quarantined(self) -> None:
        sha256 = self.put(b"sound")
        self.assertFalse(self.store.quarantine(sha256))
        self.assertEqual(b"sound", self.read(sha256))
        self.assertEqual([], list(self.store.quarantined()))

    def test_damaged_bytes_are_quarantined(self) -> None:
        sha256, other = self.put(b"will rot"), self.put(b"will not")
        self.damage(sha256)
        with self.assertRaises(BytesDamaged) as caught:
            self.store.verify(sha256)
        self.assertEqual(sha256, caught.exception.sha256)
        self.assertIn(sha256, self.store)
        self.assertTrue(self.store.quarantine(sha256))
        self.assertFalse(self.store.quarantine(sha256))
        for method in (self.store.open, self.store.size, self.store.stored_at, self.store.verify):
            self.assertRaises(BytesDamaged, method, sha256)
        self.assertNotIn(sha256, self.store)
        self.assertEqual([other], self.held())
        self.assertEqual([sha256], list(self.store.quarantined()))

    def test_storing_the_bytes_again_heals(self) -> None:
        for set_aside in (False, True):
            sha256 = self.put(b"will rot")
            self.damage(sha256)
            if set_aside:
                self.store.quarantine(sha256)
            self.assertEqual(sha256, self.put(b"will rot"))
            self.assertEqual(8, self.store.verify(sha256))
            self.assertEqual(b"will rot", self.read(sha256))
            self.assertEqual([], list(self.store.quarantined()))

    def test_remove_removes_quarantined_bytes_too(self) -> None:
        sha256 = self.put(b"will rot")
        self.damage(sha256)
        self.store.quarantine(sha256)
        self.assertFalse(self.store.remove(sha256, stored_before=NOON))
        self.assertRaises(BytesDamaged, self.store.open, sha256)
        self.assertTrue(self.store.remove(sha256, stored_before=NOON + timedelta(days=1)))
        self.assertRaises(BytesNotFound, self.store.open, sha256)
        self.assertEqual([], list(self.store.quarantined()))

    def test_the_quota_counts_what_is_held(self) -> None:
        self.store = self.make(quota=1000)
        first = self.put(pattern(600))
        for declared in (401, None):
            with self.assertRaises(StoreFull) as caught:
                self.store.put(io.BytesIO(pattern(401)), size=declared)
            self.assertIsInstance(caught.exception, LibrarianError)
            self.assertEqual(
                "the byte store has no room: its quota of 1000 bytes is used up", str(caught.exception)
            )
        self.assertEqual([first], self.held())
        self.put(pattern(400))
        self.assertTrue(self.store.remove(first))
        self.put(pattern(599))

    def test_the_quota_counts_a_copy_once_and_quarantined_bytes_too(self) -> None:
        self.store = self.make(quota=1000)
        sha256 = self.put(pattern(400))
        self.put(pattern(400))
        self.damage(sha256)
        self.store.quarantine(sha256)
        self.put(pattern(600))
        with self.assertRaises(StoreFull):
            self.put(b"x")
        self.assertEqual(1000, self.store.recount())
        self.store.remove(sha256)
        self.put(pattern(399))
        self.assertEqual(999, self.store.recount())

    def test_many_threads_with_the_same_and_other_bytes(self) -> None:
        failures: list[object] = []

        def work(number: int) -> None:
            for turn in range(20):
                for data in (b"shared %d" % turn, b"own %d %d" % (number, turn)):
                    sha256 = self.put(data)
                    if self.read(sha256) != data:
                        failures.append(data)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], failures)
        self.assertEqual(20 + 4 * 20, len(self.held()))


class MemoryStoreKeepsIt(Contract):
    def make(self, quota: int | None = None) -> IByteStore:
        self.memory = MemoryStore(self.clock, quota)
        return self.memory

    def damage(self, sha256: str) -> None:
        held = self.memory._held[sha256]
        self.memory._held[sha256] = replace(held, data=bytes([held.data[0] ^ 1]) + held.data[1:])


class DiskStoreKeepsIt(DiskStoreTestCase, Contract):
    def make(self, quota: int | None = None) -> IByteStore:
        self.root = self.folder / f"quota {quota}"
        return DiskStore(self.root, self.clock, quota)

    def assert_nothing_left(self) -> None:
        super().assert_nothing_left()
        self.assertEqual([], self.files())

    def test_an_open_file_is_a_real_one(self) -> None:
        with self.store.open(self.put(b"for sendfile")) as file:
            self.assertGreater(file.fileno(), 2)


class ObjectStoreKeepsIt(DiskStoreTestCase, Contract):
    def setUp(self) -> None:
        super().setUp()
        self.store = self.make()

    def make(self, quota: int | None = None) -> IByteStore:
        if quota is not None:
            self.skipTest("a bucket's quota is set where the bucket is")
        self.s3 = MemoryS3()
        return memory_s3_store(self.s3, self.root, self.clock)

    def damage(self, sha256: str) -> None:
        for key, held in self.s3.objects.items():
            if key.startswith(f"files/bytes/{sha256}."):
                self.s3.objects[key] = replace(held, data=bytes([held.data[0] ^ 1]) + held.data[1:])

    def assert_nothing_left(self) -> None:
        super().assert_nothing_left()
        self.assertEqual([], [name for name in self.files() if name != "fresh"])


del Contract  # an abstract class is no test
