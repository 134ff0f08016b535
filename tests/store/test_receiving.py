"""Receiving piece by piece, and keeping or discarding what came: asked of each store."""

import hashlib
import io
import os
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from unittest import mock

from zope.interface.verify import verifyObject

from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import (
    BytesNotFound,
    DigestMismatch,
    IByteStore,
    IReceivedFile,
    IReceiving,
    SizeMismatch,
    StoredBytes,
    StoreFull,
    StoreUnavailable,
)
from librarian.store.memory import MemoryStore
from librarian.store.receiving import GATHER_BYTES
from tests.store.support import MIB, DiskStoreTestCase, HandClock, pattern, sha256_of
from tests.store.test_disk import failing
from tests.support.object_store import MemoryS3, memory_s3_store

LENGTHS = [0, 1, 1000, GATHER_BYTES, GATHER_BYTES + 1, MIB, MIB + 1, 3 * MIB + 1]
PIECES = [700, GATHER_BYTES, 256 << 10, 5 * MIB]


class Contract(unittest.TestCase):
    def make(self, quota: int | None = None) -> IByteStore:
        raise NotImplementedError

    def setUp(self) -> None:
        self.clock = HandClock()
        self.store = self.make()

    def receive(self, data: bytes, piece: int = MIB, size: int | None = None) -> IReceivedFile:
        receiving = self.store.receive(size)
        for start in range(0, len(data), piece):
            receiving.write(data[start : start + piece])
        received: IReceivedFile = receiving.finish()
        return received

    def held(self) -> dict[str, bytes]:
        found = {}
        for sha256 in self.store:
            with self.store.open(sha256) as file:
                found[sha256] = file.read()
        return found

    def assert_nothing_left(self) -> None:
        self.assertEqual({}, self.held())

    def test_they_have_all_that_the_contract_asks_for(self) -> None:
        receiving = self.store.receive()
        self.assertTrue(verifyObject(IReceiving, receiving))
        self.assertTrue(verifyObject(IReceivedFile, receiving.finish()))

    def test_bytes_of_any_length_in_pieces_of_any_length(self) -> None:
        for length in LENGTHS:
            data = pattern(length)
            expected = StoredBytes(
                sha256_of(data), hashlib.sha1(data).hexdigest(), hashlib.md5(data).hexdigest(), length
            )
            for piece in PIECES:
                with self.subTest(length=length, piece=piece):
                    received = self.receive(data, piece, length)
                    found = StoredBytes(received.sha256, received.sha1, received.md5, received.size)
                    self.assertEqual(expected, found)
                    with received.open() as file:
                        self.assertEqual(data, file.read())
                    self.assertEqual(expected, self.store.keep(received))
                    with received.open() as file, self.store.open(expected.sha256) as held:
                        self.assertEqual((data, data), (file.read(), held.read()))
                    received.discard()
                    self.assertIn(expected.sha256, self.store)

    def test_nothing_is_held_before_it_is_kept(self) -> None:
        for length in (10, 3 * MIB):
            received = self.receive(pattern(length))
            self.assertEqual({}, self.held())
            self.assertNotIn(received.sha256, self.store)
            received.discard()
        self.assert_nothing_left()

    def test_what_is_discarded_or_aborted_is_gone(self) -> None:
        for length in (0, 10, 3 * MIB):
            received = self.receive(pattern(length))
            received.discard()
            received.discard()
            with self.assertRaises(ValueError):
                received.open()
            with self.assertRaises(ValueError):
                self.store.keep(received)
            receiving = self.store.receive()
            receiving.write(pattern(length))
            self.assertEqual(length, receiving.size)
            receiving.abort()
            receiving.abort()
        self.assert_nothing_left()

    def test_an_abort_after_the_end_leaves_the_file_alone(self) -> None:
        for length in (10, 3 * MIB):
            receiving = self.store.receive()
            receiving.write(pattern(length))
            received = receiving.finish()
            receiving.abort()
            self.assertEqual(length, self.store.size(self.store.keep(received).sha256))

    def test_another_size_than_declared(self) -> None:
        for length in (0, 41, 3 * MIB):
            receiving = self.store.receive(length + 1)
            receiving.write(pattern(length))
            with self.assertRaises(SizeMismatch) as caught:
                receiving.finish()
            self.assertEqual((length + 1, length), (caught.exception.declared, caught.exception.read))
            receiving.abort()
            receiving = self.store.receive(length)
            receiving.write(pattern(length))
            with self.assertRaises(SizeMismatch) as caught:
                receiving.write(b"x")
            self.assertEqual((length, length + 1), (caught.exception.declared, caught.exception.read))
            receiving.abort()
        self.assert_nothing_left()

    def test_declared_digests_are_compared_and_the_file_can_be_kept_after_all(self) -> None:
        for data in (b"held", pattern(3 * MIB)):
            received = self.receive(data)
            for name in ("sha256", "sha1", "md5"):
                declared: dict[str, Any] = {name: "0" * len(getattr(received, name))}
                with self.assertRaises(DigestMismatch):
                    self.store.keep(received, **declared)
            self.assertEqual({}, self.held())
            self.store.keep(received, sha256=received.sha256.upper(), sha1=received.sha1, md5=received.md5)
            self.assertEqual({sha256_of(data): data}, self.held())
            received.discard()
            self.assertEqual({sha256_of(data): data}, self.held())
            self.store.remove(received.sha256)
        self.assert_nothing_left()

    def test_keeping_twice_renews_the_age_and_needs_the_bytes(self) -> None:
        for data in (b"again", pattern(3 * MIB)):
            received = self.receive(data)
            self.store.keep(received)
            self.clock.time += timedelta(days=2)
            self.assertEqual(received.sha256, self.store.keep(received).sha256)
            self.assertEqual(self.clock.time, self.store.stored_at(received.sha256))
            self.assertEqual({received.sha256: data}, self.held())
            self.store.remove(received.sha256)

    def test_two_of_the_same_bytes_at_once_are_one_copy(self) -> None:
        data = pattern(3 * MIB)
        first, second = self.store.receive(), self.store.receive()
        for start in range(0, len(data), MIB):
            first.write(data[start : start + MIB])
            second.write(data[start : start + MIB])
        one, two = first.finish(), second.finish()
        self.assertEqual(self.store.keep(one), self.store.keep(two))
        one.discard()
        two.discard()
        self.assertEqual({one.sha256: data}, self.held())

    def test_each_piece_by_another_thread(self) -> None:
        data = pattern(3 * MIB)
        receiving = self.store.receive(len(data))

        def turn(step: Any) -> Any:
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(step).result()

        for start in range(0, len(data), 300_000):
            turn(lambda start=start: receiving.write(data[start : start + 300_000]))
        received = turn(receiving.finish)
        turn(lambda: self.store.keep(received))
        turn(received.discard)
        self.assertEqual({sha256_of(data): data}, self.held())

    def test_more_streams_than_hashing_threads(self) -> None:
        streams = [(self.store.receive(), b"%d" % number + pattern(2 * MIB)) for number in range(20)]
        for receiving, data in streams:
            receiving.write(data[:MIB])
        for receiving, data in reversed(streams):
            receiving.write(data[MIB:])
        for receiving, data in streams:
            self.assertEqual(
                sha256_of(data), self.store.keep(receiving.finish(), sha256=sha256_of(data)).sha256
            )

    def test_the_quota(self) -> None:
        self.store = self.make(quota=MIB)
        with self.assertRaises(StoreFull):
            self.store.receive(MIB + 1)
        receiving = self.store.receive()
        receiving.write(pattern(MIB))
        with self.assertRaises(StoreFull):
            receiving.write(pattern(GATHER_BYTES + 1))
        receiving.abort()
        self.assert_nothing_left()

    def test_small_bodies_are_received_by_a_full_store_and_not_kept(self) -> None:
        self.store = self.make(quota=MIB)
        self.store.put(io.BytesIO(pattern(MIB)))
        received = self.receive(b"name=admin&password=x", size=21)
        with received.open() as form:
            self.assertEqual(b"name=admin&password=x", form.read())
        with self.assertRaises(StoreFull):
            self.store.keep(received)
        received.discard()
        self.assertEqual([sha256_of(pattern(MIB))], list(self.store))

    def test_two_that_fit_alone_but_not_together(self) -> None:
        self.store = self.make(quota=MIB)
        first, second = self.receive(b"1" * 600_000), self.receive(b"2" * 600_000)
        self.store.keep(first)
        with self.assertRaises(StoreFull):
            self.store.keep(second)
        self.store.remove(first.sha256)
        self.store.keep(second)
        self.assertEqual([second.sha256], list(self.store))


