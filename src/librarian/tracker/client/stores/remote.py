"""The files of a server, by protocol version 1 or 2 of filetracker."""

import copy
import io
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from urllib3 import BaseHTTPResponse

from librarian.durable import replacing
from librarian.tracker.client.copying import BUFFER, Readable
from librarian.tracker.client.interfaces import (
    FileNotFound,
    FiletrackerError,
    ProtocolMismatch,
    RemoteError,
    VersionNotFound,
)
from librarian.tracker.client.stores.base import DataStore, Fact, FileInfoEntry
from librarian.tracker.client.versioned_names import checked_split, versioned_name
from librarian.tracker.client.wire.downloads import Download, Head
from librarian.tracker.client.wire.listing import Listings
from librarian.tracker.client.wire.protocol_version import negotiate
from librarian.tracker.client.wire.transport import Transport, json_field, read_all
from librarian.tracker.client.wire.uploads import Upload, prepare_upload
from librarian.tracker.client.wire.version_dates import date_to_version, version_to_date

_ELSEWHERE = 307  # Temporary Redirect: the answer of a server that has a fallback


class RemoteDataStore(DataStore):
    """Files at ``<base_url>/files<name>``.

    The version of the protocol is negotiated with the first request.  Uploads state version, size and
    digest, and are sent as gzip if that is notably smaller.  `token` is sent as a bearer token.
    `packed_downloads` asks for gzip, which suits slow networks; without it the server need not pack, and a
    broken download resumes with a range request.  Threads can share it.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        packed_downloads: bool = False,
        transport: Transport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.transport = transport or Transport(base_url, token=token)
        self.base_url = self.transport.base_url
        self._packed_downloads = packed_downloads
        self._clock = clock
        self._protocol: int | None = None
        self._listings = Listings(self._is_here)

    def own(self) -> "RemoteDataStore":
        """The same server without its fallback: files that it would redirect to are not found."""
        twin = copy.copy(self)
        twin.transport = self.transport.staying()
        return twin

    @property
    def protocol(self) -> int:
        """The version of the protocol spoken with this server.  Raises ProtocolMismatch."""
        if self._protocol is None:
            self._protocol = negotiate(self.transport)
        return self._protocol

    def add_stream(self, name: str, file: Readable) -> str:
        """The stream is written to a temporary file first, because its size must be known."""
        with tempfile.NamedTemporaryFile(prefix="tracker-") as draft:
            shutil.copyfileobj(cast(BinaryIO, file), draft)
            draft.flush()
            return self.add_file(name, draft.name)

    def add_file(self, name: str, filename: str, compress_hint: bool = True) -> str:
        return self.add_file_checked(name, filename, compress_hint)[0]

    def add_file_checked(
        self, name: str, filename: str, compress_hint: bool = True
    ) -> tuple[str, str | None]:
        """add_file(), and the sha256 in hex of the file if the server certainly has it under that name.

        None where the server kept another file, or may have.
        """
        unversioned, version = checked_split(name)
        if version is None:
            version = self._next_version(unversioned)
        with open(filename, "rb") as file:
            upload = prepare_upload(file, may_pack=compress_hint and self.protocol >= 2)
            with upload.body:
                response = self._put(unversioned, version, upload)
        held = _version_of(response, unversioned)
        stated = response.headers.get("SHA256-Checksum")
        certain = stated == upload.sha256 if stated else held == version and self.protocol >= 2
        return versioned_name(unversioned, held), upload.sha256 if certain else None

    def get_stream(self, name: str) -> tuple[BinaryIO, str]:
        download, found = self.download(name)
        return io.BufferedReader(download, BUFFER), found

    def get_file(self, name: str, filename: str) -> str:
        return self.get_file_checked(name, filename)[0]

    def get_file_checked(self, name: str, filename: str) -> tuple[str, str]:
        """get_file(), and the sha256 in hex of what was written."""
        download, found = self.download(name)
        with download, replacing(filename, version=download.head.version) as target:
            shutil.copyfileobj(cast(BinaryIO, download), target, BUFFER)
        return found, download.sha256

    def download(self, name: str) -> tuple[Download, str]:
        """An open download, which the caller closes, and its versioned name.

        Raises FileNotFound, VersionNotFound.
        """
        unversioned, version = checked_split(name)
        with self._found(unversioned, version):
            download = Download(self.transport, unversioned, version, packed=self._packed_downloads)
        if version not in (None, download.head.version):
            download.close()
            raise VersionNotFound(name, download.head.version)
        return download, versioned_name(unversioned, download.head.version)

    def exists(self, name: str) -> bool:
        unversioned, version = checked_split(name)
        try:
            return version in (None, self._head(unversioned, version).version)
        except FileNotFound:
            return False

    def file_version(self, name: str) -> int:
        return self._head(checked_split(name)[0]).version

    def file_size(self, name: str) -> int:
        unversioned, version = checked_split(name)
        head = self._head(unversioned, version)
        if version not in (None, head.version):
            raise VersionNotFound(name, head.version)
        if head.size is None:
            raise ProtocolMismatch(f"the server does not tell the size of {unversioned}")
        return head.size

    def describe(self, name: str) -> Fact:
        head = self._head(checked_split(name)[0])
        return Fact(head.version, head.size, head.sha256)

    def delete_file(self, name: str) -> None:
        """As in DataStore.  Raises ProtocolMismatch for a server of protocol 1, which cannot delete."""
        unversioned, version = checked_split(name)
        self._needs_protocol_2("delete files")
        if version is None:
            version = self._newest_of(unversioned)
        if version is None:
            return
        try:
            query = {"last_modified": version_to_date(version)}
            read_all(self.transport.request("DELETE", "/files" + unversioned, query=query))
        except RemoteError as error:
            if error.status != 404:
                raise

    def list_files(self) -> list[FileInfoEntry]:
        """One request for each name; list_names() is one request in all."""
        entries = []
        for path in self.list_names():
            name = "/" + path
            try:
                fact = self.describe(name)
            except FileNotFound:
                continue  # deleted since it was listed
            entries.append(FileInfoEntry(name, fact.version, fact.size or 0))
        return entries

    def list_names(
        self, version_cutoff: int | None = None, subpath: str = "", absolute_paths: bool = False
    ) -> list[str]:
        """The names below `subpath`, relative to it (with `absolute_paths`: to the root), without a
        leading slash; with `version_cutoff` only those whose version is not greater.

        Names that the server lists encoded twice are decoded (see `wire.listing`).  A name that is not
        UTF-8 on the server has lone surrogates here (PEP 383), and the other methods refuse it.
        """
        self._needs_protocol_2("list files")
        prefix = subpath.strip("/")
        query = None if version_cutoff is None else {"last_modified": version_to_date(version_cutoff)}
        response = self.transport.request("GET", f"/list/{prefix}", query=query)
        lines = read_all(response).decode(errors="surrogateescape").split("\n")
        if lines.pop():
            raise FiletrackerError("the listing broke off in the middle of a line")
        names = self._listings.names(prefix, lines)
        return [f"{prefix}/{name}" for name in names] if absolute_paths and prefix else names

    def history(self, name: str) -> list[dict[str, Any]]:
        """All versions of a name that are kept, newest first, as the server's ``/history/`` has them.

        Raises FileNotFound, and ProtocolMismatch where the server keeps no history.
        """
        unversioned, _version = checked_split(name)
        try:
            response = self.transport.request("GET", "/history" + unversioned)
            versions: list[dict[str, Any]] = json_field(read_all(response), "versions")
        except RemoteError as error:
            if error.status == 404:
                raise FileNotFound(unversioned) from None
            raise ProtocolMismatch("this server keeps no history") from None
        if not isinstance(versions, list) or not all(isinstance(each, dict) for each in versions):
            raise ProtocolMismatch(f"{self.base_url} answers with no list of versions")
        return versions

    def _is_here(self, name: str) -> bool | None:
        """Whether this server itself has the name; None if its answer does not tell."""
        transport, path = self.transport.staying(), "/files" + name
        try:
            transport.request("HEAD", path, headers={"Accept-Encoding": "identity"}).release_conn()
        except RemoteError as error:
            return (
                False if error.status in (404, 400, _ELSEWHERE) else None
            )  # 400: a name that it does not allow
        return True

    def _needs_protocol_2(self, what: str) -> None:
        if self.protocol < 2:
            raise ProtocolMismatch(f"a server of protocol version 1 cannot {what}")

    def _head(self, unversioned: str, version: int | None = None) -> Head:
        query = {"version": str(version)} if version is not None else None
        with self._found(unversioned, version):
            response = self.transport.request(
                "HEAD", "/files" + unversioned, query=query, headers={"Accept-Encoding": "identity"}
            )
        response.release_conn()
        return Head.of(response, unversioned)

    @contextmanager
    def _found(self, unversioned: str, version: int | None) -> Iterator[None]:
        """Turn the server's 404 into FileNotFound, or into VersionNotFound if the name has other versions."""
        try:
            yield
        except RemoteError as error:
            if error.status != 404 and (error.status != _ELSEWHERE or self.transport.follows):
                raise
            newest = None if version is None else self._newest_of(unversioned)
            if version is not None and newest is not None:
                raise VersionNotFound(versioned_name(unversioned, version), newest) from None
            raise FileNotFound(unversioned) from None

    def _newest_of(self, unversioned: str) -> int | None:
        try:
            return self._head(unversioned).version
        except FileNotFound:
            return None

    def _next_version(self, unversioned: str) -> int:
        """Now, or one second after the version that is there.

        So a file without a version becomes the newest even if another was put in the same second, or by a
        machine whose clock is ahead.
        """
        newest = self._newest_of(unversioned)
        return max(int(self._clock()), -1 if newest is None else newest + 1)

    def _put(self, unversioned: str, version: int, upload: Upload) -> BaseHTTPResponse:
        date = version_to_date(version)
        query = {"last_modified": date} if self.protocol >= 2 else None
        headers = upload.headers if query else {**upload.headers, "Last-Modified": date}
        response = self.transport.request(
            "PUT", "/files" + unversioned, query=query, headers=headers, body=upload.body
        )
        read_all(response)
        return response


def _version_of(response: BaseHTTPResponse, name: str) -> int:
    date = response.headers.get("Last-Modified")
    if date is None:
        raise ProtocolMismatch(f"the answer to the upload of {name} has no Last-Modified")
    return date_to_version(date)
