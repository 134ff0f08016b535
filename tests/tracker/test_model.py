"""The tracker's subtree, and concurrent transactions on it."""

import tempfile
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import transaction
from transaction import TransactionManager
from ZODB.DB import DB
from ZODB.DemoStorage import DemoStorage
from ZODB.FileStorage import FileStorage
from ZODB.POSException import ConflictError

from librarian.tracker import model
from librarian.tracker.interfaces import EmptyDirectory, NameConflict
from librarian.tracker.model import PastVersion, StoredVersion, TrackerSubtree
from librarian.tree.class_names import ClassNames


def stored(version: int = 5) -> StoredVersion:
    return StoredVersion(version, 1, bytes(32), version + 1, 100, "ada", 0, 0, b"")


class NameTests(unittest.TestCase):
    def setUp(self) -> None:
        self.subtree = TrackerSubtree()

    def put(self, *paths: str) -> None:
        for path in paths:
            self.subtree.put(path, stored(), 100)

    def children(self, directory: str = "", after: str = "") -> list[str]:
        found = self.subtree.children(directory, after)
        return [name if version else f"{name}/" for name, version in found]

    def test_below(self) -> None:
        self.put("a/b", "a/c/d", "a-b", "a.txt", "a0", "b")
        self.assertEqual([path for path, _file in self.subtree.files("a")], ["b", "c/d"])
        self.assertEqual([path for path, _file in self.subtree.files("")][:2], ["a-b", "a.txt"])
        self.assertEqual(len(list(self.subtree.files(""))), 6)
        self.assertFalse(self.subtree.has_files("b") or self.subtree.has_files("a/b"))

    def test_children(self) -> None:
        self.put("a/b", "a/c/d", "a/c/e", "a-b", "a.txt", "a0", "z/1", "z/2", "\U0010ffff")
        everything = ["a-b", "a.txt", "a/", "a0", "z/", "\U0010ffff"]
        self.assertEqual(self.children(), everything)
        self.assertEqual(self.children("a"), ["b", "c/"])
        for place, name in enumerate(everything):
            self.assertEqual(self.children(after=name.rstrip("/")), everything[place + 1 :])
        self.subtree.delete("a/b", 100)
        self.subtree.delete("z/1", 100)
        self.subtree.delete("z/2", 100)
        self.assertEqual(self.children(), ["a-b", "a.txt", "a/", "a0", "\U0010ffff"])
        self.assertEqual(self.children("z"), [])

    def test_conflicts_of_files_and_directories(self) -> None:
        self.put("a/b/c", "f")
        for path in ("a", "a/b", "f/g", "f/g/h", "a/b/c/d"):
            with self.subTest(path), self.assertRaises(NameConflict):
                self.put(path)

    def test_an_empty_directory_becomes_a_file_in_two_steps(self) -> None:
        self.put("a/b")
        self.subtree.delete("a/b", 100)
        with self.assertRaises(EmptyDirectory):
            self.put("a")
        self.subtree.close_directory("a")
        self.put("a")
        self.assertEqual(self.children(), ["a"])

    def test_history(self) -> None:
        for version in (5, 6, 6):
            self.subtree.put("a", stored(version), 100 + version)
        self.subtree.put("a\x7f", stored(), 100)
        self.subtree.delete("a", 200)
        past = [(past.file.version, past.superseded, past.deleted) for past in self.subtree.past("a")]
        self.assertEqual(past, [(6, 200, True), (6, 106, False), (5, 106, False)])
        keys = [key for key, _past in self.subtree.past_items("a")]
        self.subtree.forget(keys[0])
        self.put("a")
        self.subtree.delete("a", 300)
        self.assertEqual([past.superseded for past in self.subtree.past("a")], [300, 200, 106])


