"""The library as components use it: adding files, looking them up, reading them."""

import logging
import secrets
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any, BinaryIO

from zope.component import getUtilitiesFor, getUtility
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.countries import ICountry, ICountrySet
from librarian.interfaces import IClock
from librarian.library import urls
from librarian.library.counts import DownloadCounts
from librarian.library.filenames import check_content_type, check_filename
from librarian.library.interfaces import (
    IEditableFileAlias,
    IFileReferences,
    ILibraryFileAlias,
    ILibraryFileAliasSet,
    ILibraryFileDownloadCount,
    InvalidCount,
    InvalidExpiry,
    NoSuchToken,
    NotStored,
    UploadFailed,
)
from librarian.library.model import LibraryBranch
from librarian.library.records import AliasRecord, LibraryFileContent
from librarian.library.tokens import TimeLimitedTokenSet, describe_token
from librarian.security.audit import at_commit
from librarian.security.interaction import current_principal
from librarian.settings import ISettings
from librarian.store.interfaces import IByteStore, StoredBytes
from librarian.timeline import current_timeline
from librarian.tree.interfaces import ITree
from librarian.web.accel import AccelSettings

log = logging.getLogger(__name__)


class Library:
    """The parts the library works with, looked up once, and the verbs everything else is made of."""

    def __init__(self) -> None:
        self.tree = getUtility(ITree)
        self.store = getUtility(IByteStore)
        self.clock = getUtility(IClock)
        self._settings = getUtility(ISettings)
        self.tokens = TimeLimitedTokenSet()
        self.random_below: Callable[[int], int] = secrets.randbelow

    @property
    def settings(self) -> urls.LibrarySettings:
        return self._settings.section(urls.LibrarySettings)

    @property
    def accel_settings(self) -> AccelSettings:
        return self._settings.section(AccelSettings)

    @property
    def branch(self) -> LibraryBranch:
        branch: LibraryBranch = self.tree.branch("library")
        return branch

    def record(self, alias_id: object) -> AliasRecord:
        return self.branch.record(alias_id)

    def add(self, stored: StoredBytes, filename: str, mimetype: str, **facts: Any) -> AliasRecord:
        """Name bytes that are durable already, in this thread's transaction.

        Keywords: `expires` (None or an aware datetime), `restricted`, `owner` (a principal's id).
        """
        now, branch = self.clock.now(), self.branch
        record = AliasRecord(
            branch.new_id(self.random_below),
            check_filename(filename),
            check_content_type(mimetype),
            branch.content_for(stored, now),
            expires=check_expires(facts.get("expires")),
            restricted=facts.get("restricted", False),
            date_created=now,
            owner=facts.get("owner"),
        )
        branch.add(record)
        at_commit(
            "file added",
            alias=record.id,
            filename=record.filename,
            size=stored.size,
            sha256=stored.sha256,
            restricted=record.restricted,
        )
        return record

    def add_copy(self, record: AliasRecord, filename: str) -> AliasRecord:
        """Another alias of the same file, under another name.  Raises NotStored, InvalidFilename."""
        if record.content is None:
            raise NotStored(record.id, "its file is deleted")
        branch = self.branch
        branch.claim(record.content)
        copy = AliasRecord(
            branch.new_id(self.random_below),
            check_filename(filename),
            record.mimetype,
            record.content,
            expires=record.expires,
            restricted=record.restricted,
            date_created=self.clock.now(),
            owner=record.owner,
        )
        branch.add(copy)
        at_commit("file copied", alias=copy.id, filename=copy.filename, original=record.id)
        return copy

    def delete(self, record: AliasRecord) -> None:
        """Delete the file behind an alias; for a week undelete() brings it back."""
        self.branch.delete_content(record, self.clock.now())
        at_commit("file deleted", alias=record.id, filename=record.filename)

    def undelete(self, record: AliasRecord) -> None:
        """Raises CannotUndelete."""
        self.branch.undelete(record)
        at_commit("file undeleted", alias=record.id, filename=record.filename)

    def put_and_add(  # the arguments of the public create()
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
    ) -> AliasRecord:
        """Check everything that can be checked, make the bytes durable, then name them."""
        if size < 0 or (size == 0 and not allow_zero_length):
            raise UploadFailed(f"Invalid length: {size}")
        check_filename(name)
        check_content_type(mimetype)
        check_expires(expires)
        stored = self.store.put(file, size=size)
        owner = acting_owner()
        record = self.add(stored, name, mimetype, expires=expires, restricted=restricted, owner=owner)
        log.info("alias added alias=%d sha256=%s debug_id=%s", record.id, stored.sha256, debug_id)
        return record

    def open(self, record: AliasRecord) -> "LibraryFile":
        """The file behind a committed alias.  Raises NotStored."""
        if record.content is None:
            raise NotStored(record.id, "its file is deleted")
        if not record.committed:
            raise NotStored(record.id, "it is not committed yet")
        url = urls.http_url(self.settings, record)
        with current_timeline().record("librarian-connection", url):
            return LibraryFile(self.store.open(record.content.sha256), url)


