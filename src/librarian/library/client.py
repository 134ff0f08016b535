"""The two clients, one for each space."""

from datetime import datetime
from typing import BinaryIO

from zope.component import getUtility
from zope.interface import implementer

from librarian.interfaces import Fetched, FetchFailed, IFetcher
from librarian.library import urls
from librarian.library.filenames import check_content_type, check_filename, quoted
from librarian.library.http.description import expires_text
from librarian.library.interfaces import (
    ILibrarianClient,
    IRestrictedLibrarianClient,
    LibrarianServerError,
    UploadFailed,
    WrongSpace,
)
from librarian.library.library_file import LibraryFile
from librarian.library.model.files import LibraryFileAlias
from librarian.library.operations import Library, check_expires
from librarian.net.http import json_object, refusal_reason
from librarian.net.interfaces import WrongLength
from librarian.store.interfaces import SizeMismatch


@implementer(ILibrarianClient)
class LibrarianClient:
    """The public space."""

    restricted = False

    def __init__(self) -> None:
        self._library = Library()
        self._fetcher = getUtility(IFetcher)

    def addFile(  # the signature of ILibrarianClient
        self,
        name: str,
        size: int,
        file: BinaryIO,
        contentType: str,
        expires: datetime | None = None,
        debugID: str | None = None,
        allow_zero_length: bool = False,
    ) -> int:
        return self._library.put_and_add(
            name,
            size,
            file,
            contentType,
            expires=expires,
            restricted=self.restricted,
            debug_id=debugID,
            allow_zero_length=allow_zero_length,
        ).id

    def remoteAddFile(
        self, name: str, size: int, file: BinaryIO, contentType: str, expires: datetime | None = None
    ) -> str:
        if size <= 0:
            raise UploadFailed(f"Invalid length: {size}")
        if not self._upload_url:
            raise UploadFailed("the upload endpoint is closed here, and no setting names the URL of one")
        headers = {"Content-Type": check_content_type(contentType), "Content-Length": str(size)}
        if expires is not None:
            headers["Librarian-Expires"] = expires_text(check_expires(expires)) or ""
        url = self._upload_url + quoted(check_filename(name))
        try:
            answer = self._fetcher.request("PUT", url, headers, file)
        except FetchFailed as error:
            raise UploadFailed(str(error)) from error
        except WrongLength as error:
            raise SizeMismatch(error.declared, error.read) from None
        return _download_url(answer)

    def getFileByAlias(self, aid: int) -> LibraryFile:
        return self._library.open(self._alias(aid))

    def getURLForAlias(self, aid: int, secure: bool = False) -> str | None:
        alias = self._alias(aid)
        if alias.content is None:
            return None
        make = urls.private_url if secure else urls.http_url
        return make(self._library.settings, alias)

    @property
    def _upload_url(self) -> str:
        return self._library.settings.upload_url

    def _alias(self, aid: int) -> LibraryFileAlias:
        alias = self._library.alias(aid)
        if alias.restricted is not self.restricted:
            raise WrongSpace(aid, alias.restricted)
        return alias


@implementer(IRestrictedLibrarianClient)
class RestrictedLibrarianClient(LibrarianClient):
    """The restricted space."""

    restricted = True

    @property
    def _upload_url(self) -> str:
        return self._library.settings.restricted_upload_url


def _download_url(answer: Fetched) -> str:
    if answer.status == 201:  # Created
        url = (json_object(answer.body) or {}).get("url")
        if not isinstance(url, str):
            raise UploadFailed("201 without a URL: is this the upload endpoint of a librarian?")
        return url
    reason = refusal_reason(answer.body) or answer.body[:200].decode("utf-8", "replace") or "no reason given"
    if answer.status >= 500:  # Server Error (RFC 9110, 15.6)
        raise LibrarianServerError(f"{answer.status} {reason}")
    raise UploadFailed(f"{answer.status} {reason}")
