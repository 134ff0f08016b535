"""The library's subtree of the tree: everything it keeps, and the ways to find it."""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import islice
from operator import attrgetter

from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree, OOTreeSet
from persistent import Persistent

from librarian.library.interfaces import AliasNotFound, CannotUndelete
from librarian.library.model.changes import ChangedFiles
from librarian.library.model.client_downloads import ClientDownload
from librarian.library.model.counts import DownloadCounts, LogPlace, LogPlaces
from librarian.library.model.files import FileHolds, Generation, LibraryFileAlias, LibraryFileContent
from librarian.library.model.quotas import Quotas
from librarian.library.model.tokens import TOKEN_ID, TimeLimitedToken
from librarian.store.interfaces import BytesRetired, StoredBytes
from librarian.tree.indexes import SmallLOBTree, SmallOOBTree, SmallOOTreeSet, make_small
from librarian.tree.keys import LAST, prefixes_among, with_prefix
from librarian.tree.subtree import Subtree, store_new_class_names

ID_LIMIT = 2**53  # ids below it are exact in JSON and JavaScript
SHA256_PREFIX = 4  # bytes behind a SHA-1; a third of the room that the whole digest takes
PATIENCE = timedelta(days=1)  # between two slices of one download; a token lives as long


class LibrarySubtree(Persistent):
    """All aliases and contents.  Digest keys are raw bytes; an index entry is one joined key.

    There is no counter and no total: every transaction that adds a file would conflict on it.
    """

    collected_at: datetime | None = None  # when the garbage collector last began
    reference_names: frozenset[str] = frozenset()  # the IFileReferences it has met so far
    generations: SmallOOBTree | None = None  # sha256 -> Generation, or None for 0; see generation_of()
    dropped: SmallOOBTree | None = None  # sha256 -> seconds since the epoch; see drop_content()
    quotas: Quotas | None = None  # where anything was ever limited

    def __init__(self) -> None:
        self.aliases = SmallLOBTree()  # id -> LibraryFileAlias
        self.contents = SmallOOBTree()  # sha256 -> LibraryFileContent
        self.by_sha1 = SmallOOTreeSet()  # sha1_key(); two contents may share a SHA-1
        self.by_content = SmallOOTreeSet()  # sha256 + id, big-endian
        self.by_former_content = SmallOOTreeSet()  # the same for deleted files that can be brought back
        self.holds = FileHolds()  # for clients outside of this process
        self.changes = ChangedFiles()  # what the catalogue has not taken in yet
        self.downloads = LOBTree()  # id -> DownloadCounts, of those that were downloaded
        self.log_places = LogPlaces()
        self.slices = OOBTree()  # id + digest of the client -> (bytes it got, seconds since the epoch)
        self.tokens = OOBTree()  # sha256 of the token -> TimeLimitedToken
        self.tokens_by_alias = OOTreeSet()  # id + sha256 of the token
        self.tokens_by_expiry = OOTreeSet()  # seconds since the epoch + sha256 of the token

    def new_id(self, random_below: Callable[[int], int]) -> int:
        """A free id below ID_LIMIT, random, so that writers in many processes rarely conflict."""
        while True:
            alias_id = 1 + random_below(ID_LIMIT - 1)
            if alias_id not in self.aliases:
                return alias_id

    def content_for(self, stored: StoredBytes, now: datetime) -> LibraryFileContent:
        """The content with these bytes, made if they are new.

        Raises BytesRetired, before anything is changed, where a store with generations has begun another.
        """
        key = bytes.fromhex(stored.sha256)
        content = self.contents.get(key)
        if stored.generation is not None:
            self._require_generation(key, stored.generation, is_named=content is not None)
        if content is not None:
            self.claim(content)
        else:
            content = self.contents[key] = LibraryFileContent(stored, now)
            self.by_sha1.add(sha1_key(content))
        return content

    def generation_of(self, key: bytes) -> int:
        """The generation that a name of these bytes means, of a store with generations.

        0 where there is no entry: the bytes have never been swept.  Naming new bytes writes the entry, and
        so does retire(): one of both conflicts.  Where a content is there, retire() refuses, and condemn()
        writes the content, which claim() conflicts with.
        """
        found = None if self.generations is None else self.generations.get(key)
        return 0 if found is None else found.number

    def _require_generation(self, key: bytes, number: int, *, is_named: bool) -> None:
        if self.generation_of(key) != number:
            raise BytesRetired(key.hex())
        if not is_named:
            self._write_generation(key, number)

    def _write_generation(self, key: bytes, number: int) -> None:
        """Write the entry, also where its number stays.  Two new ones at the same time conflict."""
        if self.generations is None:
            self.generations = SmallOOBTree()
        found = self.generations.get(key)
        if found is not None:
            found.number = number
        else:
            # None takes next to no room, and nearly all entries are that.
            is_new = key not in self.generations
            self.generations[key] = None if is_new and not number else Generation(number)

    def mean_generation(self, key: bytes, number: int) -> None:
        """Have names of these bytes mean this generation: for a tree that is brought back."""
        self._write_generation(key, number)

    def retire(self, key: bytes) -> int | None:
        """Begin the next generation of bytes without a content, and answer it; None where there is one."""
        if key in self.contents:
            return None
        number = self.generation_of(key) + 1
        self._write_generation(key, number)
        return number

    def condemn(self, key: bytes, number: int) -> bool:
        """Begin the next generation of bytes whose present one, `number`, is damaged; False if the present
        one is another."""
        if self.generation_of(key) != number:
            return False
        content = self.contents.get(key)
        if content is not None:
            content._p_changed = True
        self._write_generation(key, number + 1)
        return True

    def note_damage(self, key: bytes, damage: str) -> bool:
        """Remember that bytes are ``damaged`` or ``missing``; False if that is known, or no content has them.

        The content is written: a transaction that names the bytes at the same time conflicts (claim()).
        """
        content = self.contents.get(key)
        if content is None or content.damage is not None:
            return False
        content.damage = damage
        return True

    def note_repair(self, key: bytes) -> bool:
        """Forget what note_damage() remembers of bytes that are whole again; whether there was anything."""
        content = self.contents.get(key)
        if content is None or content.damage is None:
            return False
        content.damage = None
        return True

    def claim(self, content: LibraryFileContent) -> None:
        """Conflict with a collector that removes the content because no alias names it."""
        if content.unclaimed_since is not None:
            content.unclaimed_since = None
        elif content._p_jar is not None:
            # No write, so that many can claim it at the same time.
            content._p_jar.readCurrent(content)

    def add(self, alias: LibraryFileAlias) -> None:
        """Store an alias under its id, and index it by its content."""
        self.aliases[alias.id] = alias
        self.changes.note(alias.id)
        if alias.content is not None:
            self.by_content.add(content_key(alias.content, alias.id))
            self._count(alias, alias.content, 1)

    def _count(self, alias: LibraryFileAlias, content: LibraryFileContent, files: int) -> None:
        if self.quotas is not None and alias.owner is not None:
            self.quotas.note(alias.owner, files, files * content.filesize)

    def delete_content(self, alias: LibraryFileAlias, now: datetime | None = None) -> None:
        """Take the content from an alias; with `now`, undelete() can bring it back."""
        content = alias.content
        if content is None:
            return
        self.by_content.remove(content_key(content, alias.id))
        self._count(alias, content, -1)
        self.changes.note(alias.id)
        alias.content = None
        if now is not None:
            alias.content_deleted, alias.former_content = now, content
            self.by_former_content.add(content_key(content, alias.id))

    def undelete(self, alias: LibraryFileAlias) -> None:
        """Give the alias back the content that delete_content() kept.  Raises CannotUndelete."""
        content = alias.former_content
        if content is None:
            raise CannotUndelete(alias.id)
        self.forget_former(alias)
        alias.content, alias.content_deleted = content, None
        self.by_content.add(content_key(content, alias.id))
        self._count(alias, content, 1)
        self.claim(content)

    def forget_former(self, alias: LibraryFileAlias) -> None:
        """From now on the deleted file cannot be brought back."""
        if alias.former_content is not None:
            self.by_former_content.remove(content_key(alias.former_content, alias.id))
            self.changes.note(alias.id)
            alias.former_content = None

    def hold(self, alias: LibraryFileAlias, reason: str) -> None:
        """Keep a file for a client outside of this process.  Raises NotStored."""
        self.holds.hold(alias, reason)
        self.changes.note(alias.id)

    def release(self, alias: LibraryFileAlias, reason: str) -> bool:
        """Undo hold(); whether the file was held for this reason."""
        released = self.holds.release(alias.id, reason)
        if released:
            self.changes.note(alias.id)
        return released

    def keep_until(self, alias: LibraryFileAlias, expires: datetime | None) -> None:
        """Change the expiry of a file; a new date is announced anew."""
        alias.expires = expires
        self.changes.note(alias.id)

    def drop(self, alias: LibraryFileAlias) -> None:
        """Remove an alias.  The alias is written too, so that a hold at the same time conflicts."""
        self.delete_content(alias)
        self.forget_former(alias)
        alias._p_changed = True
        self.changes.note(alias.id)
        self.downloads.pop(alias.id, None)
        for token in self.tokens_of(alias.id):
            self.drop_token(token)
        del self.aliases[alias.id]

    def count_downloads(self, alias: LibraryFileAlias, day: date, country: str | None, count: int) -> None:
        """Add to the count of a file, for an alpha-2 country code or None.

        The alias is not written: only dropping it conflicts with this.
        """
        if alias._p_jar is not None:
            alias._p_jar.readCurrent(alias)
        counts = self.downloads.get(alias.id)
        if counts is None:
            counts = self.downloads[alias.id] = DownloadCounts()
        counts.add(day, country, count)

    def slice_completes(self, alias: LibraryFileAlias, client: bytes, size: int, seconds: float) -> int:
        """The number of downloads that `size` more bytes of a file complete for a client, a digest of it.

        What was sent more than PATIENCE before does not count.
        """
        content = alias.content or alias.former_content
        if content is None or not content.filesize:
            return 0
        key = alias.id.to_bytes(8) + client
        before, at = self.slices.get(key, (0, seconds))
        fresh = seconds - at <= PATIENCE.total_seconds()
        # The separators of a multipart answer make it longer than the file (RFC 9110, section 14.6).
        size = min(size, content.filesize)
        completed, rest = divmod(size + (before if fresh else 0), content.filesize)
        if rest:
            self.slices[key] = (rest, seconds)
        elif key in self.slices:
            del self.slices[key]
        return completed

    def named_among(self, sha256s: Collection[bytes]) -> set[bytes]:
        """Those of the contents that any alias has, or could get back."""
        indexes = (self.by_content, self.by_former_content)
        return set().union(*(prefixes_among(keys, sha256s) for keys in indexes))

    def drop_content(self, content: LibraryFileContent, now: datetime | None = None) -> None:
        """Remove a content that nothing names.  With `now` it is remembered when that was."""
        content._p_changed = True
        key = bytes.fromhex(content.sha256)
        if now is not None:
            if self.dropped is None:
                self.dropped = SmallOOBTree()
            self.dropped[key] = int(now.timestamp())
        del self.contents[key]
        if self.generations is not None and self.generations.get(key, LAST) is None:
            del self.generations[key]
        for key in sha1_keys(content):
            if key in self.by_sha1:
                self.by_sha1.remove(key)

    def was_dropped_since(self, key: bytes, since: datetime) -> bool:
        """Whether these bytes were named at that time or later, as far as that was remembered."""
        return self.dropped is not None and self.dropped.get(key, 0) >= int(since.timestamp())

    def forget_dropped(self, keys: Iterable[bytes], before: datetime) -> None:
        """Forget those of `keys` that were dropped before a time."""
        for key in keys:
            if self.dropped is not None and key in self.dropped and not self.was_dropped_since(key, before):
                del self.dropped[key]

    def alias(self, alias_id: object) -> LibraryFileAlias:
        """The alias with this id.  Raises AliasNotFound, also for values that are no ids."""
        if isinstance(alias_id, int) and 0 < alias_id < ID_LIMIT:
            alias = self.aliases.get(alias_id)
            if alias is not None:
                return alias
        raise AliasNotFound(alias_id)

    def aliases_of(self, sha256: bytes) -> Iterator[LibraryFileAlias]:
        """The aliases of a content, by id."""
        for key in with_prefix(self.by_content, sha256):
            yield self.aliases[int.from_bytes(key[32:])]

    def former_aliases_of(self, sha256: bytes) -> Iterator[LibraryFileAlias]:
        """The aliases of a content that were deleted and can be brought back, by id."""
        for key in with_prefix(self.by_former_content, sha256):
            yield self.aliases[int.from_bytes(key[32:])]

    def sha256s_of(self, sha1: bytes) -> Iterator[bytes]:
        """The SHA-256 of each content with this SHA-1; all digests are raw bytes."""
        for key in with_prefix(self.by_sha1, sha1):
            yield from self.sha256s_behind(key)

    def sha256s_behind(self, key: bytes) -> Iterator[bytes]:
        """The contents that a key of `by_sha1` leads to: one, unless their SHA-1s and prefixes are equal."""
        for sha256 in with_prefix(self.contents, key[20:]):
            if self.contents[sha256].sha1 == key[:20].hex():
                yield sha256

    def add_token(self, token: TimeLimitedToken) -> None:
        """Store a token, and index it by alias and by expiry."""
        self.tokens[token.key] = token
        self.tokens_by_alias.add(token.alias_id.to_bytes(8) + token.key)
        self.tokens_by_expiry.add(moment_key(token.expires) + token.key)

    def drop_token(self, token: TimeLimitedToken) -> None:
        """Remove a token from the store and both indices."""
        del self.tokens[token.key]
        self.tokens_by_alias.remove(token.alias_id.to_bytes(8) + token.key)
        self.tokens_by_expiry.remove(moment_key(token.expires) + token.key)

    def tokens_of(self, alias_id: int) -> list[TimeLimitedToken]:
        """The tokens of one file, oldest first."""
        keys = with_prefix(self.tokens_by_alias, alias_id.to_bytes(8))
        return sorted((self.tokens[key[8:]] for key in keys), key=attrgetter("created", "key"))

    def tokens_called(self, token_id: str) -> list[TimeLimitedToken]:
        """Tokens whose id, the beginning of their key, is `token_id`."""
        try:
            prefix = bytes.fromhex(token_id)
        except ValueError:
            return []
        return (
            [self.tokens[key] for key in with_prefix(self.tokens, prefix)] if len(prefix) == TOKEN_ID else []
        )

    def expired_tokens(self, now: datetime, limit: int) -> Iterator[TimeLimitedToken]:
        """At most `limit` expired tokens, the oldest first."""
        last = moment_key(now) + LAST
        for key in islice(self.tokens_by_expiry.keys(max=last), limit):
            yield self.tokens[key[8:]]


