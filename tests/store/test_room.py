"""The limits of a store at their edges, its ledger's descriptors, and writers at the same time."""

import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from unittest import mock

from librarian.store.interfaces import StoreFull
from librarian.store.room import Room
from tests.support.locks import Beside


class Edges(unittest.TestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name

    @contextmanager
    def free(self, blocks: int) -> Iterator[None]:
        """A disk with so many free blocks of ten bytes."""
        with mock.patch("os.statvfs", return_value=SimpleNamespace(f_bavail=blocks, f_frsize=10)):
            yield

    def test_the_last_byte_of_the_disk_is_given_and_no_more(self) -> None:
        room = Room(self.root, None, keep_free=30)
        with self.free(10):
            self.assertEqual(room.left(), 70)
            room.require(70)
            self.assertRaises(StoreFull, room.require, 71)

    def test_the_last_byte_of_the_quota_is_given_and_no_more(self) -> None:
        room = Room(self.root, 100, keep_free=0)
        room.recount(lambda: [40])
        with self.free(1000):
            self.assertEqual(room.left(), 60)
            room.require(60)
            room.require(50, written=10)
            self.assertRaises(StoreFull, room.require, 61)
            self.assertRaises(StoreFull, room.require, 51, 10)
        with room.changing(60):
            pass
        with self.assertRaises(StoreFull), room.changing(1):
            self.fail("beyond the quota")
        with room.changing(-1), self.free(1000):
            pass
        self.assertEqual((room.left(), room.needs_recount()), (1, False))

    def test_asking_leaves_no_descriptor_open(self) -> None:
        room = Room(self.root, 100, keep_free=0)
        room.recount(lambda: [40])
        before = {each.name for each in Path("/proc/self/fd").iterdir()}
        for _ask in range(5):
            room.left()
        self.assertEqual({each.name for each in Path("/proc/self/fd").iterdir()}, before)
        self.assertEqual([path.name for path in Path(self.root).iterdir()], ["usage"])


class Together(unittest.TestCase):
    """Two processes, each with a Room of its own."""

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.one, self.other = (Room(folder.name, 100, keep_free=0) for _process in range(2))
        self.one.recount(lambda: [40])

    def add(self) -> None:
        with self.other.changing(5):
            pass

    def left(self) -> int:
        """What the quota has room for."""
        with mock.patch("os.statvfs", return_value=SimpleNamespace(f_bavail=1000, f_frsize=1)):
            return self.one.left()

    def test_neither_change_is_lost(self) -> None:
        for difference, left in ((-10, 65), (20, 40)):
            with Beside() as beside, self.one.changing(difference):
                self.assertEqual(beside.begin(self.add), "waits")
            self.assertEqual(self.left(), left)

    def test_a_change_while_the_sum_is_replaced_is_not_lost(self) -> None:
        with Beside() as beside, self.one.changing(-10):
            self.assertEqual(beside.begin(lambda: self.other.recount(lambda: [40])), "waits")
        self.assertEqual(self.left(), 70)

    def test_a_change_while_the_files_are_counted_is_not_lost(self) -> None:
        def sizes() -> list[int]:
            self.add()
            return [40]

        self.one.recount(sizes)
        self.assertEqual(self.left(), 55)
