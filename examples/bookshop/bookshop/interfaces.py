"""The bookshop: books by their ISBN, each with files such as its cover."""

from typing import Any, BinaryIO

from zope.interface import Attribute, Interface

# ruff: noqa: N805  # zope.interface methods are written without self


class IBook(Interface):
    """A book.  It is an IFileHolder too: its files are at /bookshop/<isbn>/+files/<filename>."""

    isbn = Attribute("Thirteen digits.")
    title = Attribute("What is on the cover.")

    def filenames() -> list[str]:
        """The names of its files, A to Z."""


class IBookshop(Interface):
    """The shop; a utility.  What it does is done in the caller's transaction."""

    def add(isbn: str, title: str) -> Any:
        """A new IBook.  Raises ValueError for an ISBN that is none, or is there already."""

    def keep(isbn: str, filename: str, size: int, file: BinaryIO, content_type: str) -> int:
        """Keep the `size` bytes of `file` under this name, in place of those of before; the id of the
        library's file.  Raises KeyError."""

    def remove(isbn: str) -> None:
        """Forget the book.  The collector drops its files, unless others hold them.  Raises KeyError."""

    def __getitem__(isbn: str) -> Any:
        """The IBook.  Raises KeyError."""
