"""Databases that were written when the classes of the subtrees had other names."""

import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import transaction
from ZODB.DB import DB
from ZODB.DemoStorage import DemoStorage

from librarian.library import installation
from librarian.library import subtree as model
from librarian.library.subtree import LibrarySubtree
from librarian.library.upkeep import model as upkeep
from librarian.mirrors.model import distributions
from librarian.naming.model import NamingSubtree
from librarian.security.credentials.model import CredentialsSubtree
from librarian.tracker.model import TrackerSubtree
from librarian.tree.feature_rules import FeatureSubtree
from librarian.tree.subtree import store_new_class_name

CLASSES: list[Any] = [
    LibrarySubtree,
    installation.InstallationSubtree,
    upkeep.UpkeepSubtree,
    distributions.MirrorsSubtree,
    NamingSubtree,
    CredentialsSubtree,
    TrackerSubtree,
    FeatureSubtree,
]


@contextmanager
def called(kind: type, name: str) -> Iterator[None]:
    """The class under another name, which pickles then hold."""
    own = kind.__name__
    kind.__name__ = name
    try:
        yield
    finally:
        kind.__name__ = own


class Renamed(unittest.TestCase):
    def setUp(self) -> None:
        self.database = DB(DemoStorage())
        self.addCleanup(self.database.close)
        self.addCleanup(transaction.abort)

    def stored(self, connection: Any, thing: Any) -> bytes:
        data: bytes = connection.db().storage.load(thing._p_oid)[0]
        return data

    def test_they_are_read_and_stored_under_the_new_name(self) -> None:
        for kind in CLASSES:
            with self.subTest(kind.__name__):
                former = kind.__name__.replace("Subtree", "Branch")
                connection = self.database.open()
                self.addCleanup(connection.close)
                with called(kind, former):
                    connection.root()["it"] = kind.__new__(kind)
                    transaction.commit()
                self.assertIn(former.encode(), self.stored(connection, connection.root()))
                again = self.database.open()
                self.addCleanup(again.close)
                again.cacheMinimize()
                subtree = again.root()["it"]
                self.assertIs(type(subtree), kind)
                store_new_class_name(subtree)
                transaction.commit()
                for thing in (subtree, again.root()):
                    self.assertIn(kind.__name__.encode(), self.stored(again, thing))
                    self.assertNotIn(former.encode(), self.stored(again, thing))

    def test_each_has_the_step(self) -> None:
        for module in (model, installation, upkeep):
            self.assertIn(store_new_class_name, module.subtree.steps)
