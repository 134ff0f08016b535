"""The bookshop's own tests: python -m unittest bookshop.tests"""

import io
import unittest

import transaction
from zope.component import getUtility

from bookshop.interfaces import IBookshop
from bookshop.service import references
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.operations import Library
from librarian.library.upkeep.garbage.collector import GarbageCollector
from librarian.testing.world import World

ISBN = "9780000000002"
COVER = b"\x89PNG\r\n\x1a\n a picture of a whale"
URL = f"http://localhost:6543/bookshop/{ISBN}/+files/cover.png"

world = World({"librarian.site": "bookshop:tests.zcml"})


class Bookshop(unittest.TestCase):
    def setUp(self) -> None:
        world.begin()
        self.addCleanup(world.end)
        self.shop = getUtility(IBookshop)

    def keep(self, data: bytes = COVER) -> int:
        kept = self.shop.keep(ISBN, "cover.png", len(data), io.BytesIO(data), "image/png")
        transaction.commit()
        return kept

    def collect(self, days: int) -> None:
        world.clock.move(days=days)
        transaction.begin()
        GarbageCollector(Library(), dry_run=False).run()

    def test_a_cover_is_shown_at_the_address_of_its_book(self) -> None:
        book = self.shop.add(ISBN, "Moby-Dick")
        kept = self.keep()
        self.assertEqual(book.filenames(), ["cover.png"])
        self.assertEqual(book.getFileByName("cover.png"), kept)
        answer = world.request("GET", URL)
        while answer.status_int == 302:
            answer = world.request("GET", answer.location)
        self.assertEqual((answer.status_int, answer.body), (200, COVER))
        self.assertEqual(world.request("GET", URL.replace("cover", "other")).status_int, 404)

    def test_what_a_book_holds_outlives_the_collector(self) -> None:
        self.shop.add(ISBN, "Moby-Dick")
        kept = self.keep()
        self.assertEqual(references.holders(kept), [f"bookshop: {ISBN}"])
        for _round in range(2):
            self.collect(days=30)
        self.assertEqual(getUtility(ILibraryFileAliasSet)[kept].read(), COVER)

    def test_what_no_book_holds_goes(self) -> None:
        self.shop.add(ISBN, "Moby-Dick")
        old, new = self.keep(), self.keep(b"another edition")
        self.collect(days=30)
        self.collect(days=30)
        self.assertRaises(LookupError, getUtility(ILibraryFileAliasSet).__getitem__, old)
        self.assertEqual(getUtility(ILibraryFileAliasSet)[new].read(), b"another edition")
        self.shop.remove(ISBN)
        transaction.commit()
        self.collect(days=30)
        self.collect(days=30)
        self.assertRaises(LookupError, getUtility(ILibraryFileAliasSet).__getitem__, new)

    def test_a_sale_that_fails_keeps_nothing(self) -> None:
        self.shop.add(ISBN, "Moby-Dick")
        transaction.commit()
        self.shop.keep(ISBN, "cover.png", len(COVER), io.BytesIO(COVER), "image/png")
        transaction.abort()
        self.assertEqual(self.shop[ISBN].filenames(), [])

    def test_books_are_told_apart(self) -> None:
        self.shop.add(ISBN, "Moby-Dick")
        for isbn in (ISBN, "123", "978000000000x"):
            with self.subTest(isbn), self.assertRaises(ValueError):
                self.shop.add(isbn, "Another")


if __name__ == "__main__":
    unittest.main()