class MeetingTests(unittest.TestCase):
    """Two writers whose transactions overlap, each with a connection of its own."""

    def setUp(self) -> None:
        self.database = DB(DemoStorage())
        self.addCleanup(self.database.close)
        connection = self.database.open()
        connection.root()["tracker"] = TrackerSubtree()
        transaction.commit()
        connection.close()
        self.managers = [TransactionManager(), TransactionManager()]
        connections = [self.database.open(manager) for manager in self.managers]
        for connection in connections:
            self.addCleanup(connection.close)
        for manager in self.managers:
            self.addCleanup(manager.abort)
        self.first, self.second = (connection.root()["tracker"] for connection in connections)

    def commit(self, *order: int) -> list[bool]:
        """Who could commit, in this order; the others are aborted and see the new state."""
        done = []
        for number in order:
            try:
                self.managers[number].commit()
                done.append(True)
            except ConflictError:
                self.managers[number].abort()
                done.append(False)
        return done

    def put(self, subtree: TrackerSubtree, path: str) -> None:
        subtree.put(path, stored(), 100)

    def seed(self, *paths: str) -> None:
        for path in paths:
            self.put(self.first, path)
        self.commit(0)
        self.managers[1].begin()

    def both_orders(self) -> "list[tuple[int, int]]":
        return [(0, 1), (1, 0)]

    def test_different_names_in_one_directory(self) -> None:
        self.seed("d/x")
        self.put(self.first, "d/a")
        self.put(self.second, "d/b")
        self.assertEqual(self.commit(0, 1), [True, True])

    def test_one_name(self) -> None:
        self.seed("a")
        self.put(self.first, "a")
        self.put(self.second, "a")
        self.assertEqual(self.commit(0, 1), [True, False])

    def test_a_file_and_a_directory_at_once(self) -> None:
        for order in self.both_orders():
            self.setUp()
            with self.subTest(order):
                self.put(self.first, "a")
                self.put(self.second, "a/b")
                self.assertEqual(self.commit(*order), [True, False])

    def test_a_directory_is_closed_while_a_file_is_put_in_it(self) -> None:
        for order in self.both_orders():
            self.setUp()
            with self.subTest(order):
                self.seed("a/b")
                self.second.put("a/c", stored(), 100)  # relies on the directory as it is
                self.first.delete("a/b", 100)
                self.commit(0)
                self.first.close_directory("a")
                committed = dict(zip(order, self.commit(*order), strict=True))
                self.managers[0].begin()
                if committed[1]:  # then the path is occupied for the file
                    with self.assertRaises(NameConflict):
                        self.put(self.first, "a")
                else:
                    self.put(self.first, "a")
                    self.assertEqual(self.commit(0), [True])

    def test_a_directory_becomes_a_file_while_another_is_put_in_it(self) -> None:
        # Many names lie between, so that the two writers change different nodes of the tree.
        self.seed("a/b", *(f"a-{number}" for number in range(300)), "b")
        self.put(self.second, "a/c")
        self.first.delete("a/b", 100)
        self.commit(0)
        self.first.close_directory("a")
        self.commit(0)
        self.put(self.first, "a")
        self.assertEqual(self.commit(0, 1), [True, False])

    def test_a_closed_directory_is_reopened_while_it_becomes_a_file(self) -> None:
        for order in self.both_orders():
            self.setUp()
            with self.subTest(order):
                self.seed("a/b")
                self.first.delete("a/b", 100)
                self.first.close_directory("a")
                self.commit(0)
                self.managers[1].begin()
                self.put(self.first, "a")
                self.put(self.second, "a/c")
                self.assertEqual(self.commit(*order), [True, False])


@contextmanager
def called(kind: type, name: str) -> Iterator[None]:
    """The class under another name of its module, which pickles then have."""
    own = kind.__name__
    kind.__name__ = kind.__qualname__ = name
    try:
        with mock.patch.object(model, name, kind, create=True):
            yield
    finally:
        kind.__name__ = kind.__qualname__ = own


class FormerNamesTests(unittest.TestCase):
    """Databases in which the versions have the names of their classes before."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "Data.fs"
        self.addCleanup(transaction.abort)

    def fill(self) -> None:
        with (
            called(StoredVersion, "Held"),
            called(PastVersion, "Past"),
            called(TrackerSubtree, "TrackerBranch"),
        ):
            database = DB(FileStorage(str(self.path)))
            connection = database.open()
            tracker = connection.root()["tracker"] = TrackerSubtree()
            tracker.put("a", stored(5), 100)
            tracker.put("a", stored(6), 200)
            transaction.commit()
            connection.close()
            database.close()

    def test_versions_are_read(self) -> None:
        self.fill()
        self.assertIn(b"clibrarian.tracker.model\nHeld\n", self.path.read_bytes())
        subtrees: list[Any] = [model.subtree]
        database = DB(FileStorage(str(self.path)), class_factory=ClassNames(subtrees))
        self.addCleanup(database.close)
        tracker = database.open().root()["tracker"]
        self.assertEqual(tracker.get("a"), stored(6))
        self.assertEqual(tracker.past("a"), [PastVersion(stored(5), 200, False)])
