"""A tree on a disk that is full: a refusal, nothing torn, and room for those who make room."""

import pickle
import shutil
import unittest
from errno import ENOSPC
from pathlib import Path

from persistent.mapping import PersistentMapping
from zope.component import getGlobalSiteManager

from librarian.tree.interfaces import ISubtree, TreeFull
from librarian.tree.service import Tree
from librarian.tree.subtree import Subtree
from tests.support.small_disk import SmallDisk

KIB, MIB = 1 << 10, 1 << 20


class FullDisk(unittest.TestCase):
    def setUp(self) -> None:
        self.disk = SmallDisk(self, 8)
        shelf = Subtree("shelf", PersistentMapping)
        getGlobalSiteManager().registerUtility(shelf, ISubtree, "shelf")
        self.addCleanup(getGlobalSiteManager().unregisterUtility, shelf, ISubtree, "shelf")
        self.data = self.disk.folder / "tree" / "Data.fs"
        self.tree = self.open(self.data)
        self.tree.keep_reserve()

    def open(self, data: Path, reserve: int = MIB) -> Tree:
        tree = Tree.from_uri(f"file://{data}", reserve)
        self.addCleanup(tree.close)
        tree.bring_up_to_date()
        return tree

    def put(self, name: str, size: int) -> None:
        def work() -> None:
            self.tree.subtree("shelf")[name] = PersistentMapping({"data": bytes(size)})

        self.tree.run(work)

    def found(self, tree: Tree) -> dict[str, int]:
        with tree.session():
            return {name: len(held["data"]) for name, held in tree.subtree("shelf").items()}

    @property
    def reserve(self) -> Path:
        return self.data.with_name("reserve")

    def test_a_commit_is_refused_and_works_again_with_room(self) -> None:
        expected: dict[str, int] = {}
        for number, (leave, size) in enumerate(
            [(0, 9 * KIB), (0, 20 * KIB), (4 * KIB, 13 * KIB), (60 * KIB, 100 * KIB), (300 * KIB, 400 * KIB)]
        ):
            with self.subTest(leave=leave, size=size):
                self.disk.fill(leave)
                for _ in range(2):
                    with self.assertRaises(TreeFull) as raised:
                        self.put("refused", size)
                    self.assertEqual(raised.exception.errno, ENOSPC)
                self.assertEqual(self.found(self.tree), expected)
                self.disk.relieve()
                # As one finds it who comes after kill -9: without an index, with whatever is behind the end.
                copy = Path(f"{self.disk.folder}.killed{number}")
                copy.mkdir()
                self.addCleanup(shutil.rmtree, copy)
                self.put(f"small{number}", number)
                expected[f"small{number}"] = number
                shutil.copy(self.data, copy / "Data.fs")
                self.assertEqual(self.found(self.open(copy / "Data.fs")), expected)
                self.assertTrue(self.reserve.exists())

    def test_the_reserve_is_for_work_that_makes_room(self) -> None:
        self.assertEqual(self.reserve.stat().st_blocks * 512, MIB)
        self.assertEqual(self.reserve.stat().st_mode & 0o777, 0o600)
        self.disk.fill()
        with self.assertRaises(TreeFull):
            self.put("upload", 16 * KIB)
        with self.tree.in_need():
            self.put("collected", 16 * KIB)
        self.assertFalse(self.reserve.exists())
        self.disk.fill()
        with self.tree.in_need(), self.assertRaises(TreeFull):
            self.put("more", 16 * KIB)
        self.disk.relieve()
        with self.tree.in_need():
            self.put("freed", KIB)
        self.assertTrue(self.reserve.exists())
        self.assertEqual(self.found(self.tree), {"collected": 16 * KIB, "freed": KIB})

    def test_a_pack_that_does_not_fit_leaves_all_as_it_was(self) -> None:
        for number in range(20):
            self.put(f"n{number}", 100 * KIB)
        self.disk.fill()
        with self.tree.in_need(), self.assertRaises(TreeFull):
            self.tree.pack(0)
        self.assertEqual(len(self.found(self.tree)), 20)
        self.assertFalse(self.data.with_name("Data.fs.pack").exists())
        self.disk.relieve()
        self.tree.pack(0)
        self.put("after", 1)
        self.assertEqual(len(self.found(self.tree)), 21)

    def test_no_reserve_where_there_is_no_room_for_one(self) -> None:
        self.reserve.unlink()
        self.disk.fill(leave=MIB)
        with self.assertLogs("librarian.tree.filestorage.full_disk", "WARNING"):
            self.tree.keep_reserve()
        self.assertFalse(self.reserve.exists())


class Travelling(unittest.TestCase):
    def test_the_refusal_reaches_another_process_whole(self) -> None:
        error = pickle.loads(pickle.dumps(TreeFull(ENOSPC)))  # noqa: S301  # just written
        self.assertEqual((error.errno, str(error)), (ENOSPC, str(TreeFull(ENOSPC))))
