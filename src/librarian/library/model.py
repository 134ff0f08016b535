"""What the library keeps in the tree: aliases, contents, and the ways to find them."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from operator import attrgetter

from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree, OOTreeSet
from persistent import Persistent
from ZODB.utils import z64
from zope.interface import implementer

from librarian.library.interfaces import AliasNotFound, ILibraryFileContent
from librarian.store.interfaces import StoredBytes
from librarian.tree.branch import Branch

TOKEN_ID = 8  # bytes of a token's hash that name it in lists
LAST = b"\xff" * 33  # behind a prefix of ids and digests: greater than every key that begins with it
ID_LIMIT = 2**53  # ids below it are exact in JSON and JavaScript


@implementer(ILibraryFileContent)
class LibraryFileContent(Persistent):
    """Bytes the store holds.  Digests are kept raw, a third of a million files' weight."""

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


class LibraryBranch(Persistent):
    """All aliases and contents.  Digest keys are raw bytes; an index entry is one joined key.

    There is no counter and no total: everybody who adds a file would fight over it.
    """

    def __init__(self) -> None:
        self.aliases = LOBTree()  # id -> AliasRecord
        self.contents = OOBTree()  # sha256 -> LibraryFileContent
        self.by_sha1 = OOTreeSet()  # sha1 + sha256; two contents may share a SHA-1
        self.by_content = OOTreeSet()  # sha256 + id, big-endian
        self.tokens = OOBTree()  # sha256 of the token -> TokenRecord
        self.tokens_by_alias = OOTreeSet()  # id + sha256 of the token
        self.tokens_by_expiry = OOTreeSet()  # seconds since the epoch + sha256 of the token

    def new_id(self, random_below: Callable[[int], int]) -> int:
        """An id nobody has: random, so that writers in many processes rarely meet."""
        while True:
            alias_id = 1 + random_below(ID_LIMIT - 1)
            if alias_id not in self.aliases:
                return alias_id

    def content_for(self, stored: StoredBytes, now: datetime) -> LibraryFileContent:
        """The content with these bytes, made if they are new."""
        key = bytes.fromhex(stored.sha256)
        content = self.contents.get(key)
        if content is None:
            content = self.contents[key] = LibraryFileContent(stored, now)
            self.by_sha1.add(bytes.fromhex(stored.sha1) + key)
        return content

    def add(self, record: AliasRecord) -> None:
        self.aliases[record.id] = record
        if record.content is not None:
            self.by_content.add(_content_key(record.content, record.id))

    def delete_content(self, record: AliasRecord) -> None:
        """Part an alias from its content, which stays until a collector finds it without alias."""
        if record.content is not None:
            self.by_content.remove(_content_key(record.content, record.id))
            record.content = None

    def record(self, alias_id: object) -> AliasRecord:
        if isinstance(alias_id, int) and 0 < alias_id < ID_LIMIT:
            record = self.aliases.get(alias_id)
            if record is not None:
                return record
        raise AliasNotFound(alias_id)

    def records_of(self, sha256: bytes) -> Iterator[AliasRecord]:
        """The aliases of a content, by id."""
        for key in _with_prefix(self.by_content, sha256):
            yield self.aliases[int.from_bytes(key[32:])]

    def sha256s_of(self, sha1: bytes) -> Iterator[bytes]:
        for key in _with_prefix(self.by_sha1, sha1):
            yield key[20:]

    def add_token(self, token: TokenRecord) -> None:
        self.tokens[token.key] = token
        self.tokens_by_alias.add(token.alias_id.to_bytes(8) + token.key)
        self.tokens_by_expiry.add(_moment_key(token.expires) + token.key)

    def drop_token(self, token: TokenRecord) -> None:
        del self.tokens[token.key]
        self.tokens_by_alias.remove(token.alias_id.to_bytes(8) + token.key)
        self.tokens_by_expiry.remove(_moment_key(token.expires) + token.key)

    def tokens_of(self, alias_id: int) -> list[TokenRecord]:
        """The tokens of one file, oldest first."""
        keys = _with_prefix(self.tokens_by_alias, alias_id.to_bytes(8))
        return sorted((self.tokens[key[8:]] for key in keys), key=attrgetter("created", "key"))

    def tokens_called(self, token_id: str) -> list[TokenRecord]:
        """Tokens whose id, the beginning of their key, is `token_id`."""
        try:
            prefix = bytes.fromhex(token_id)
        except ValueError:
            return []
        return (
            [self.tokens[key] for key in _with_prefix(self.tokens, prefix)] if len(prefix) == TOKEN_ID else []
        )

    def dead_tokens(self, now: datetime, limit: int) -> Iterator[TokenRecord]:
        """At most `limit` tokens that died of age, the oldest first."""
        last = _moment_key(now) + LAST
        for key in islice(self.tokens_by_expiry.keys(max=last), limit):
            yield self.tokens[key[8:]]


def _moment_key(moment: datetime) -> bytes:
    return int(moment.timestamp()).to_bytes(8)


def _content_key(content: LibraryFileContent, alias_id: int) -> bytes:
    return bytes.fromhex(content.sha256) + alias_id.to_bytes(8)


def _with_prefix(keys: OOTreeSet, prefix: bytes) -> Iterator[bytes]:
    return iter(keys.keys(min=prefix, max=prefix + LAST))


branch = Branch("library", LibraryBranch)
