"""The single things the library keeps in the tree: contents, aliases, tokens."""

from datetime import datetime, timedelta

from persistent import Persistent
from ZODB.utils import z64
from zope.interface import implementer

from librarian.library.interfaces import ILibraryFileContent
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
        self._sessions: dict[str, int] = {}  # client -> where its last download began

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

    def alive(self, now: datetime) -> bool:
        """Whether it still opens anything, for somebody.  The last moment is outside."""
        return self.created <= now < self.expires and not (self._exhausted and not self._sessions)

    def alive_for(self, now: datetime, client: str, start: int) -> bool:
        """Whether `client` may begin a download at byte `start`."""
        if not self.created <= now < self.expires:
            return False
        return not self._exhausted or self._continues(client, start)

    def use(self, now: datetime, client: str, start: int) -> bool:
        """Count it, unless it continues a download; whether it may go on."""
        if not self.alive_for(now, client, start):
            return False
        if not self._continues(client, start):
            self.uses += 1
        if self.max_uses is not None:
            self._sessions = {**self._sessions, client: start}
        self.last_used = now
        return True

    @property
    def _exhausted(self) -> bool:
        return self.max_uses is not None and self.uses >= self.max_uses

    def _continues(self, client: str, start: int) -> bool:
        return client in self._sessions and start > self._sessions[client]
