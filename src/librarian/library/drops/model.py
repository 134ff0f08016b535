"""The stored object of an upload link, and where all of them are."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from BTrees.OOBTree import OOBTree, OOTreeSet
from persistent import Persistent

from librarian.clock import LEFT_ALONE
from librarian.library.drops.interfaces import BadUploadLink, DropTooLarge, WrongDropName, WrongDropType
from librarian.library.filenames import check_content_type, check_filename
from librarian.tree.subtree import Subtree

LINK_ID = 8  # bytes of a link's hash that name it in lists
LONGEST_TEXT = 2000  # characters
_BEHIND_ALL = b"\xff" * 33  # a key is a SHA-256, of 32 bytes


@dataclass(frozen=True)
class DropTerms:
    """What a link takes, and what becomes of it."""

    wanted: str = ""  # for the people behind the link: what they are asked for
    filename: str | None = None  # that each file gets; None: its own
    max_size: int | None = None  # bytes
    media_types: tuple[str, ...] = ()  # such as image/png or image/*; empty: all
    max_uses: int | None = 1  # files; None: any number
    restricted: bool = True
    folder: str | None = None  # of the named tree
    keep: timedelta | None = None  # files expire so long after they came; None: never

    def check(self) -> None:
        """Raise BadUploadLink, InvalidFilename or InvalidContentType for terms that no file can meet."""
        if self.filename is not None:
            check_filename(self.filename)
        for each in self.media_types:
            check_content_type(each.replace("/*", "/any") if each.endswith("/*") else each)
        if self.max_size is not None and self.max_size < 1:
            raise BadUploadLink(f"the largest size is at least a byte, not {self.max_size}")
        if self.max_uses is not None and self.max_uses < 1:
            raise BadUploadLink(f"a link is good for at least one file, not {self.max_uses}")
        if self.keep is not None and self.keep <= timedelta(0):
            raise BadUploadLink("files are kept for more than no time")
        if len(self.wanted) > LONGEST_TEXT:
            raise BadUploadLink(f"what is wanted is told in {LONGEST_TEXT} characters at most")

    def check_file(self, filename: str | None, mimetype: str, size: int | None) -> None:
        """Raise WrongDropName, WrongDropType or DropTooLarge; None is for what is not known."""
        if filename is not None and self.filename not in (None, filename):
            raise WrongDropName(str(self.filename))
        if self.media_types and not any(map(_Accepted(mimetype), self.media_types)):
            raise WrongDropType(mimetype, self.media_types)
        self.check_size(size)

    def check_size(self, size: int | None) -> None:
        """Raise DropTooLarge."""
        if self.max_size is not None and size is not None and size > self.max_size:
            raise DropTooLarge(self.max_size)


class _Accepted:
    """Whether a media type, of which parameters and case do not count, is what a link takes."""

    def __init__(self, mimetype: str) -> None:
        self._type = mimetype.partition(";")[0].strip().lower()

    def __call__(self, wanted: str) -> bool:
        wanted = wanted.lower()
        if wanted in ("*/*", "*"):
            return True
        return self._type.startswith(wanted[:-1]) if wanted.endswith("/*") else self._type == wanted


class UploadLink(Persistent):
    """The hash of a link's secret, its terms, and how often it was used."""

    def __init__(
        self, key: bytes, terms: DropTerms, *, owner: str, created: datetime, lifetime: timedelta
    ) -> None:
        self.key = key
        self.terms = terms
        self.owner = owner
        self.created = created
        self.expires = created + lifetime
        self.uses = 0

    @property
    def id(self) -> str:
        """16 hex digits."""
        return self.key[:LINK_ID].hex()

    @property
    def position(self) -> str:
        """Where it is in the list of all links."""
        return f"{self.created.isoformat()}~{self.id}~{self.owner}"

    def is_good(self, now: datetime) -> bool:
        """Whether a file is taken at `now`, by the clock of another node perhaps: see librarian.clock."""
        most = self.terms.max_uses
        return self.created - 2 * LEFT_ALONE <= now < self.expires and (most is None or self.uses < most)


def _parsed(position: str) -> tuple[str, datetime, bytes]:
    """A key of the list that is behind the link at `position`, and before the next.  Raises BadUploadLink."""
    created, _tilde, others = position.partition("~")
    link_id, _tilde, owner = others.partition("~")
    try:
        moment, key = datetime.fromisoformat(created), bytes.fromhex(link_id)
    except ValueError:
        raise BadUploadLink("after is no position in the list of links") from None
    if moment.tzinfo is None or len(key) != LINK_ID:
        raise BadUploadLink("after is no position in the list of links")
    return owner, moment, key + _BEHIND_ALL


class UploadLinkSubtree(Persistent):
    """All links, by the SHA-256 of the secret."""

    def __init__(self) -> None:
        self.links = OOBTree()
        self._by_expiry = OOTreeSet()  # expiry, key
        self._by_owner = OOTreeSet()  # owner, creation, key

    def add(self, link: UploadLink) -> None:
        """Add a new link."""
        self.links[link.key] = link
        self._by_expiry.add((link.expires, link.key))
        self._by_owner.add((link.owner, link.created, link.key))

    def remove(self, link: UploadLink) -> None:
        """Forget a link."""
        del self.links[link.key]
        self._by_expiry.remove((link.expires, link.key))
        self._by_owner.remove((link.owner, link.created, link.key))

    def listed(self, owner: str | None = None, after: str = "") -> Iterator[UploadLink]:
        """The links of one principal, by its id, or all, those of an owner together; the oldest first.

        With `after`, the position of a link, those behind it, whether or not it is still there.  Raises
        BadUploadLink for what is no position.
        """
        begins: tuple[Any, ...] = (owner or "",)
        if after:
            begins = max(begins, _parsed(after))
        for found, _created, key in self._by_owner.keys(begins):
            if owner not in (None, found):
                break
            yield self.links[key]

    def by_id(self, link_id: str) -> UploadLink | None:
        """The link with this id; None for an unknown one, and for what is no id."""
        try:
            begins = bytes.fromhex(link_id)
        except ValueError:
            return None
        key = next(iter(self.links.keys(begins)), b"")
        return self.links[key] if len(begins) == LINK_ID and key.startswith(begins) else None

    def expired(self, now: datetime, most: int) -> list[UploadLink]:
        """At most so many links whose time is over."""
        return [
            self.links[key] for _expires, key in islice(self._by_expiry.keys(None, (now, _BEHIND_ALL)), most)
        ]


subtree = Subtree("upload links", UploadLinkSubtree)