def acting_owner() -> str | None:
    """The id of whoever acts, to be the owner of what is added; None if that is nobody known."""
    principal = current_principal()
    return principal.id if principal.authenticated else None


def check_expires(expires: datetime | None) -> datetime | None:
    """`expires` itself if it is None or tells its time zone."""
    if expires is not None and expires.tzinfo is None:
        raise InvalidExpiry("Invalid expiry: a time without a time zone")
    return expires


class LibraryFile:
    """An open file of the library; its reads show in the request's timeline."""

    def __init__(self, file: BinaryIO, url: str) -> None:
        self._file = file
        self.url = url

    def read(self, chunksize: int | None = None) -> bytes:
        with current_timeline().record("librarian-read", self.url):
            return self._file.read(-1 if chunksize is None else chunksize)

    def close(self) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(1 << 18), b"")

    def __enter__(self) -> "LibraryFile":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


@implementer(ILibraryFileAlias, IEditableFileAlias)
class LibraryFileAlias:
    """An alias at work: a record of the tree together with the parts that serve it."""

    def __init__(self, library: Library, record: AliasRecord) -> None:
        self._library = library
        self.record = record
        self._file: LibraryFile | None = None

    def __repr__(self) -> str:
        return f"<LibraryFileAlias {self.id} {self.filename!r}>"

    def __eq__(self, other: object) -> bool:
        return ILibraryFileAlias.providedBy(other) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> Any:
        raise TypeError("a LibraryFileAlias belongs to an open tree; keep its id instead")

    @property
    def id(self) -> int:
        return self.record.id

    @property
    def filename(self) -> str:
        return self.record.filename

    @property
    def mimetype(self) -> str:
        return self.record.mimetype

    @property
    def content(self) -> LibraryFileContent | None:
        return self.record.content

    @property
    def expires(self) -> datetime | None:
        return self.record.expires

    @property
    def restricted(self) -> bool:
        return self.record.restricted

    @property
    def owner(self) -> str | None:
        return self.record.owner

    @property
    def date_created(self) -> datetime:
        return self.record.date_created

    @property
    def deleted(self) -> bool:
        return self.record.content is None

    @property
    def http_url(self) -> str | None:
        return self._url(urls.http_url)

    @property
    def https_url(self) -> str | None:
        return self._url(urls.https_url)

    @property
    def private_url(self) -> str | None:
        return self._url(urls.private_url)

    def _url(self, make: Callable[[urls.LibrarySettings, AliasRecord], str]) -> str | None:
        return None if self.deleted else make(self._library.settings, self.record)

    def getURL(
        self,
        secure: bool = True,
        include_token: bool = False,
        lifetime: timedelta | None = None,
        max_uses: int | None = None,
    ) -> str | None:
        if self.restricted:
            url = self.private_url
            if url is not None and include_token:
                url = f"{url}?token={self._library.tokens.allocate(url, lifetime, max_uses)}"
            return url
        return self.https_url if secure and self._library.settings.use_https else self.http_url

    @property
    def hits(self) -> int:
        counts = self._counts
        return 0 if counts is None else counts.total

    @property
    def last_downloaded(self) -> timedelta | None:
        day = None if self._counts is None else self._counts.last_day
        return None if day is None else self._library.clock.now().date() - day

    @property
    def download_counts(self) -> list["LibraryFileDownloadCount"]:
        if self._counts is None:
            return []
        countries = removeSecurityProxy(getUtility(ICountrySet))
        rows = list(self._counts.rows())
        return [LibraryFileDownloadCount(self, day, countries[code] if code else None) for day, code in rows]

    def updateDownloadCount(self, day: date, country: ICountry | None, count: int) -> None:
        if count < 1:
            raise InvalidCount(count)
        code = None if country is None else country.iso3166code2
        self._library.branch.count_downloads(self.record, day, code, count)

    @property
    def _counts(self) -> DownloadCounts | None:
        found: DownloadCounts | None = self._library.branch.downloads.get(self.id)
        return found

    def open(self) -> None:
        self.close()
        self._file = self._library.open(self.record)

    def read(self, chunksize: int | None = None) -> bytes:
        if self._file is not None:
            return self._file.read(chunksize)
        with self._library.open(self.record) as file:
            return file.read(chunksize)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def tokens(self) -> list[dict[str, Any]]:
        return [describe_token(token) for token in self._library.tokens.of_alias(self.id)]

    def revokeToken(self, token_id: str) -> None:
        if all(token.id != token_id for token in self._library.tokens.of_alias(self.id)):
            raise NoSuchToken(token_id)
        self._library.tokens.revoke(token_id)

    def hold(self, reason: str) -> None:
        self._library.branch.holds.hold(self.record, reason)

    def release(self, reason: str) -> bool:
        return self._library.branch.holds.release(self.id, reason)

    def holders(self) -> list[str]:
        found = (held.holders(self.id) for _name, held in sorted(getUtilitiesFor(IFileReferences)))
        return list(chain.from_iterable(found))

    def delete(self) -> None:
        self._library.delete(self.record)

    def undelete(self) -> None:
        self._library.undelete(self.record)


