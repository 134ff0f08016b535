"""What the library keeps in the tree: aliases, contents, and the ways to find them."""

from collections.abc import Callable, Iterator
from datetime import datetime

from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree, OOTreeSet
from persistent import Persistent
from ZODB.utils import z64
from zope.interface import implementer

from librarian.library.interfaces import AliasNotFound, ILibraryFileContent
from librarian.store.interfaces import StoredBytes
from librarian.tree.branch import Branch

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

    def __init__(  # one for each fact that is fixed at birth
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


class LibraryBranch(Persistent):
    """All aliases and contents.  Digest keys are raw bytes; an index entry is one joined key.

    There is no counter and no total: everybody who adds a file would fight over it.
    """

    def __init__(self) -> None:
        self.aliases = LOBTree()  # id -> AliasRecord
        self.contents = OOBTree()  # sha256 -> LibraryFileContent
        self.by_sha1 = OOTreeSet()  # sha1 + sha256; two contents may share a SHA-1
        self.by_content = OOTreeSet()  # sha256 + id, big-endian

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


def _content_key(content: LibraryFileContent, alias_id: int) -> bytes:
    return bytes.fromhex(content.sha256) + alias_id.to_bytes(8)


def _with_prefix(keys: OOTreeSet, prefix: bytes) -> Iterator[bytes]:
    return iter(keys.keys(min=prefix, max=prefix + b"\xff" * 33))


branch = Branch("library", LibraryBranch)
