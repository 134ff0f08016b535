"""Bound objects: transparent, and never stored."""

import pickle
import unittest

from persistent import Persistent
from transaction import TransactionManager
from ZODB.DB import DB
from ZODB.DemoStorage import DemoStorage
from zope.interface import Interface, implementer, providedBy
from zope.security.checker import NamesChecker, ProxyFactory, defineChecker, undefineChecker
from zope.security.interfaces import ForbiddenAttribute

from librarian.binding import Bound, stored


class IBox(Interface):
    """What is stored."""


class ILabelled(Interface):
    """What the service adds."""


@implementer(IBox)
class Box(Persistent):
    weight = 1

    def __repr__(self) -> str:
        return f"<Box {self.weight}>"


@implementer(ILabelled)
class BoundBox(Bound):
    __slots__ = ()

    @property
    def label(self) -> str:
        return f"{self._services}: {self.weight}"


class Binding(unittest.TestCase):
    def setUp(self) -> None:
        self.box = Box()
        self.bound = BoundBox(self.box, "scale")

    def test_reads_and_writes_go_through(self) -> None:
        self.bound.weight = 5
        self.assertEqual((self.box.weight, self.bound.label, repr(self.bound)), (5, "scale: 5", "<Box 5>"))

    def test_it_equals_what_is_stored(self) -> None:
        other = BoundBox(self.box, "another scale")
        self.assertEqual({self.box, self.bound, other}, {self.box})
        self.assertNotEqual(self.bound, BoundBox(Box(), "scale"))

    def test_it_provides_the_interfaces_of_both(self) -> None:
        provided = set(providedBy(self.bound))
        self.assertLessEqual({IBox, ILabelled}, provided)

    def test_an_absent_attribute_is_named(self) -> None:
        with self.assertRaisesRegex(AttributeError, "'Box' object has no attribute 'colour'"):
            _ = self.bound.colour

    def test_it_cannot_be_stored(self) -> None:
        with self.assertRaisesRegex(pickle.PicklingError, "<Box 1> is bound to services"):
            pickle.dumps(self.bound)
        database = DB(DemoStorage())
        self.addCleanup(database.close)
        manager = TransactionManager()
        root = database.open(manager).root()
        root["box"] = self.box
        manager.commit()
        root["bound"] = self.bound
        with self.assertRaisesRegex(pickle.PicklingError, "store the object itself"):
            manager.commit()
        manager.abort()

    def test_stored(self) -> None:
        self.assertIs(stored(self.bound), self.box)
        self.assertIs(stored(self.box), self.box)

    def test_a_checker_is_found_by_the_bound_class(self) -> None:
        defineChecker(BoundBox, NamesChecker(["label"]))
        self.addCleanup(undefineChecker, BoundBox)
        guarded = ProxyFactory(self.bound)
        self.assertEqual(guarded.label, "scale: 1")
        with self.assertRaises(ForbiddenAttribute):
            _ = guarded.weight
