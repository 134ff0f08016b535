"""Operations on files: adding, copying, deleting, opening."""

import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import BinaryIO

from zope.component import getUtility
from zope.event import notify

from librarian.interfaces import IClock, ISettings
from librarian.library import urls
from librarian.library.events.files import FileAdded, FileDeleted, FileUndeleted, announce_repair
from librarian.library.filenames import check_content_type, check_filename
from librarian.library.interfaces import (
    InvalidExpiry,
    IVerifiedReads,
    NotStored,
    UploadFailed,
)
from librarian.library.library_file import LibraryFile
from librarian.library.model.files import LibraryFileAlias, LibraryFileContent
from librarian.library.model.subtree import LibrarySubtree
from librarian.library.quotas.rules import QuotaRules
from librarian.library.settings import LibrarySettings
from librarian.library.tokens.service import TimeLimitedTokenSet
from librarian.security.audit import record_at_commit
from librarian.security.interaction import current_principal
from librarian.store.interfaces import IByteStore, StoredBytes
from librarian.store.receiving import keep_or_put
from librarian.timeline import current_timeline
from librarian.tree.interfaces import ITree
from librarian.web.settings import AccelSettings, RedirectSettings

log = logging.getLogger(__name__)


class Library:
    """The tree, the byte store, the clock and the tokens, looked up once, with what is done to files.

    Everything here is done in the transaction of the calling thread, and checks no permission.
    """

    def __init__(self) -> None:
        self.tree = getUtility(ITree)
        self.store = getUtility(IByteStore)
        self.clock = getUtility(IClock)
        self._settings = getUtility(ISettings)
        self.reads = getUtility(IVerifiedReads)
        self.tokens = TimeLimitedTokenSet()
        self.quotas = QuotaRules(self.tree, self._settings, self.store)
        self.random_below: Callable[[int], int] = secrets.randbelow

    @property
    def settings(self) -> LibrarySettings:
        """The settings of the library, with overlays, read anew at each call."""
        return self._settings.section(LibrarySettings)

    @property
    def accel_settings(self) -> AccelSettings:
        """The settings of a front end that sends the bytes, read anew at each call."""
        return self._settings.section(AccelSettings)

    @property
    def redirect_settings(self) -> RedirectSettings:
        """The settings of redirections to the byte store, read anew at each call."""
        return self._settings.section(RedirectSettings)

    @property
    def subtree(self) -> LibrarySubtree:
        """The library's subtree as the open session of this thread sees it."""
        subtree: LibrarySubtree = self.tree.subtree("library")
        return subtree

    def alias(self, alias_id: object) -> LibraryFileAlias:
        """The stored alias with this id.  Raises AliasNotFound."""
        return self.subtree.alias(alias_id)

    def add(
        self,
        stored: StoredBytes,
        filename: str,
        mimetype: str,
        *,
        expires: datetime | None = None,
        restricted: bool = False,
        owner: str | None = None,
        alias_id: int | None = None,
    ) -> LibraryFileAlias:
        """A new alias of bytes that are durable already; `owner` is the id of a principal.

        `alias_id` is an id that new_id() of the subtree gave before.

        Raises InvalidFilename, InvalidContentType, InvalidExpiry, QuotaExceeded.
        """
        _check(filename, mimetype, expires)
        content = self.subtree.content_for(stored, self.clock.now())
        announce_repair(self.subtree, stored.sha256)  # of the files before this one
        alias = self._new_alias(content, filename, mimetype, expires, restricted, owner, alias_id)
        facts = {"alias": alias.id, "filename": filename, "size": stored.size, "sha256": stored.sha256}
        record_at_commit("file added", **facts, restricted=restricted)
        return alias

    def add_copy(self, alias: LibraryFileAlias, filename: str) -> LibraryFileAlias:
        """A new alias of the same content, under another name.

        Raises NotStored, InvalidFilename, QuotaExceeded.
        """
        if alias.content is None:
            raise NotStored(alias.id, "its file is deleted")
        check_filename(filename)
        self.subtree.claim(alias.content)
        rules = alias.expires, alias.restricted, alias.owner
        copy = self._new_alias(alias.content, filename, alias.mimetype, *rules)
        record_at_commit("file copied", alias=copy.id, filename=copy.filename, original=alias.id)
        return copy

    def _new_alias(
        self,
        content: LibraryFileContent,
        filename: str,
        mimetype: str,
        expires: datetime | None,
        restricted: bool,
        owner: str | None,
        alias_id: int | None = None,
    ) -> LibraryFileAlias:
        self.quotas.admit(owner, content.filesize)
        subtree = self.subtree
        alias = LibraryFileAlias(
            alias_id or subtree.new_id(self.random_below),
            filename,
            mimetype,
            content,
            expires=expires,
            restricted=restricted,
            date_created=self.clock.now(),
            owner=owner,
        )
        subtree.add(alias)
        notify(FileAdded(alias))
        return alias

    def keep_until(self, alias: LibraryFileAlias, expires: datetime | None) -> None:
        """Change the expiry of a file.  Raises NotStored, InvalidExpiry."""
        if alias.content is None:
            raise NotStored(alias.id, "its file is deleted")
        self.subtree.keep_until(alias, check_expires(expires))
        until = None if expires is None else expires.isoformat()
        record_at_commit("expiry changed", alias=alias.id, filename=alias.filename, expires=until)

    def delete(self, alias: LibraryFileAlias) -> None:
        """Delete the file behind an alias; for a week undelete() brings it back."""
        if alias.content is None:
            return
        self.subtree.delete_content(alias, self.clock.now())
        notify(FileDeleted(alias))
        record_at_commit("file deleted", alias=alias.id, filename=alias.filename)

    def undelete(self, alias: LibraryFileAlias) -> None:
        """Bring back the file that delete() took from an alias.  Raises CannotUndelete, QuotaExceeded."""
        if alias.former_content is not None:
            self.quotas.admit(alias.owner, alias.former_content.filesize)
        self.subtree.undelete(alias)
        notify(FileUndeleted(alias))
        record_at_commit("file undeleted", alias=alias.id, filename=alias.filename)

    def put_and_add(
        self,
        name: str,
        size: int,
        file: BinaryIO,
        mimetype: str,
        *,
        expires: datetime | None,
        restricted: bool,
        debug_id: str | None,
        allow_zero_length: bool,
    ) -> LibraryFileAlias:
        """ILibraryFileAliasSet.create(): check the arguments, make the bytes durable, add an alias."""
        if size < 0 or (size == 0 and not allow_zero_length):
            raise UploadFailed(f"Invalid length: {size}")
        _check(name, mimetype, expires)
        stored = keep_or_put(self.store, file, size=size)
        owner = acting_owner()
        alias = self.add(stored, name, mimetype, expires=expires, restricted=restricted, owner=owner)
        log.info("alias added alias=%d sha256=%s debug_id=%s", alias.id, stored.sha256, debug_id)
        return alias

    def open(self, alias: LibraryFileAlias) -> LibraryFile:
        """The open file of a committed alias.  Raises NotStored, BytesNotFound, BytesDamaged."""
        if alias.content is None:
            raise NotStored(alias.id, "its file is deleted")
        if not alias.committed:
            raise NotStored(alias.id, "it is not committed yet")
        url = urls.http_url(self.settings, alias)
        with current_timeline().record("librarian-connection", url):
            content = alias.content
            return LibraryFile(self.reads.open(self.store, content.sha256, content.filesize), url)


def _check(filename: str, mimetype: str, expires: datetime | None) -> None:
    check_filename(filename)
    check_content_type(mimetype)
    check_expires(expires)


def acting_owner() -> str | None:
    """The id of the acting principal, who owns what is added; None for an anonymous one."""
    principal = current_principal()
    return principal.id if principal.authenticated else None


def check_expires(expires: datetime | None) -> datetime | None:
    """`expires` itself: None, or a time with a zone that exists in UTC.  Raises InvalidExpiry."""
    if expires is None:
        return None
    if expires.tzinfo is None:
        raise InvalidExpiry("Invalid expiry: a time without a time zone")
    try:
        expires.astimezone(UTC)
    except OverflowError as error:  # in the first or last hours that a datetime can have
        raise InvalidExpiry("Invalid expiry: a time beyond the years 1 to 9999") from error
    return expires


def digest_bytes(digest: str, length: int) -> bytes:
    """A digest of `length` bytes from its hex digits, of either case.  Raises ValueError."""
    try:
        raw = bytes.fromhex(digest)
    except ValueError:
        raw = b""
    if len(raw) != length or len(digest) != 2 * length:
        raise ValueError(f"{digest!r} is not a digest of {2 * length} hex digits")
    return raw
