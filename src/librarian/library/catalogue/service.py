"""The utility that answers for the catalogue, as the acting principal sees it."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from zope.component import getUtilitiesFor, getUtility
from zope.interface import implementer

from librarian.library.catalogue import model
from librarian.library.catalogue.interfaces import (
    MOST_LISTED,
    SORTS,
    BadListing,
    CatalogueState,
    Found,
    ICatalogue,
    IFileFinder,
    Listing,
    Match,
    Page,
    Question,
)
from librarian.library.catalogue.model import CatalogueSubtree, Hit, scope
from librarian.library.catalogue.words import has_all, wanted_words, words_of
from librarian.library.interfaces import AliasNotFound, ILibraryFileAliasSet
from librarian.library.model.subtree import LibrarySubtree
from librarian.security.interaction import current_principal, is_permitted
from librarian.security.policy import is_admin
from librarian.tree.interfaces import ITree
from librarian.tree.keys import LAST

LOOKED_AT = 1000  # files of a list that are looked at for one page, at most
MOST_EXACT = 100  # files that an id, a digest or a path leads to, at most
SHORTEST_DIGEST = 8  # hex digits

#: The order of each list, and whether it begins with the greatest.
ORDERS = {
    Listing.EXPIRING: (model.EXPIRES, False),
    Listing.HELD: (model.HELD, True),
    Listing.DELETED: (model.DELETED, True),
}
SORTED = {"added": (model.ADDED, True), "name": (model.NAME, False), "size": (model.SIZE, False)}
SPACES = {"": (model.PUBLIC, model.RESTRICTED), "public": (model.PUBLIC,), "restricted": (model.RESTRICTED,)}

DIGITS = re.compile("[0-9a-f]{8,64}", re.ASCII)
DIGESTS = {"md5": 16, "sha1": 20, "sha256": 32}  # bytes
_ID = re.compile("[1-9][0-9]{0,15}", re.ASCII)

Kept = list[tuple[bytes, Any]]  # positions with aliases


@implementer(ICatalogue)
class Catalogue:
    """Reads the keys, and asks for each file that they lead to."""

    def __init__(self) -> None:
        self._tree = getUtility(ITree)

    def page(self, question: Question) -> Page:
        order, descending = _order(question)
        if not 1 <= question.most <= MOST_LISTED:
            raise BadListing("size", f"a page has 1 to {MOST_LISTED} files")
        backwards = bool(question.before)
        start = _position(question.before or question.after)
        hits = self._catalogue.hits(order, _scopes(question), descending != backwards, start)
        kept, more = self._keep(hits, question.most, lambda alias: _fits(question, alias))
        if backwards:
            kept.reverse()
        first, last = (kept[0][0], kept[-1][0]) if kept else (b"", b"")
        if more is not None and not backwards:
            last = more
        return Page(
            [alias for _place, alias in kept],
            _text(last) if backwards or more is not None else "",
            _text(first) if (more is not None if backwards else bool(start)) else "",
        )

    def _keep(self, hits: Iterator[Hit], most: int, fits: Callable[[Any], bool]) -> tuple[Kept, bytes | None]:
        """Up to `most` of the hits that fit and may be seen; and where to go on, None if nothing follows."""
        kept: Kept = []
        place = b""
        aliases = getUtility(ILibraryFileAliasSet)
        for looked_at, (found, alias_id) in enumerate(hits):
            if len(kept) == most or looked_at == LOOKED_AT:
                return kept, place
            place = found
            with suppress(AliasNotFound):
                alias = aliases[alias_id]
                if is_permitted("librarian.View", alias) and fits(alias):
                    kept.append((place, alias))
        return kept, None

    def find(self, words: str, most: int = 50, after: str = "") -> Found:
        if not 1 <= most <= MOST_LISTED:
            raise BadListing("size", f"a page has 1 to {MOST_LISTED} files")
        start = _position(after)
        exact = [] if start else [*self._exactly(words, whole=False), *self._elsewhere(words)]
        wanted = wanted_words(words)
        if not wanted:
            return Found(exact, "")
        known = {match.alias.id for match in exact}
        hits = self._catalogue.with_word(_visible_scopes(), wanted[0], start)
        kept, more = self._keep(
            _at_first_word(hits, self._words, wanted), most, lambda alias: not alias.deleted
        )
        named = [Match(alias, "name") for _place, alias in kept if alias.id not in known]
        return Found([*exact, *named], _text(more or b""))

    def _words(self, alias_id: int) -> list[str]:
        entry = self._catalogue.entry(alias_id)
        return [] if entry is None else words_of(entry.filename)

    def find_exactly(self, words: str) -> Found:
        return Found(self._exactly(words, whole=True), "")

    def _exactly(self, words: str, whole: bool) -> list[Match]:
        stated = words.strip().lower()
        found = []
        if _ID.fullmatch(stated):
            found.append(("id", int(stated)))
        if DIGITS.fullmatch(stated):
            for name, length in DIGESTS.items():
                if len(stated) == 2 * length or (not whole and len(stated) < 2 * length):
                    found += [(name, alias_id) for alias_id in self._with_digest(name, stated, length)]
        return list(self._seen(found))

    def _with_digest(self, name: str, digits: str, length: int) -> Iterator[int]:
        low = bytes.fromhex(digits.ljust(2 * length, "0"))
        high = bytes.fromhex(digits.ljust(2 * length, "f"))
        return islice(self._between(name, low, high), LOOKED_AT)

    def _between(self, name: str, low: bytes, high: bytes) -> Iterator[int]:
        if name == "md5":
            yield from self._catalogue.with_md5(low, high)
        elif name == "sha256":
            yield from self._aliases_of(self._library.contents.keys(min=low, max=high))
        else:
            for key in self._library.by_sha1.keys(min=low, max=high + LAST):
                yield from self._aliases_of(self._library.sha256s_behind(key))

    def _aliases_of(self, sha256s: Iterator[bytes]) -> Iterator[int]:
        for sha256 in sha256s:
            yield from (alias.id for alias in self._library.aliases_of(sha256))

    def _elsewhere(self, words: str) -> list[Match]:
        """What other systems know under names of their own."""
        finders = sorted(getUtilitiesFor(IFileFinder))
        return list(
            self._seen([(one.title, alias_id) for _name, one in finders for alias_id in one.find(words)])
        )

    def _seen(self, found: list[tuple[str, int]]) -> Iterator[Match]:
        """Those that may be seen, each once, MOST_EXACT at most."""
        aliases = getUtility(ILibraryFileAliasSet)
        seen: set[int] = set()
        for by, alias_id in found:
            if alias_id in seen or len(seen) == MOST_EXACT:
                continue
            with suppress(AliasNotFound):
                alias = aliases[alias_id]
                if is_permitted("librarian.View", alias):
                    seen.add(alias_id)
                    yield Match(alias, by)

    def state(self) -> CatalogueState:
        waiting = sum(1 for _id in self._library.changes.first(100))
        return CatalogueState(self._catalogue.indexing.complete, waiting)

    @property
    def _library(self) -> LibrarySubtree:
        found: LibrarySubtree = self._tree.subtree("library")
        return found

    @property
    def _catalogue(self) -> CatalogueSubtree:
        found: CatalogueSubtree = self._tree.subtree("catalogue")
        return found


def _at_first_word(
    hits: Iterator[Hit], words: Callable[[int], list[str]], wanted: list[str]
) -> Iterator[Hit]:
    """A file has several keys where several of its words begin so: only the first counts.  Of the others
    wanted each must begin a word too; a hit that fails has id 0, so that it counts as looked at."""
    for place, alias_id in hits:
        mine = words(alias_id)
        first = next((word for word in mine if word.startswith(wanted[0])), "")
        right = place.partition(model.END)[0] == first.encode("utf-8", "surrogatepass")
        yield place, alias_id if right and has_all(mine, wanted) else 0


def _order(question: Question) -> tuple[bytes, bool]:
    """The order of a list, and whether it begins with the greatest.  Raises BadListing."""
    if question.listing in ORDERS and not question.sort:
        return ORDERS[question.listing]
    if question.listing in ORDERS:
        raise BadListing("sort", f"the list {question.listing.value} has one order only")
    name = question.sort.removeprefix("-")
    if name not in ("", *SORTS):
        raise BadListing("sort", f"one of {', '.join(SORTS)}, perhaps with a - in front")
    order, newest_first = SORTED[name or "added"]
    return order, newest_first if not question.sort else question.sort.startswith("-")


def _scopes(question: Question) -> list[bytes]:
    """Whose files: never more than the acting principal might see.  Raises BadListing."""
    principal = current_principal()
    if question.space not in SPACES:
        raise BadListing("space", "public or restricted")
    spaces = SPACES[question.space]
    admin = is_admin(principal)
    if question.owner is not None and not admin and question.owner != principal.id:
        raise BadListing("owner", "only administrators may ask for the files of others")
    own = principal.id if question.listing is Listing.MINE else question.owner
    if question.listing is Listing.DELETED and not admin:
        own = principal.id
    if own is not None:
        return [scope(space, own) for space in spaces]
    return [each for each in _visible_scopes() if each[:1] in spaces]


def _visible_scopes() -> list[bytes]:
    """What the acting principal might see: all public files, and all restricted ones or those of its own."""
    principal = current_principal()
    restricted = scope(model.RESTRICTED, None if is_admin(principal) else principal.id)
    return [scope(model.PUBLIC), restricted]


def _fits(question: Question, alias: Any) -> bool:
    """Whether a file is what the question asks for, now: the catalogue may be a second behind."""
    if question.listing is Listing.DELETED:
        return alias.deleted and is_permitted("librarian.Edit", alias)
    return not alias.deleted and alias.mimetype.startswith(question.kind)


def _text(place: bytes) -> str:
    return urlsafe_b64encode(place).decode().rstrip("=")


def _position(text: str) -> bytes:
    """The place in an order that _text() wrote.  Raises BadListing."""
    try:
        place = urlsafe_b64decode(text.encode("ascii") + b"==") if text else b""
    except ValueError:
        place = b"-"
    if text and not model.ID <= len(place) <= 2 * model.LONGEST_NAME:
        raise BadListing("position", "not one that a page of this list gave")
    return place
