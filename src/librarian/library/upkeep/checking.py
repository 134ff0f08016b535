"""fsck: the tree compared with the byte store, both ways, and with its own indexes.

Everything is looked at in batches, each in a transaction of its own: memory does not grow with the
library, and what others commit meanwhile is no finding, since an object and its index entries are
compared as of the same moment.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import Any

import transaction

from librarian.library.catalogue.checking import Wrong, check_entry, check_file, check_key, check_totals
from librarian.library.catalogue.model import CatalogueSubtree
from librarian.library.model.files import LibraryFileAlias, LibraryFileContent
from librarian.library.model.subtree import LibrarySubtree, content_key, moment_key, sha1_keys
from librarian.library.model.tokens import TimeLimitedToken
from librarian.library.operations import Library
from librarian.library.quotas.counting import count_all, mend
from librarian.store.interfaces import BytesDamaged, BytesNotFound
from librarian.store.listed import ListedSizes
from librarian.tree.batches import BATCH, read_in_batches
from librarian.tree.keys import with_prefix

DAY = timedelta(days=1)

ERROR, NOTICE = "error", "notice"
LISTED, ENTRIES, KEYS = "listed files", "entries of lists", "keys of lists"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be (error), or that upkeep will take care of (notice)."""

    severity: str
    kind: str  # a constant phrase
    what: str  # an id or a digest
    detail: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.severity, f"{self.kind}:", self.what, self.detail) if part)


class Check:
    """One run over one library; iterate over it once for its findings."""

    def __init__(
        self,
        library: Library,
        progress: Callable[[str, int], object] = lambda part, seen: None,
        *,
        repairs: bool = False,
    ) -> None:
        """`repairs`: put wrong counts of quotas right."""
        self._library = library
        self._repairs = repairs
        self._progress = progress
        self.seen: dict[str, int] = {}  # part -> how many of its entries were looked at

    def __iter__(self) -> Iterator[Finding]:
        self._sizes = ListedSizes(self._library.store)
        with self._library.tree.session():
            yield from self._over("contents", lambda subtree: subtree.contents, self._content)
            yield from self._over("aliases", lambda subtree: subtree.aliases, _alias)
            yield from self._over("by_sha1", lambda subtree: subtree.by_sha1, _sha1_entry)
            yield from self._over("by_content", lambda subtree: subtree.by_content, _content_entry)
            yield from self._over(
                "by_former_content", lambda subtree: subtree.by_former_content, _former_entry
            )
            yield from self._over("tokens", lambda subtree: subtree.tokens, _token)
            yield from self._over("tokens_by_alias", lambda subtree: subtree.tokens_by_alias, _alias_token)
            yield from self._over("tokens_by_expiry", lambda subtree: subtree.tokens_by_expiry, _expiry_token)
            yield from self._uses()
            yield from self._catalogue()
            yield from self._bytes()
            transaction.abort()

    def _over(
        self,
        part: str,
        entries: Callable[[LibrarySubtree], Any],
        look: Callable[[LibrarySubtree, Any], Iterator[Finding]],
    ) -> Iterator[Finding]:
        library = self._library
        batches = read_in_batches(
            library.tree,
            lambda: entries(library.subtree),
            lambda key: _persistent(library.subtree, part, key),
        )
        for keys in batches:
            # All are compared before the first finding is given: its consumer may take a long time over it.
            yield from list(chain.from_iterable(look(library.subtree, key) for key in keys))
            self._saw(part, len(keys))

    def _catalogue(self) -> Iterator[Finding]:
        """The lists against the files, and the files against the lists."""

        def catalogue() -> CatalogueSubtree:
            found: CatalogueSubtree = self._library.tree.subtree("catalogue")
            return found

        parts = (
            (LISTED, lambda subtree: subtree.aliases, check_file),
            (ENTRIES, lambda subtree: catalogue().entries, check_entry),
            (KEYS, lambda subtree: catalogue().keys, check_key),
        )
        for part, entries, look in parts:
            yield from self._over(part, entries, partial(_wrong_in_catalogue, catalogue, look))
        transaction.begin()
        for wrong in check_totals(catalogue(), self._library.tree.forget_loaded):
            yield Finding(ERROR, *wrong)

    def _saw(self, part: str, number: int) -> None:
        self.seen[part] = self.seen.get(part, 0) + number
        self._progress(part, self.seen[part])

    # Contents against the store, and the store against contents.

    def _content(self, subtree: LibrarySubtree, key: bytes) -> Iterator[Finding]:
        content: LibraryFileContent = subtree.contents[key]
        if content.sha256 != key.hex():
            yield Finding(ERROR, "content under a wrong digest", key.hex(), f"is {content.sha256}")
        if not any(known in subtree.by_sha1 for known in sha1_keys(content)):
            yield Finding(ERROR, "content not found by its SHA-1", key.hex(), content.sha1)
        try:
            size = self._sizes.of(key.hex())
        except (BytesNotFound, BytesDamaged) as error:
            if self._still_named(key):
                kind = "bytes missing" if isinstance(error, BytesNotFound) else "bytes quarantined"
                yield Finding(ERROR, kind, key.hex())
            return
        if size != content.filesize:
            yield Finding(ERROR, "size differs", key.hex(), f"{size} bytes, not {content.filesize}")

    def _uses(self) -> Iterator[Finding]:
        """What the quotas' records say against what the aliases say, as of one moment."""
        transaction.begin()
        if self._library.subtree.quotas is None:
            return
        count = count_all(self._library.tree, lambda seen: self._progress("quotas", seen))
        self.seen["quotas"] = len(count.recorded)
        for owner, (files, size), counts in count.differences():
            if counts:
                detail = f"{files:+} files, {size:+} bytes are missing in it"
                yield Finding(ERROR, "use miscounted", owner, detail + (", mended" * self._repairs))
        if self._repairs:
            mend(self._library.tree, count)

    def _still_named(self, key: bytes) -> bool:
        """Whether the content is there as of now: a collector may have dropped it since the batch began."""
        return bool(self._library.tree.run_independently(lambda: key in self._library.subtree.contents))

    def _bytes(self) -> Iterator[Finding]:
        store = self._library.store
        before = self._library.clock.now() - DAY
        for number, sha256 in enumerate(store, 1):
            if number % BATCH == 1:
                transaction.begin()
                self._library.tree.forget_loaded()
                self._progress("bytes", number)
            self.seen["bytes"] = number
            if bytes.fromhex(sha256) in self._library.subtree.contents:
                continue
            try:
                if store.stored_at(sha256) < before and not self._still_named(bytes.fromhex(sha256)):
                    yield Finding(
                        NOTICE, "bytes that no content names", sha256, f"{store.size(sha256)} bytes"
                    )
            except (BytesNotFound, BytesDamaged):
                continue  # a sweep has removed it since
        yield from (Finding(NOTICE, "not the byte store's own", name) for name in store.strays())


