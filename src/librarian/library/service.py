"""The library's utilities: all aliases, and what tells the garbage collector which files are kept."""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any, BinaryIO

from zope.component import getUtilitiesFor, getUtility
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.binding import Bound, stored
from librarian.countries.interfaces import ICountry, ICountrySet
from librarian.library import urls
from librarian.library.interfaces import (
    IEditableFileAlias,
    IFileReferences,
    ILibraryFileAlias,
    ILibraryFileAliasSet,
    ILibraryFileDownloadCount,
    InvalidCount,
    IUploadLinkMaker,
)
from librarian.library.library_file import LibraryFile
from librarian.library.model.counts import DownloadCounts
from librarian.library.model.files import FileHolds, LibraryFileAlias
from librarian.library.operations import Library, digest_bytes
from librarian.library.settings import LibrarySettings
from librarian.library.tokens.interfaces import NoSuchToken
from librarian.library.tokens.service import describe_token
from librarian.tree.interfaces import ITree


@implementer(ILibraryFileAlias, IEditableFileAlias)
class BoundAlias(Bound):
    """A stored alias with the services that its URLs, bytes, counts and tokens need, a `Library`.

    Its repr is the stored alias's, which errors show to those who lack a permission: the id alone.
    """

    __slots__ = ("_file",)

    def __init__(self, alias: LibraryFileAlias, library: Library) -> None:
        super().__init__(alias, library)
        self._file: LibraryFile | None = None

    @property
    def _library(self) -> Library:
        library: Library = self._services
        return library

    @property
    def http_url(self) -> str | None:
        return self._url(urls.http_url)

    @property
    def https_url(self) -> str | None:
        return self._url(urls.https_url)

    @property
    def private_url(self) -> str | None:
        return self._url(urls.private_url)

    def _url(self, make: Callable[[LibrarySettings, LibraryFileAlias], str]) -> str | None:
        return None if self.deleted else make(self._library.settings, stored(self))

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
        self._library.subtree.count_downloads(stored(self), day, code, count)

    @property
    def _counts(self) -> DownloadCounts | None:
        found: DownloadCounts | None = self._library.subtree.downloads.get(self.id)
        return found

    def open(self) -> None:
        self.close()
        self._file = self._library.open(stored(self))

    def read(self, chunksize: int | None = None) -> bytes:
        if self._file is not None:
            return self._file.read(chunksize)
        with self._library.open(stored(self)) as file:
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
        self._library.subtree.hold(stored(self), reason)

    def release(self, reason: str) -> bool:
        return self._library.subtree.release(stored(self), reason)

    def holders(self) -> list[str]:
        found = (held.holders(self.id) for _name, held in sorted(getUtilitiesFor(IFileReferences)))
        return list(chain.from_iterable(found))

    def keepUntil(self, expires: datetime | None) -> None:
        self._library.keep_until(stored(self), expires)

    def delete(self) -> None:
        self._library.delete(stored(self))

    def undelete(self) -> None:
        self._library.undelete(stored(self))


@implementer(ILibraryFileDownloadCount)
class LibraryFileDownloadCount:
    """The downloads of one file on one day from one country; `count` is read from the tree each time."""

    def __init__(self, alias: BoundAlias, day: date, country: ICountry | None) -> None:
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

    def create(  # the signature of ILibraryFileAliasSet
        self,
        name: str,
        size: int,
        file: BinaryIO,
        contentType: str,
        expires: datetime | None = None,
        debugID: str | None = None,
        restricted: bool = False,
        allow_zero_length: bool = False,
    ) -> BoundAlias:
        alias = self._library.put_and_add(
            name,
            size,
            file,
            contentType,
            expires=expires,
            restricted=restricted,
            debug_id=debugID,
            allow_zero_length=allow_zero_length,
        )
        return BoundAlias(alias, self._library)

    def createUploadToken(self, lifetime: timedelta | None = None, **terms: Any) -> str:
        url: str = getUtility(IUploadLinkMaker).create(lifetime, **terms)
        return url

    def __getitem__(self, alias_id: int) -> BoundAlias:
        return BoundAlias(self._library.alias(alias_id), self._library)

    def findBySHA1(self, sha1: str) -> Iterator[BoundAlias]:
        for sha256 in self._library.subtree.sha256s_of(digest_bytes(sha1, 20)):
            yield from self._of_content(sha256)

    def findBySHA256(self, sha256: str) -> Iterator[BoundAlias]:
        return self._of_content(digest_bytes(sha256, 32))

    def _of_content(self, sha256: bytes) -> Iterator[BoundAlias]:
        for alias in self._library.subtree.aliases_of(sha256):
            yield BoundAlias(alias, self._library)


@implementer(IFileReferences)
class HeldInSubtree:
    """The files that the `FileHolds` in attribute `attribute` of a subtree holds.

    Made with the subtree's name, in a system's `service` module, and registered in its ZCML::

        references = HeldInSubtree("<name>")
    """

    def __init__(self, subtree: str, attribute: str = "holds") -> None:
        self._subtree = subtree
        self._attribute = attribute

    def held_among(self, alias_ids: frozenset[int]) -> set[int]:
        return self._holds.held_among(alias_ids)

    def holders(self, alias_id: int) -> list[str]:
        return [f"{self._subtree}: {reason}" for reason in self._holds.reasons(alias_id)]

    @property
    def _holds(self) -> FileHolds:
        holds: FileHolds = getattr(getUtility(ITree).subtree(self._subtree), self._attribute)
        return holds


#: Files held for clients outside of this process: ``librarian hold``.
outside = HeldInSubtree("library")
