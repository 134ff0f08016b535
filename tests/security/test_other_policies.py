"""Objects of the library in a process whose security policy is that of an application around it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zope.component import getGlobalSiteManager
from zope.security.checker import Checker, NamesChecker, ProxyFactory, defineChecker, undefineChecker
from zope.security.interfaces import Unauthorized
from zope.security.management import endInteraction, newInteraction, setSecurityPolicy
from zope.security.proxy import getChecker
from zope.security.simplepolicies import ParanoidSecurityPolicy, PermissiveSecurityPolicy

from librarian.security.checkers import ActorChecker, guard_classes, guarded
from librarian.security.interaction import acting_as, current_principal, is_permitted
from librarian.security.interfaces import IPrincipal, NoActingPrincipal
from librarian.security.principals import ANONYMOUS, SYSTEM, ScriptPrincipal
from tests.security.zcml import ConfiguredTestCase


class Shelf:
    """Gives out books in every way that Python has."""

    def __init__(self) -> None:
        self.book = Book()
        self.books = [self.book]
        self.by_name = {"a": self.book}

    def __getitem__(self, name: str) -> "Book":
        return self.by_name[name]

    def __iter__(self) -> Iterator["Book"]:
        return iter(self.books)

    def lent(self) -> Iterator["Book"]:
        yield self.book


class Book:
    title = "Emma"


class Reader:
    """A principal of the application."""

    def __init__(self, name: str) -> None:
        self.id = name


def as_librarian(reader: Reader) -> IPrincipal:
    """The application's own adapter: rita may do everything, others what is public."""
    permissions = ["librarian.View"] if reader.id == "rita" else []
    return ScriptPrincipal(f"shop:{reader.id}", permissions)


class Visit:
    """A participation of the application's."""

    def __init__(self, principal: Any) -> None:
        self.principal = principal
        self.interaction: Any = None


class OtherPolicies(ConfiguredTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.policy(PermissiveSecurityPolicy)
        for kind, checker in (
            (Shelf, NamesChecker(["book", "books", "by_name", "lent", "__getitem__", "__iter__"])),
            (Book, NamesChecker(["title"], "librarian.View")),
        ):
            defineChecker(kind, checker)
            self.addCleanup(undefineChecker, kind)
        self.shelf = guarded(Shelf())

    def policy(self, policy: Any) -> None:
        setSecurityPolicy(policy)  # put back by ConfiguredTestCase

    @contextmanager
    def visit(self, *principals: Any) -> Iterator[None]:
        newInteraction(*map(Visit, principals))
        try:
            yield
        finally:
            endInteraction()

    def ways(self) -> dict[str, Any]:
        return {
            "attribute": lambda: self.shelf.book,
            "item": lambda: self.shelf["a"],
            "list": lambda: self.shelf.books[0],
            "iteration": lambda: next(iter(self.shelf)),
            "generator": lambda: next(self.shelf.lent()),
            "values": lambda: next(iter(self.shelf.by_name.values())),
            "get": lambda: self.shelf.by_name.get("a"),
        }

    def test_every_way_to_an_object_is_refused_to_a_stranger(self) -> None:
        for name, way in self.ways().items():
            with self.subTest(name), self.visit(Reader("tom")):
                self.assertRaises(Unauthorized, lambda: way().title)  # noqa: B023  # called here
            with self.subTest(name), acting_as(ANONYMOUS):
                self.assertRaises(Unauthorized, lambda: way().title)  # noqa: B023  # called here
            with self.subTest(name):
                self.assertRaises(NoActingPrincipal, lambda: way().title)  # noqa: B023  # called here

    def test_setting_is_refused_too(self) -> None:
        book = guarded(Book())
        with self.visit(Reader("tom")), self.assertRaises(Exception):  # noqa: B017  # no name may be set
            book.title = "Persuasion"
        undefineChecker(Book)
        defineChecker(Book, Checker({}, {"title": "librarian.Edit"}))
        book = guarded(Book())
        with self.visit(Reader("tom")), self.assertRaises(Unauthorized):
            book.title = "Persuasion"
        with acting_as(SYSTEM):
            book.title = "Persuasion"

    def test_a_paranoid_policy_takes_nothing_away(self) -> None:
        self.policy(ParanoidSecurityPolicy)
        with acting_as(SYSTEM):
            self.assertEqual([way().title for way in self.ways().values()], ["Emma"] * len(self.ways()))

    def test_principals_of_the_application_are_adapted(self) -> None:
        getGlobalSiteManager().registerAdapter(as_librarian, [Reader], IPrincipal)
        with self.visit(Reader("rita")):
            self.assertEqual(self.shelf.book.title, "Emma")
            self.assertEqual(current_principal().id, "system:shop:rita")
        with self.visit(Reader("tom")):
            self.assertRaises(Unauthorized, lambda: self.shelf.book.title)

    def test_everyone_in_an_interaction_must_be_permitted(self) -> None:
        getGlobalSiteManager().registerAdapter(as_librarian, [Reader], IPrincipal)
        with self.visit(Reader("rita"), Reader("tom")):
            self.assertEqual(is_permitted("librarian.View", Book()), False)
        with self.visit():
            self.assertEqual(is_permitted("librarian.View", Book()), False)

    def test_the_applications_interaction_is_there_again_afterwards(self) -> None:
        with self.visit(Reader("tom")):
            with acting_as(SYSTEM):
                self.assertEqual(self.shelf.book.title, "Emma")
            self.assertIs(current_principal(), ANONYMOUS)

    def test_classes_are_guarded_for_an_application_that_makes_the_proxy(self) -> None:
        guard_classes(__name__)
        with self.visit(Reader("tom")):
            self.assertRaises(Unauthorized, lambda: ProxyFactory(Book()).title)
        with acting_as(SYSTEM):
            self.assertEqual(ProxyFactory(Book()).title, "Emma")

    def test_classes_of_others_keep_their_checkers(self) -> None:
        guard_classes("tests.security.test_other")
        with self.visit(Reader("tom")):
            self.assertEqual(ProxyFactory(Book()).title, "Emma")

    def test_checkers_are_made_once(self) -> None:
        guard_classes(__name__)
        first = ProxyFactory(Book())
        guard_classes(__name__)
        self.assertIs(type(getChecker(first)), ActorChecker)
        self.assertIs(getChecker(first), getChecker(ProxyFactory(Book())))
