"""The events of files, and how those that no transaction of a caller holds are announced."""

import logging
from collections.abc import Mapping
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
    """By a scrub."""

    kind = "file.repaired"


@implementer(ILinkUsed)
class LinkUsed(FileEvent):
    """`link` is the id of the token, `uses` the number of its uses with this one."""

    kind = "link.used"


@implementer(IUploadReceived)
class UploadReceived(FileEvent):
    """`link` is the id of the upload link."""

    kind = "upload.received"


def announce_bytes(tree: ITree, kind: type[FileEvent], sha256: str, **facts: Any) -> None:
    """Announce an event of each file that has these bytes or could get them back, beside any transaction.

    What fails is logged: the bytes are what they are, whether it was told or not.
    """
    key = bytes.fromhex(sha256)

    def announce() -> None:
        subtree = tree.subtree("library")
        for alias in chain(subtree.aliases_of(key), subtree.former_aliases_of(key)):
            notify(kind(alias, **facts))

    try:
        tree.run_independently(announce)
    except Exception:
        log.exception("not announced event=%s sha256=%s", kind.kind, sha256)
