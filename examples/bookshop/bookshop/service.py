"""The bookshop, and what tells the garbage collector which files are the bookshop's."""

from typing import Any, BinaryIO

from zope.component import getUtility
from zope.interface import implementer

from bookshop.interfaces import IBookshop
from bookshop.model import Book, Shop
from librarian.library.interfaces import IFileReferences, ILibraryFileAliasSet
from librarian.tree.interfaces import ITree


def shop() -> Shop:
    """The subtree, in an open session."""
    return getUtility(ITree).subtree("bookshop")


@implementer(IBookshop)
class Bookshop:
    """The utility."""

    def add(self, isbn: str, title: str) -> Book:
        if not (isbn.isascii() and isbn.isdigit() and len(isbn) == 13):
            raise ValueError(f"{isbn!r} is no ISBN of thirteen digits")
        if isbn in shop().books:
            raise ValueError(f"{isbn} is there already")
        book = shop().books[isbn] = Book(isbn, title)
        return book

    def keep(self, isbn: str, filename: str, size: int, file: BinaryIO, content_type: str) -> int:
        book = self[isbn]
        alias = getUtility(ILibraryFileAliasSet).create(filename, size, file, content_type)
        shop().hold(book, filename, alias.id)
        return alias.id

    def remove(self, isbn: str) -> None:
        book = shop().books.pop(isbn)
        for filename in book.filenames():
            shop().release(book, filename)

    def __getitem__(self, isbn: str) -> Book:
        return shop().books[isbn]


@implementer(IFileReferences)
class Held:
    """What the garbage collector asks before it drops a file."""

    def held_among(self, alias_ids: frozenset[int]) -> set[int]:
        held = shop().held
        return {alias_id for alias_id in alias_ids if alias_id in held}

    def holders(self, alias_id: int) -> list[str]:
        isbn = shop().held.get(alias_id)
        return [] if isbn is None else [f"bookshop: {isbn}"]


references = Held()


class Section:
    """``/bookshop`` of the web application."""

    title = "Bookshop"
    description = "Books, with their covers."

    def root(self, parent: Any, request: Any) -> Any:
        return getUtility(IBookshop)


section = Section()
