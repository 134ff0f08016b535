"""The directives: what they accept, what they refuse, and what a proxy lets through."""

import enum
import threading
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree, OOTreeSet
from persistent.list import PersistentList
from persistent.mapping import PersistentMapping
from zope.component import getUtility
from zope.configuration.exceptions import ConfigurationError
from zope.interface import Interface, implementer
from zope.schema import TextLine
from zope.security.checker import ProxyFactory
from zope.security.interfaces import ForbiddenAttribute, Unauthorized
from zope.security.proxy import removeSecurityProxy

from librarian.security.interaction import acting_as
from librarian.security.interfaces import IPrincipal, NoActingPrincipal, NoSuchPrincipal
from librarian.security.principals import ANONYMOUS, SYSTEM, script_principal
from tests.security.zcml import ConfiguredTestCase


class Colour(enum.Enum):
    """A value."""

    RED = 1


class IShelf(Interface):
    """Something to protect."""

    label = TextLine(title="Label", readonly=False)

    def read() -> str:
        """For principals with librarian.View."""

    def count() -> int:
        """For all."""


class Book:
    """Comes out of a shelf."""

    title = "a book"
    kind = "paper"
    pages = 7

    def next(self) -> "Book":
        return self


@implementer(IShelf)
class Shelf:
    """Protected by the tests below."""

    label = "old"
    colour = Colour.RED

    def read(self) -> str:
        return "a book"

    def count(self) -> int:
        return 3

    def first(self) -> Book:
        return Book()

    def books(self) -> list[Book]:
        return [Book()]

    def by_name(self) -> dict[str, Book]:
        return {"a": Book()}


SHELF = Shelf()
DOTTED = "tests.security.test_zcml"
SECURED = f"""
  <securedutility provides="{DOTTED}.IShelf" class="{DOTTED}.Shelf">
    <allow attributes="count first books by_name" />
    <require permission="librarian.View" attributes="read label colour" />
    <require permission="librarian.Edit" set_schema="{DOTTED}.IShelf" />
  </securedutility>"""
BOOKS = f"""
  <class class="{DOTTED}.Book">
    <allow attributes="next kind" />
    <require permission="librarian.View" attributes="title" set_attributes="title" />
  </class>"""
BOTH = f'class="{DOTTED}.Shelf" factory="{DOTTED}.Shelf"'
CLERK = '<systemprincipal id="clerk" title="Clerk" permissions="librarian.View" />'


class SecuredUtilities(ConfiguredTestCase):
    def test_each_name_needs_its_own_permission(self) -> None:
        self.configure(SECURED + CLERK)
        shelf = getUtility(IShelf)
        with acting_as(script_principal("clerk")):
            self.assertEqual(shelf.read(), "a book")
            with self.assertRaises(Unauthorized):
                shelf.label = "new"
            with self.assertRaises(ForbiddenAttribute):
                shelf.colour = Colour.RED
            self.assertRaises(ForbiddenAttribute, getattr, shelf, "__dict__")
        with acting_as(ANONYMOUS):
            self.assertEqual(shelf.count(), 3)
            self.assertRaises(Unauthorized, getattr, shelf, "read")
        with acting_as(SYSTEM):
            shelf.label = "new"
            self.assertEqual(shelf.label, "new")

    def test_without_an_interaction_the_error_says_so_and_is_no_attribute_error(self) -> None:
        self.configure(SECURED)
        shelf = getUtility(IShelf)
        self.assertEqual(shelf.count(), 3)
        self.assertRaises(NoActingPrincipal, hasattr, shelf, "read")
        self.assertRaises(NoActingPrincipal, setattr, shelf, "label", "new")
        self.assertRaises(ForbiddenAttribute, setattr, shelf, "colour", 1)

    def test_a_thread_needs_an_interaction_of_its_own(self) -> None:
        self.configure(SECURED)
        shelf, seen = getUtility(IShelf), []

        def work() -> None:
            try:
                shelf.read()
            except NoActingPrincipal as error:
                seen.append(error.name)
            with acting_as(SYSTEM):
                seen.append(shelf.read())

        with acting_as(SYSTEM):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        self.assertEqual(seen, ["read", "a book"])

    def test_what_a_utility_hands_out_says_so_too_and_what_that_hands_out(self) -> None:
        self.configure(SECURED + BOOKS)
        with acting_as(SYSTEM):
            shelf = getUtility(IShelf)
            book = shelf.first()
            (by_iteration,) = iter(shelf.books())
            found = [book, by_iteration, book.next(), shelf.books()[0], shelf.by_name()["a"]]
            self.assertEqual([one.title for one in found], ["a book"] * 5)
        for one in found:
            self.assertRaises(NoActingPrincipal, hasattr, one, "title")
            self.assertRaises(NoActingPrincipal, setattr, one, "title", "new")
            self.assertRaises(ForbiddenAttribute, getattr, one, "pages")
            self.assertEqual(one.next().kind, "paper")

    def test_what_zcml_adds_to_a_class_later_counts_as_well(self) -> None:
        self.configure(SECURED + BOOKS)
        with acting_as(SYSTEM):
            book = getUtility(IShelf).first()
            self.assertRaises(ForbiddenAttribute, getattr, book, "pages")
            self.configure(f'<class class="{DOTTED}.Book"><allow attributes="pages" /></class>')
            self.assertEqual(book.pages, 7)

    def test_factories_and_components(self) -> None:
        for made in (f'factory="{DOTTED}.Shelf"', f'component="{DOTTED}.SHELF"'):
            with self.subTest(made):
                self.setUp()
                self.configure(
                    f'<securedutility provides="{DOTTED}.IShelf" {made} name="x"><allow attributes="count" />'
                    "</securedutility>"
                )
                shelf = getUtility(IShelf, "x")
                self.assertEqual(shelf.count(), 3)
                self.assertIsInstance(removeSecurityProxy(shelf), Shelf)
                self.assertRaises(ForbiddenAttribute, getattr, shelf, "read")

    def test_immutable_values_come_out_bare(self) -> None:
        self.configure(SECURED + f'<immutable class="{DOTTED}.Colour" />')
        with acting_as(SYSTEM):
            self.assertIs(getUtility(IShelf).colour, Colour.RED)

    def test_what_makes_no_sense_is_refused(self) -> None:
        provides = f'provides="{DOTTED}.IShelf"'
        allow = '<allow attributes="count" />'
        twice = '<require permission="librarian.View" attributes="count" />'
        refused = {
            "nothing to make it from": f"<securedutility {provides}>{allow}</securedutility>",
            "two things": f"<securedutility {provides} {BOTH}>{allow}</securedutility>",
            "no protection": f'<securedutility {provides} class="{DOTTED}.Shelf" />',
            "empty": f'<securedutility {provides} class="{DOTTED}.Shelf"><allow /></securedutility>',
            "not one": f'<securedutility {provides} class="{DOTTED}.Colour" >{allow}</securedutility>',
            "another thing": f'<securedutility {provides} component="{DOTTED}.BOTH">{allow}</securedutility>',
            "two permissions": (
                f'<securedutility {provides} class="{DOTTED}.Shelf">{allow}{twice}</securedutility>'
            ),
            "unknown permission": (
                f'<securedutility {provides} class="{DOTTED}.Shelf">'
                '<require permission="no.Such" attributes="read" /></securedutility>'
            ),
            "twice": SECURED + SECURED,
        }
        for why, text in refused.items():
            with self.subTest(why):
                self.setUp()
                self.assertRaises((ConfigurationError, ValueError, TypeError), self.configure, text)


