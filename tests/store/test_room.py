"""The limits of a store at their edges, and its ledger's descriptors."""

import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from unittest import mock

from librarian.store.interfaces import StoreFull
from librarian.store.room import Room


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