@implementer(ILibraryFileDownloadCount)
class LibraryFileDownloadCount:
    """One day and country of one file."""

    def __init__(self, alias: LibraryFileAlias, day: date, country: ICountry | None) -> None:
        self.libraryfilealias = alias
        self.day = day
        self.country = country

    @property
    def count(self) -> int:
        counts = self.libraryfilealias._counts
        code = None if self.country is None else self.country.iso3166code2
        return 0 if counts is None else counts.count(self.day, code)


@implementer(ILibraryFileAliasSet)
class LibraryFileAliasSet:
    """All aliases, of both spaces."""

    def __init__(self) -> None:
        self._library = Library()

    def create(  # the specification's own signature
        self,
        name: str,
        size: int,
        file: BinaryIO,
        contentType: str,
        expires: datetime | None = None,
        debugID: str | None = None,
        restricted: bool = False,
        allow_zero_length: bool = False,
    ) -> LibraryFileAlias:
        record = self._library.put_and_add(
            name,
            size,
            file,
            contentType,
            expires=expires,
            restricted=restricted,
            debug_id=debugID,
            allow_zero_length=allow_zero_length,
        )
        return LibraryFileAlias(self._library, record)

    def __getitem__(self, alias_id: int) -> LibraryFileAlias:
        return LibraryFileAlias(self._library, self._library.record(alias_id))

    def findBySHA1(self, sha1: str) -> Iterator[LibraryFileAlias]:
        for sha256 in self._library.branch.sha256s_of(digest_bytes(sha1, 20)):
            yield from self._of_content(sha256)

    def findBySHA256(self, sha256: str) -> Iterator[LibraryFileAlias]:
        return self._of_content(digest_bytes(sha256, 32))

    def _of_content(self, sha256: bytes) -> Iterator[LibraryFileAlias]:
        for record in self._library.branch.records_of(sha256):
            yield LibraryFileAlias(self._library, record)


def digest_bytes(digest: str, length: int) -> bytes:
    """The `length` bytes that `digest` spells in hex.  Raises ValueError."""
    try:
        raw = bytes.fromhex(digest)
    except ValueError:
        raw = b""
    if len(raw) != length or len(digest) != 2 * length:
        raise ValueError(f"{digest!r} is not a digest of {2 * length} hex digits")
    return raw