class MemoryStoreKeepsIt(Contract):
    def make(self, quota: int | None = None) -> IByteStore:
        return MemoryStore(self.clock, quota)


class ObjectStoreKeepsIt(DiskStoreTestCase, Contract):
    def setUp(self) -> None:
        super().setUp()
        self.store = self.make()

    def make(self, quota: int | None = None) -> IByteStore:
        if quota is not None:
            self.skipTest("a bucket's quota is set where the bucket is")
        return memory_s3_store(MemoryS3(), self.root, self.clock)

    def assert_nothing_left(self) -> None:
        super().assert_nothing_left()
        self.assertEqual([], [name for name in self.files() if name != "fresh"])


class DiskStoreKeepsIt(DiskStoreTestCase, Contract):
    def make(self, quota: int | None = None) -> IByteStore:
        self.root = self.folder / f"quota {quota}"
        return DiskStore(self.root, self.clock, quota)

    def assert_nothing_left(self) -> None:
        super().assert_nothing_left()
        self.assertEqual([], [name for name in self.files() if name != "usage"])

    def test_a_large_received_file_is_a_real_one(self) -> None:
        with self.receive(pattern(MIB)).open() as file:
            self.assertGreater(file.fileno(), 2)

    def test_small_bodies_touch_no_disk_before_they_are_kept(self) -> None:
        received = self.receive(pattern(GATHER_BYTES))
        self.assertEqual([], self.files())
        self.store.keep(received)
        self.assertEqual(1, len(self.files()))

    def test_a_large_one_is_renamed_and_not_copied(self) -> None:
        received = self.receive(pattern(MIB))
        (incoming,) = (self.root / "incoming").iterdir()
        before = incoming.stat()
        self.store.keep(received)
        after = self.path(received.sha256).stat()
        self.assertEqual((before.st_ino, MIB), (after.st_ino, after.st_size))
        self.assertFalse(incoming.exists())

    def test_received_files_are_not_cleared_while_their_process_lives(self) -> None:
        received, receiving = self.receive(pattern(MIB)), self.store.receive()
        receiving.write(pattern(MIB))
        for path in (self.root / "incoming").iterdir():
            os.utime(path, (0, 0))
        self.assertEqual(0, self.store.clear_incoming(timedelta(0)))
        self.store.keep(received)
        self.store.keep(receiving.finish())
        self.assertEqual(1, len(self.files()))

    def test_every_step_of_keeping_may_fail_and_is_repeated_or_given_up(self) -> None:
        for call in ("fsync", "rename", "utime"):
            for length in (10, MIB):
                for again in (False, True):
                    with self.subTest(call=call, length=length, again=again):
                        received = self.receive(pattern(length))
                        with (
                            mock.patch(f"os.{call}", failing(28)),
                            self.assertRaises(StoreFull),
                            self.assertLogs("librarian.store", "ERROR"),
                        ):
                            self.store.keep(received)
                        if again:
                            self.store.keep(received)
                            self.assertEqual({received.sha256: pattern(length)}, self.held())
                            self.store.remove(received.sha256)
                        received.discard()
                        self.assert_nothing_left()

    def test_a_name_that_could_not_be_made_durable_is_not_trusted(self) -> None:
        received = self.receive(pattern(MIB))
        fsync, calls = os.fsync, []

        def leaf_fails(file: int) -> None:
            calls.append(file)
            if len(calls) == 4:  # the file, two folders, and the leaf after the rename
                raise OSError(5, "Input/output error")
            fsync(file)

        with (
            mock.patch("os.fsync", leaf_fails),
            self.assertRaises(StoreUnavailable),
            self.assertLogs("librarian.store", "ERROR"),
        ):
            self.store.keep(received)
        with mock.patch("os.fsync", wraps=fsync) as again:
            self.store.keep(received)
        self.assertEqual(2, again.call_count)  # the bytes once more, and their leaf
        self.assertEqual(1, len(self.files()))

    def test_bytes_that_were_swept_after_they_were_kept_cannot_be_kept_again(self) -> None:
        received = self.receive(pattern(MIB))
        self.store.keep(received)
        self.store.remove(received.sha256)
        self.assertRaises(BytesNotFound, self.store.keep, received)

    def test_a_full_disk(self) -> None:
        self.root = self.mount("2m") / "store"
        self.store = DiskStore(self.root, self.clock)
        with self.assertRaises(StoreFull):
            self.store.receive(4 * MIB)
        receiving = self.store.receive()
        with self.assertRaises(StoreFull):
            for _ in range(8):
                receiving.write(pattern(MIB // 2))
        receiving.abort()
        self.assert_nothing_left()
        self.store.keep(self.receive(pattern(MIB)))
        small = [self.receive(b"%d" % number + pattern(60_000)) for number in range(20)]
        with self.assertRaises(StoreFull):
            for received in small:
                self.store.keep(received)
        for received in small:
            received.discard()
        self.assertEqual([], list((self.root / "incoming").iterdir()))

    def test_a_child_of_a_process_that_hashes_hashes_too(self) -> None:
        self.store.put(io.BytesIO(pattern(3 * MIB)))  # threads are there now
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(
                    writing, DiskStore(self.root, self.clock).put(io.BytesIO(pattern(4 * MIB))).md5.encode()
                )
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as answer:
            self.assertEqual(hashlib.md5(pattern(4 * MIB)).hexdigest(), answer.read())
        os.waitpid(child, 0)

    def test_many_threads_receive_keep_and_discard(self) -> None:
        failures: list[object] = []

        def work(number: int) -> None:
            try:
                for turn in range(5):
                    for data in (b"shared %d" % turn + pattern(2 * MIB), b"own %d %d" % (number, turn)):
                        received = self.receive(data, 300_000)
                        if turn % 2:
                            self.store.keep(received, sha256=sha256_of(data))
                        received.discard()
            except Exception as error:  # noqa: BLE001  # whatever it is, the test is to say it
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], failures)
        self.assertEqual(2 + 4 * 2, len(self.files()))


del Contract  # an abstract class is no test