def moment_key(moment: datetime) -> bytes:
    """Whole seconds since the epoch as 8 bytes, big-endian, which sort by time."""
    return int(moment.timestamp()).to_bytes(8)


def sha1_keys(content: LibraryFileContent) -> tuple[bytes, bytes]:
    """The keys that a content may have in `by_sha1`: the present one, and that of older databases."""
    sha1, sha256 = bytes.fromhex(content.sha1), bytes.fromhex(content.sha256)
    return sha1 + sha256[:SHA256_PREFIX], sha1 + sha256


def sha1_key(content: LibraryFileContent) -> bytes:
    """The key of a content in `by_sha1`: the raw SHA-1, then SHA256_PREFIX bytes of the raw SHA-256."""
    return sha1_keys(content)[0]


def content_key(content: LibraryFileContent, alias_id: int) -> bytes:
    """A key of `by_content`: the raw SHA-256, then the alias id as 8 bytes."""
    return bytes.fromhex(content.sha256) + alias_id.to_bytes(8)


FORMER_NAMES = {
    "librarian.library.counts.DownloadCounts": DownloadCounts,
    "librarian.library.holds.FileHolds": FileHolds,
    "librarian.library.logreading.LogPlace": LogPlace,
    "librarian.library.logreading.LogPlaces": LogPlaces,
    "librarian.library.model.LibraryBranch": LibrarySubtree,
    "librarian.library.model.LibrarySubtree": LibrarySubtree,
    "librarian.library.records.AliasRecord": LibraryFileAlias,
    "librarian.library.records.LibraryFileContent": LibraryFileContent,
    "librarian.library.records.TokenRecord": TimeLimitedToken,
    "librarian.library.tokenuse.ClientDownload": ClientDownload,
}


def make_indexes_small(subtree: LibrarySubtree) -> None:
    """Copy the indexes that every upload writes into BTrees with smaller buckets."""
    make_small(subtree, ("aliases", "contents", "by_sha1", "by_content", "by_former_content"))


def note_changes(subtree: LibrarySubtree) -> None:
    """Begin to note what changes; the catalogue finds the files that are there by itself, in batches."""
    subtree.changes = ChangedFiles()


STEPS = (store_new_class_names, store_new_class_names, make_indexes_small, note_changes)

subtree = Subtree("library", LibrarySubtree, STEPS, FORMER_NAMES)
