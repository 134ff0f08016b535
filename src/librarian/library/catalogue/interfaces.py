"""The catalogue: lists of files, and the search by what a person remembers of one.

The library itself finds a file by its id or digest.  People ask for *my files*, *what was added lately*,
*what expires soon*, or *something that began with rep*.  The catalogue answers that from one ordered set of
keys, such as ``scope, name, id``: a page of any list is a walk from a key over so many entries, so it is as
quick in a library of a million files as in one of ten.  Nothing counts, and nothing sorts.

A *scope* is a space (public or restricted), or what one owner has of a space.  Every key of a file exists
for both.  A list for a person who may see all public files and their own restricted ones is two walks,
merged.

A transaction that adds a file writes none of these keys.  It notes the id in a short queue
(`ChangedFiles`), and an *indexer* takes the queues in, in batches: one server of all, about once a second.
It compares what it knows of the file, an *entry*, with what the file is now, and changes the keys that
differ.  An installation that is older than its catalogue has its files taken in by the same indexer, in the
order of their ids, beside the requests.

The catalogue decides nothing: each file of a list is looked up and asked for by the same permission as the
file's page.  A file that a key leads to and that is gone meanwhile is left out.

ZODB's catalogues were measured before this one was written.  hypatia and zope.index write 5 to 17 KB for
each file that is added alone and answer the prefix ``a`` by uniting the postings of every word with an a,
0.4 s in 50,000 files; an ordered set of (word, id) walks to the first fifty.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

from zope.interface import Attribute, Interface

from librarian.interfaces import LibrarianError

# ruff: noqa: N805  # interface methods have no self


class BadListing(LibrarianError, ValueError):
    """A list was asked for that there is not: its name, order, page size or position."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")
        self.what = what


class Listing(Enum):
    """The lists: the value is what URLs say."""

    MINE = "mine"  # what the acting principal added
    ALL = "all"  # what it may see
    EXPIRING = "expiring"  # of these, those with a date of expiry, the next one first
    HELD = "held"  # of these, those that a person or a program holds
    DELETED = "deleted"  # what it may bring back, the last deleted first


SORTS = ("added", "name", "size")
MOST_LISTED = 500  # files on a page


class Question(NamedTuple):
    """Which files, in which order, from where on."""

    listing: Listing = Listing.ALL
    sort: str = ""  # of SORTS, with a "-" in front from the greatest on; empty: as the list is
    space: str = ""  # public, restricted; empty: both
    owner: str | None = None  # the id of a principal; administrators only
    kind: str = ""  # the beginning of a media type: image, text/csv
    most: int = 50  # files on the page
    after: str = ""  # the `following` of a page
    before: str = ""  # or its `previous`


class Page(NamedTuple):
    """A page of a list."""

    files: Sequence[Any]  # ILibraryFileAlias
    following: str  # the position that the next page begins behind; empty: there is none
    previous: str  # the position that the page before ends at; empty: there is none


class Match(NamedTuple):
    """A file that was found."""

    alias: Any  # ILibraryFileAlias
    by: str  # id, md5, sha1, sha256, name, path


class Found(NamedTuple):
    """What a search found."""

    matches: Sequence[Match]
    following: str  # as in Page


class ICatalogue(Interface):
    """The lists and the search, as the acting principal sees them."""

    def page(question: Question) -> Page:
        """A page of a list.  It may be short although another follows: of many files that are not to be seen
        only some are looked at.  Raises BadListing."""

    def find(words: str, most: int = 50, after: str = "") -> Found:
        """Files by words that a person types: an id, a digest or its first 8 digits or more, a path of
        the named tree, or beginnings of words in the name, all of them.  Raises BadListing."""

    def find_exactly(words: str) -> Found:
        """Files by an id or a whole digest, for those who may not see lists."""

    def state() -> "CatalogueState":
        """How far the catalogue has come."""


class CatalogueState(NamedTuple):
    """How far the catalogue has come."""

    complete: bool  # False: files from before the catalogue are still being taken in
    waiting: int  # changed files that are not taken in yet, at most some hundreds are counted


class IFileFinder(Interface):
    """A named utility: a system that finds files by names of its own; `title` says what matched."""

    title = Attribute("What matched, in a word: path.")

    def find(words: str) -> Sequence[int]:
        """Ids of files, at most a hundred, of what the acting principal may see.  Called in a session."""


class Entry(NamedTuple):
    """What the catalogue knows of a file: all that its keys are made of."""

    filename: str
    owner: str
    restricted: bool
    size: int  # bytes
    added: datetime
    md5: bytes
    expires: datetime | None = None  # where it has a date
    held: bool = False
    deleted: datetime | None = None  # when it was deleted; it can be brought back