def _persistent(subtree: LibrarySubtree, part: str, key: Any) -> Any:
    """The object that an entry leads to, not loaded yet; None for a broken one."""
    if part in ("contents", "aliases", "tokens"):
        return getattr(subtree, part)[key]
    if part == LISTED:
        return subtree.aliases[key]
    if part in (ENTRIES, KEYS):
        return None
    if part == "by_sha1":
        return next((subtree.contents[sha256] for sha256 in with_prefix(subtree.contents, key[20:])), None)
    if part in ("by_content", "by_former_content"):
        return subtree.aliases.get(int.from_bytes(key[32:]))
    return subtree.tokens.get(key[8:])


def _wrong_in_catalogue(
    catalogue: Callable[[], CatalogueSubtree],
    look: Callable[[LibrarySubtree, CatalogueSubtree, Any], Iterator[Wrong]],
    subtree: LibrarySubtree,
    key: Any,
) -> Iterator[Finding]:
    return (Finding(ERROR, *wrong) for wrong in look(subtree, catalogue(), key))


def _alias(subtree: LibrarySubtree, alias_id: int) -> Iterator[Finding]:
    record: LibraryFileAlias = subtree.aliases[alias_id]
    if record.id != alias_id:
        yield Finding(ERROR, "alias under a wrong id", str(alias_id), f"is {record.id}")
    for content, index in (
        (record.content, subtree.by_content),
        (record.former_content, subtree.by_former_content),
    ):
        if content is None:
            continue
        if subtree.contents.get(bytes.fromhex(content.sha256)) is not content:
            yield Finding(ERROR, "alias of an unknown content", str(alias_id), content.sha256)
        if content_key(content, alias_id) not in index:
            yield Finding(ERROR, "alias not found by its content", str(alias_id), content.sha256)


def _sha1_entry(subtree: LibrarySubtree, key: bytes) -> Iterator[Finding]:
    if not any(subtree.sha256s_behind(key)):
        yield Finding(ERROR, "SHA-1 of an unknown content", key[:20].hex(), key[20:].hex())


def _content_entry(subtree: LibrarySubtree, key: bytes) -> Iterator[Finding]:
    return _entry(subtree, key, "content")


def _former_entry(subtree: LibrarySubtree, key: bytes) -> Iterator[Finding]:
    return _entry(subtree, key, "former_content")


def _entry(subtree: LibrarySubtree, key: bytes, attribute: str) -> Iterator[Finding]:
    alias_id = int.from_bytes(key[32:])
    record = subtree.aliases.get(alias_id)
    content = getattr(record, attribute, None)
    if content is None or content.sha256 != key[:32].hex():
        yield Finding(ERROR, "entry of a content that no alias has", key[:32].hex(), f"alias {alias_id}")


def _token(subtree: LibrarySubtree, key: bytes) -> Iterator[Finding]:
    token: TimeLimitedToken = subtree.tokens[key]
    if token.key != key:
        yield Finding(ERROR, "token under a wrong key", key[:8].hex(), f"is {token.id}")
    if token.alias_id.to_bytes(8) + key not in subtree.tokens_by_alias:
        yield Finding(ERROR, "token not found by its alias", token.id, str(token.alias_id))
    if moment_key(token.expires) + key not in subtree.tokens_by_expiry:
        yield Finding(ERROR, "token not found by its expiry", token.id)


def _alias_token(subtree: LibrarySubtree, key: bytes) -> Iterator[Finding]:
    token = subtree.tokens.get(key[8:])
    if token is None or token.alias_id.to_bytes(8) != key[:8]:
        yield Finding(ERROR, "entry of an unknown token", key[8:16].hex(), f"alias {int.from_bytes(key[:8])}")


def _expiry_token(subtree: LibrarySubtree, key: bytes) -> Iterator[Finding]:
    token = subtree.tokens.get(key[8:])
    if token is None or moment_key(token.expires) != key[:8]:
        yield Finding(
            ERROR, "entry of an unknown token", key[8:16].hex(), f"expiry {int.from_bytes(key[:8])}"
        )
