"""Aliases at work: what components and views are given, made anew each time one is looked up."""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any, BinaryIO

from zope.component import getUtilitiesFor, getUtility
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.countries import ICountry, ICountrySet
from librarian.library import urls
from librarian.library.counts.model import DownloadCounts
from librarian.library.interfaces import (
    IEditableFileAlias,
    IFileReferences,
    ILibraryFileAlias,
    ILibraryFileAliasSet,
    ILibraryFileDownloadCount,
    InvalidCount,
    NoSuchToken,
)
from librarian.library.model import AliasRecord, LibraryFileContent
from librarian.library.service import Library, LibraryFile, digest_bytes
from librarian.library.tokens.service import describe_token


@implementer(ILibraryFileAlias, IEditableFileAlias)
class LibraryFileAlias:
    """An alias at work: a record of the tree together with the parts that serve it."""

    def __init__(self, library: Library, record: AliasRecord) -> None:
        self._library = library
        self.record = record
        self._file: LibraryFile | None = None

    def __repr__(self) -> str:
        # Errors show this to whoever lacks a permission: nothing that only some may see.
        return f"<LibraryFileAlias {self.id}>"

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
        self._library.subtree.count_downloads(self.record, day, code, count)

    @property
    def _counts(self) -> DownloadCounts | None:
        found: DownloadCounts | None = self._library.subtree.downloads.get(self.id)
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
        self._library.subtree.holds.hold(self.record, reason)

    def release(self, reason: str) -> bool:
        return self._library.subtree.holds.release(self.id, reason)

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
        for sha256 in self._library.subtree.sha256s_of(digest_bytes(sha1, 20)):
            yield from self._of_content(sha256)

    def findBySHA256(self, sha256: str) -> Iterator[LibraryFileAlias]:
        return self._of_content(digest_bytes(sha256, 32))

    def _of_content(self, sha256: bytes) -> Iterator[LibraryFileAlias]:
        for record in self._library.subtree.records_of(sha256):
            yield LibraryFileAlias(self._library, record)
