"""What is stored: the shop, a subtree of the library's tree, and its books with the ids of their files."""

from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from zope.interface import implementer

from bookshop.interfaces import IBook
from librarian.library.interfaces import IFileHolder
from librarian.tree.subtree import Subtree


@implementer(IBook, IFileHolder)
class Book(Persistent):
    """A book; `files` are ids of the library's files, by their names."""

    def __init__(self, isbn: str, title: str) -> None:
        self.isbn = isbn
        self.title = title
        self.files = OOBTree()

    def filenames(self) -> list[str]:
        return list(self.files)

    def getFileByName(self, filename: str) -> int:
        return self.files[filename]


class Shop(Persistent):
    """All books, and which of them each file is of."""

    def __init__(self) -> None:
        self.books = OOBTree()  # isbn -> Book
        self.held = LOBTree()  # id of a file -> isbn

    def hold(self, book: Book, filename: str, alias_id: int) -> None:
        """Note that a book has this file, in place of the one that had its name."""
        self.release(book, filename)
        book.files[filename] = alias_id
        self.held[alias_id] = book.isbn

    def release(self, book: Book, filename: str) -> None:
        """Note that a book has no file of this name any more."""
        alias_id = book.files.pop(filename, None)
        if alias_id is not None:
            del self.held[alias_id]


subtree = Subtree("bookshop", Shop)
