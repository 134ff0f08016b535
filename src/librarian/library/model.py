"""The single things the library keeps in the tree: contents, aliases, tokens."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from persistent import Persistent
from ZODB.utils import z64
from zope.interface import implementer

from librarian.library.interfaces import ILibraryFileContent
from librarian.library.tokens.use import ClientDownload, Piece
from librarian.store.interfaces import StoredBytes

TOKEN_ID = 8  # bytes of a token's hash that name it in lists


@implementer(ILibraryFileContent)
class LibraryFileContent(Persistent):
    """Bytes the store holds.  Digests are kept raw: in hex they would take twice the room."""

    unclaimed_since: datetime | None = None  # set while a collector thinks that no alias names it

    def __init__(self, stored: StoredBytes, datecreated: datetime) -> None:
        self._digests = bytes.fromhex(stored.sha256 + stored.sha1 + stored.md5)
        self.filesize = stored.size
        self.datecreated = datecreated

    @property
    def sha256(self) -> str:
        return self._digests[:32].hex()

    @property
    def sha1(self) -> str:
        return self._digests[32:52].hex()

    @property
    def md5(self) -> str:
        return self._digests[52:].hex()


class AliasRecord(Persistent):
    """The lasting part of an alias; what it can do lives in the service."""

    owner: str | None = None
    unreferenced_since: datetime | None = None  # when the collector first found nobody holding it
    content_deleted: datetime | None = None
    former_content: LibraryFileContent | None = None  # while a deleted file can be brought back

    def __init__(
        self,
        alias_id: int,
        filename: str,
        mimetype: str,
        content: LibraryFileContent | None,
        *,
        expires: datetime | None,
        restricted: bool,
        date_created: datetime,
        owner: str | None,
    ) -> None:
        self.id = alias_id
        self.filename = filename
        self.mimetype = mimetype
        self.content = content
        self.expires = expires
        self.restricted = restricted
        self.date_created = date_created
        if owner is not None:
            self.owner = owner

    @property
    def committed(self) -> bool:
        """Whether others can see it already."""
        return self._p_jar is not None and self._p_serial != z64


class TokenRecord(Persistent):
    """A time-limited token, without the token: its hash, what it opens, and how it was used."""

    # For tokens made before downloads were counted by the piece.
    _downloads: dict[str, ClientDownload] = MappingProxyType({})  # type: ignore[assignment]

    def __init__(
        self,
        key: bytes,
        path: str,
        *,
        created: datetime,
        lifetime: timedelta,
        max_uses: int | None,
        asked_by: str,
    ) -> None:
        self.key = key
        self.path = path
        self.created = created
        self.lifetime = lifetime
        self.max_uses = max_uses
        self.asked_by = asked_by
        self.uses = 0
        self.last_used: datetime | None = None
        self._downloads: dict[str, ClientDownload] = {}  # by client_key()

    @property
    def id(self) -> str:
        """What a list shows and revoke() takes; says nothing about the token."""
        return self.key[:TOKEN_ID].hex()

    @property
    def alias_id(self) -> int:
        first = self.path.split("/")[1]
        return int(first) if first.isdigit() else 0

    @property
    def expires(self) -> datetime:
        return self.created + self.lifetime

    def alive_for(self, now: datetime, client: str) -> bool:
        """Whether `client` may ask for anything.  The moment of `expires` is outside."""
        if not self.created <= now < self.expires:
            return False
        under_way = self._downloads.get(client)
        return not self._exhausted or (under_way is not None and under_way.unfinished(now))

    def use(self, now: datetime, client: str, pieces: Sequence[Piece], size: int) -> int | None:
        """Count what `client` is about to be given of a file of `size` bytes.

        Returns the number of the use that it belongs to (0 where uses are not limited), which
        take_back() wants; None: it may not be given.
        """
        if not self.alive_for(now, client):
            return None
        self.last_used = now
        if self.max_uses is None:
            self.uses += 1
            return 0
        under_way = self._downloads.get(client)
        if under_way is None or under_way.size != size or not under_way.allows(pieces, now):
            if self._exhausted:
                return None
            self.uses += 1
            under_way = ClientDownload(self.uses, size, now)
        self._downloads = {**self._downloads, client: under_way.give(pieces, now)}
        return under_way.use

    def take_back(self, now: datetime, client: str, use: int, unsent: Piece, in_flight: int) -> None:
        """`unsent` of what use() counted was not sent, and `in_flight` bytes before it may be lost."""
        under_way = self._downloads.get(client)
        if under_way is not None and under_way.use == use:
            self._downloads = {**self._downloads, client: under_way.take_back(unsent, in_flight, now)}

    @property
    def _exhausted(self) -> bool:
        return self.max_uses is not None and self.uses >= self.max_uses
