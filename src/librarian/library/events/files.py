"""The events of files, and how those that no transaction of a caller holds are announced."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any, ClassVar

from zope.event import notify
from zope.interface import implementer

from librarian.library.events.interfaces import (
    IFileAdded,
    IFileDamaged,
    IFileDeleted,
    IFileEvent,
    IFileExpiring,
    IFileRepaired,
    IFileUndeleted,
    ILinkUsed,
    IUploadReceived,
)
from librarian.library.model.files import LibraryFileAlias, LibraryFileContent
from librarian.library.model.subtree import LibrarySubtree
from librarian.store.interfaces import BytesDamaged, BytesNotFound, IByteStore
from librarian.tree.interfaces import ITree

log = logging.getLogger(__name__)


@implementer(IFileEvent)
class FileEvent:
    """`facts` are added to the data.  `content` is that of the alias, before it was taken from it."""

    kind: ClassVar[str]

    def __init__(
        self, alias: LibraryFileAlias, content: LibraryFileContent | None = None, **facts: Any
    ) -> None:
        self.alias = alias
        self._content = content or alias.content or alias.former_content
        self._facts = facts

    @property
    def subject(self) -> str:
        """The path of the file on the application's endpoint."""
        return f"files/{self.alias.id}"

    @property
    def owner(self) -> str | None:
        """That of the alias."""
        return self.alias.owner

    @property
    def data(self) -> Mapping[str, object]:
        """The facts of the file: size in bytes, digest in hex, expiry in RFC 3339 or null."""
        alias, content = self.alias, self._content
        return {
            "id": alias.id,
            "filename": alias.filename,
            "mimetype": alias.mimetype,
            "size": None if content is None else content.filesize,
            "sha256": None if content is None else content.sha256,
            "restricted": alias.restricted,
            "expires": None if alias.expires is None else alias.expires.isoformat(),
            **self._facts,
        }


@implementer(IFileAdded)
class FileAdded(FileEvent):
    """Of an alias that is stored already."""

    kind = "file.added"


@implementer(IFileDeleted)
class FileDeleted(FileEvent):
    """`by` is ``gc`` for the garbage collector."""

    kind = "file.deleted"


@implementer(IFileUndeleted)
class FileUndeleted(FileEvent):
    """Of an alias that has its content again."""

    kind = "file.undeleted"


@implementer(IFileExpiring)
class FileExpiring(FileEvent):
    """`until` is the expiry, or when a file to which nothing refers is dropped."""

    kind = "file.expiring"


@implementer(IFileDamaged)
class FileDamaged(FileEvent):
    """`damage` is ``damaged`` or ``missing``."""

    kind = "file.damaged"


@implementer(IFileRepaired)
class FileRepaired(FileEvent):
    """By an upload of the same bytes, or by a scrub."""

    kind = "file.repaired"


@implementer(ILinkUsed)
class LinkUsed(FileEvent):
    """`link` is the id of the token, `uses` the number of its uses with this one."""

    kind = "link.used"


@implementer(IUploadReceived)
class UploadReceived(FileEvent):
    """`link` is the id of the upload link."""

    kind = "upload.received"


def announce_damage(tree: ITree, store: IByteStore, sha256: str, damage: str) -> None:
    """Announce, beside any transaction, that bytes are ``damaged`` or ``missing``: once until their repair.

    An upload that is named before this is committed announces nothing, so what it has brought is looked for
    afterwards; one that is named later finds the damage noted, and announces the repair itself.

    What fails is logged: the bytes are what they are, whether it was told or not.
    """

    def announce() -> None:
        subtree = tree.subtree("library")
        if subtree.note_damage(bytes.fromhex(sha256), damage):
            _announce_each(subtree, FileDamaged, sha256, damage=damage)

    with _logged(FileDamaged, sha256):
        tree.run_independently(announce)
    with _logged(FileRepaired, sha256):
        if is_held(store, sha256):
            tree.run_independently(lambda: announce_repair(tree.subtree("library"), sha256))


def announce_repair(subtree: LibrarySubtree, sha256: str) -> None:
    """Announce, in the transaction of the caller, that bytes are whole, if damage of them was announced."""
    if subtree.note_repair(bytes.fromhex(sha256)):
        _announce_each(subtree, FileRepaired, sha256)


def announce_repair_beside(tree: ITree, sha256: str) -> None:
    """The same beside any transaction.  What fails is logged."""
    with _logged(FileRepaired, sha256):
        tree.run_independently(lambda: announce_repair(tree.subtree("library"), sha256))


def is_held(store: IByteStore, sha256: str) -> bool:
    """Whether the store gives the bytes, neither missing nor quarantined.  Raises StoreUnavailable."""
    try:
        store.size(sha256)
    except (BytesNotFound, BytesDamaged):
        return False
    return True


def _announce_each(subtree: LibrarySubtree, kind: type[FileEvent], sha256: str, **facts: Any) -> None:
    """Of each file that has these bytes or could get them back."""
    key = bytes.fromhex(sha256)
    for alias in chain(subtree.aliases_of(key), subtree.former_aliases_of(key)):
        notify(kind(alias, **facts))


@contextmanager
def _logged(kind: type[FileEvent], sha256: str) -> Iterator[None]:
    try:
        yield
    except Exception:
        log.exception("not announced event=%s sha256=%s", kind.kind, sha256)
