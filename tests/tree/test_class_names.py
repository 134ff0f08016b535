"""Databases that were written when classes had other names."""

import tempfile
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any
from unittest import mock

import transaction
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from ZODB.broken import PersistentBroken
from ZODB.DB import DB
from ZODB.DemoStorage import DemoStorage
from ZODB.FileStorage import FileStorage
from zope.component import getGlobalSiteManager

from librarian.tree import class_names
from librarian.tree.class_names import ClassNames, former_names, pattern_of, rewrite
from librarian.tree.copying import copy_transactions, open_copy
from librarian.tree.interfaces import ISubtree, TreeTooNew
from librarian.tree.service import Tree
from librarian.tree.subtree import Subtree, bring_up_to_date, store_new_class_names

FORMER = {"books.old.Volume": "Book", "books.old.Shelves": "Shelf", "books.old.State": "Condition"}


class Shelf(Persistent):
    """A subtree."""

    def __init__(self) -> None:
        self.books = OOBTree()


class Book(Persistent):
    """What it holds."""

    def __init__(self, condition: "Condition") -> None:
        self.condition = condition


class Condition(Enum):
    """A value in a record."""

    FINE = "fine"
    WORN = "worn"


NAMES = {former: globals()[name] for former, name in FORMER.items()}


@contextmanager
def called_as_formerly() -> Iterator[None]:
    """The classes under their former names, which pickles then hold."""
    for former, kind in NAMES.items():
        kind.__module__, kind.__name__ = former.rsplit(".", 1)
        kind.__qualname__ = kind.__name__
    library = type(unittest)("books.old")
    for former, kind in NAMES.items():
        setattr(library, former.rsplit(".", 1)[1], kind)
    try:
        with mock.patch.dict("sys.modules", {"books": type(unittest)("books"), "books.old": library}):
            yield
    finally:
        for former, name in FORMER.items():
            kind = NAMES[former]
            kind.__module__, kind.__name__, kind.__qualname__ = __name__, name, name


class WithOldDatabase(unittest.TestCase):
    """A database of 30 books under former names, `self.path`."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "Data.fs"
        self.register(Subtree("shelf", Shelf))
        with called_as_formerly():
            database = DB(FileStorage(str(self.path)))
            bring_up_to_date(database)
            connection = database.open()
            for number in range(30):
                connection.root()["shelf"].books[f"b{number:02}"] = Book(Condition.WORN)
            transaction.commit()
            connection.close()
            database.close()
        self.addCleanup(transaction.abort)

    def register(self, subtree: Subtree) -> None:
        registry = getGlobalSiteManager()
        registry.registerUtility(subtree, ISubtree, subtree.name)
        self.addCleanup(registry.unregisterUtility, subtree, ISubtree, subtree.name)

    def renamed(self) -> None:
        """From here on the code knows the new names."""
        self.register(Subtree("shelf", Shelf, [store_new_class_names], NAMES))

    def open(self) -> DB:
        database = DB(FileStorage(str(self.path)), class_factory=ClassNames())
        self.addCleanup(database.close)
        return database


def old_records(database: Any) -> int:
    """The number of objects whose record holds a former name."""
    return len(list(class_names._oids_with(database, pattern_of(FORMER))))


class Reading(WithOldDatabase):
    def test_without_their_names_the_objects_are_broken(self) -> None:
        connection = self.open().open()
        self.assertIsInstance(connection.root()["shelf"], PersistentBroken)
        connection.close()

    def test_with_them_they_are_what_they_were(self) -> None:
        self.renamed()
        connection = self.open().open()
        book = connection.root()["shelf"].books["b07"]
        self.assertEqual((type(book), book.condition), (Book, Condition.WORN))
        connection.close()

    def test_a_copy_of_an_old_tree_is_read_too(self) -> None:
        copy = self.path.with_name("copy.fs")
        copy_transactions(self.open().storage, copy, lambda: None)
        shelf: Any = Subtree("shelf", Shelf, (), NAMES)
        with open_copy(copy, subtrees=[shelf]) as opened:
            self.assertEqual(len(opened.root["shelf"].books), 30)

    def test_a_name_is_declared_for_one_class(self) -> None:
        others = [Subtree("a", Shelf, (), {"old.X": Shelf}), Subtree("b", Shelf, (), {"old.X": Book})]
        with self.assertRaisesRegex(ValueError, "old.X"):
            former_names(others)


class Rewriting(WithOldDatabase):
    def setUp(self) -> None:
        super().setUp()
        self.renamed()

    def test_after_the_step_no_record_holds_a_former_name(self) -> None:
        database = self.open()
        self.assertGreater(old_records(database), 30)
        bring_up_to_date(database)
        self.assertEqual(old_records(database), 0)
        connection = database.open()
        books = connection.root()["shelf"].books
        self.assertEqual({(type(book), book.condition) for book in books.values()}, {(Book, Condition.WORN)})
        connection.close()

    def test_a_run_that_was_cut_off_is_continued(self) -> None:
        database = self.open()
        before = old_records(database)
        turns = iter((True, True))

        def run(work: Callable[[], int]) -> int:
            if not next(turns, False):
                raise KeyboardInterrupt
            return work()

        with (
            mock.patch.object(class_names, "BATCH", 4),
            mock.patch.object(class_names, "retrying", run),
            self.assertRaises(KeyboardInterrupt),
        ):
            rewrite(database)
        self.assertEqual(old_records(database), before - 8)
        self.assertEqual(rewrite(database), before - 8)
        self.assertEqual(rewrite(database), 0)

    def test_older_code_does_not_open_it_any_more(self) -> None:
        database = self.open()
        bring_up_to_date(database)
        self.register(Subtree("shelf", Shelf))
        with self.assertRaises(TreeTooNew):
            bring_up_to_date(database)

    def test_what_is_damaged_stays_as_it_is_and_the_rest_is_done(self) -> None:
        database = self.open()
        before = old_records(database)
        connection = database.open()
        damaged = connection.root()["shelf"].books["b03"]._p_oid
        connection.close()
        load = database.storage.loadBefore

        def damaged_load(oid: bytes, tid: bytes) -> Any:
            found = load(oid, tid)
            return (found[0][:-5], *found[1:]) if oid == damaged else found

        with (
            mock.patch.object(database.storage, "loadBefore", damaged_load),
            self.assertLogs("librarian.tree.class_names", "ERROR") as logged,
        ):
            database.cacheMinimize()
            self.assertEqual(rewrite(database), before - 1)
        self.assertIn(damaged.hex(), logged.output[0])
        self.assertEqual(old_records(database), 1)

    def test_a_new_tree_has_nothing_to_rewrite(self) -> None:
        tree = Tree(DB(DemoStorage(), class_factory=ClassNames()))
        self.addCleanup(tree.close)
        tree.bring_up_to_date()
        self.assertEqual(rewrite(tree._database), 0)