class SystemPrincipals(ConfiguredTestCase):
    def test_they_have_what_is_declared(self) -> None:
        self.configure(CLERK)
        clerk = script_principal("clerk")
        self.assertEqual(
            (clerk.id, clerk.title, clerk.grants("librarian.View")), ("system:clerk", "Clerk", True)
        )
        self.assertEqual(clerk.grants("librarian.Edit"), False)
        self.assertTrue(IPrincipal.providedBy(clerk))

    def test_an_unknown_name_is_refused_with_it(self) -> None:
        with self.assertRaises(NoSuchPrincipal) as caught:
            script_principal("clark")
        self.assertEqual(caught.exception.name, "clark")

    def test_an_undeclared_permission_is_an_error(self) -> None:
        self.assertRaises(
            (ConfigurationError, ValueError),
            self.configure,
            CLERK.replace("librarian.View", "librarian.Veiw"),
        )


class WhatUtilitiesHandOut(ConfiguredTestCase):
    """zope.security lets the members of dict.values() and dict.items() out bare."""

    def setUp(self) -> None:
        super().setUp()
        self.configure(SECURED + BOOKS)
        self.shelf = getUtility(IShelf)

    def test_the_values_of_a_mapping_are_guarded_like_its_items(self) -> None:
        views: list[Callable[[Any], list[Any]]] = [
            lambda books: [books["a"]],
            lambda books: [books.get("a")],
            lambda books: list(books.values()),
            lambda books: [book for _name, book in books.items()],
        ]
        for mapping in (dict, PersistentMapping):
            for number, view in enumerate(views):
                with self.subTest(mapping.__name__, view=number), self.holding(mapping({"a": Book()})):
                    (book,) = view(self.shelf.by_name())
                    self.assertEqual(book.kind, "paper")
                    self.assertRaises(ForbiddenAttribute, getattr, book, "pages")
                    with acting_as(ANONYMOUS):
                        self.assertRaises(Unauthorized, getattr, book, "title")

    def test_a_view_that_a_method_returns_itself(self) -> None:
        for view in (dict.values, dict.items):
            with self.subTest(view.__name__), self.holding(view({"a": Book()})):
                (member,) = self.shelf.by_name()
                book = member[1] if view is dict.items else member
                self.assertRaises(ForbiddenAttribute, getattr, book, "pages")

    def test_a_copy_of_a_mapping(self) -> None:
        with self.holding({"a": Book()}):
            (book,) = self.shelf.by_name().copy().values()
            self.assertRaises(ForbiddenAttribute, getattr, book, "pages")

    def holding(self, books: Any) -> Any:
        return patch.object(Shelf, "by_name", lambda _shelf: books)


class Containers(ConfiguredTestCase):
    def test_trees_can_be_read_and_not_changed(self) -> None:
        def read(thing: Any) -> list[Any]:
            return [sorted(thing), len(thing)]

        filled = [OOBTree({"a": 1}), OOTreeSet("a"), PersistentMapping({"a": 1}), PersistentList("a")]
        for raw in filled:
            with self.subTest(type(raw).__name__):
                proxied = ProxyFactory(raw)
                self.assertEqual(read(proxied), [["a"], 1])
                self.assertRaises(ForbiddenAttribute, getattr, proxied, "clear")
        self.assertEqual(list(ProxyFactory(LOBTree({1: "x"})).items()), [(1, "x")])
