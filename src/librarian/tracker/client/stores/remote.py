"""The files that a server holds, by protocol version 1 or 2 of filetracker."""

import copy
import gzip
import io
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from urllib3 import BaseHTTPResponse

from librarian.durable import replacing
from librarian.net.bodies import DeclaredBody, WrongLength
from librarian.tracker.client.copying import BUFFER, Readable, copy_hashing
from librarian.tracker.client.file_names import checked_split, versioned_name
from librarian.tracker.client.interfaces import (
    FileChanged,
    FileNotFound,
    FiletrackerError,
    ProtocolMismatch,
    RemoteError,
    VersionNotFound,
)
from librarian.tracker.client.stores.base import DataStore, Fact, FileInfoEntry
from librarian.tracker.client.wire.downloads import Download, Head
from librarian.tracker.client.wire.listing import is_doubled, undone
from librarian.tracker.client.wire.transport import Transport, read_all, told
from librarian.tracker.client.wire.version_dates import date_to_version, version_to_date

SUPPORTED_PROTOCOLS = frozenset({1, 2})

_ELSEWHERE = 307  # Temporary Redirect: how a server sends clients to its fallback

_SAMPLE = 64 * 1024  # bytes of a file that are packed on trial
_WORTH_PACKING = 0.9  # of the sample's size
_IN_MEMORY = 1024 * 1024  # bytes of a packed upload kept in memory before a temporary file is used


class RemoteDataStore(DataStore):
    """Files at ``<base_url>/files<name>``.

    The protocol is settled by asking once for ``/version/``.  Uploads state version, size and
    digest, and are packed when that pays.  `token` is sent as a bearer token.  `packed_downloads` asks
    for gzip, which suits slow lines; without it the server need not pack and a broken download goes
    on by range.  Safe to share between threads.
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
        self._lists_doubled: bool | None = None  # once a listing has shown it

    def own(self) -> "RemoteDataStore":
        """The same server, without the fallback it may redirect to: only what it holds itself is there."""
        twin = copy.copy(self)
        twin.transport = self.transport.staying()
        return twin

    @property
    def protocol(self) -> int:
        """The version of the protocol spoken with this server.  Raises ProtocolMismatch."""
        if self._protocol is None:
            self._protocol = self._settle_protocol()
        return self._protocol

    def add_stream(self, name: str, file: Readable) -> str:
        """The stream is first written to a temporary file, for its size must be known."""
        with tempfile.NamedTemporaryFile(prefix="tracker-") as draft:
            shutil.copyfileobj(cast(BinaryIO, file), draft)
            draft.flush()
            return self.add_file(name, draft.name)

    def add_file(self, name: str, filename: str, compress_hint: bool = True) -> str:
        return self.add_file_checked(name, filename, compress_hint)[0]

    def add_file_checked(
        self, name: str, filename: str, compress_hint: bool = True
    ) -> tuple[str, str | None]:
        """add_file(), and the sha256 of the file sent if it is certainly what the server holds
        under the versioned name; None if the server kept something else, or may have."""
        unversioned, version = checked_split(name)
        if version is None:
            version = self._next_version(unversioned)
        with open(filename, "rb") as file:
            try:
                body, headers = self._upload_of(file, compress_hint)
            except WrongLength as error:
                raise FileChanged(str(error)) from None
            with body:
                response, sha256 = self._put(unversioned, version, body, headers)
        held = _version_of(response, unversioned)
        stated = response.headers.get("SHA256-Checksum")
        certain = stated == sha256 if stated else held == version and self.protocol >= 2
        return versioned_name(unversioned, held), sha256 if certain else None

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
        """An open download, the caller's to close, and its versioned name."""
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
        """As DataStore has it; a server of protocol 1 cannot, and ProtocolMismatch is raised."""
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
        """Asks for each name's version in turn; list_names() is one request."""
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

        Names that the server lists encoded twice are undone (see `listing`).  A name that is not UTF-8
        on the server has lone surrogates, and names nothing that the other methods take.
        """
        self._needs_protocol_2("list files")
        prefix = subpath.strip("/")
        query = None if version_cutoff is None else {"last_modified": version_to_date(version_cutoff)}
        response = self.transport.request("GET", f"/list/{prefix}", query=query)
        lines = read_all(response).decode(errors="surrogateescape").split("\n")
        if lines.pop():
            raise FiletrackerError("the listing broke off in the middle of a line")
        names = self._read_listing(prefix, lines)
        return [f"{prefix}/{name}" for name in names] if absolute_paths and prefix else names

    def history(self, name: str) -> list[dict[str, Any]]:
        """All versions of a name that are kept, newest first; what is said of each is in the server's
        documentation.  Raises ProtocolMismatch where the server keeps no history."""
        unversioned, _version = checked_split(name)
        try:
            response = self.transport.request("GET", "/history" + unversioned)
            versions: list[dict[str, Any]] = told(read_all(response), "versions")
        except RemoteError as error:
            if error.status == 404:
                raise FileNotFound(unversioned) from None
            raise ProtocolMismatch("this server keeps no history") from None
        if not isinstance(versions, list) or not all(isinstance(each, dict) for each in versions):
            raise ProtocolMismatch(f"{self.base_url} answers with no list of versions")
        return versions

    # How it is done

    def _settle_protocol(self) -> int:
        try:
            response = self.transport.request("GET", "/version/")
            offered = {int(number) for number in told(read_all(response), "protocol_versions")}
        except RemoteError as error:
            if error.status != 404:
                raise
            offered = {1}
        except (ValueError, TypeError, OverflowError):
            raise ProtocolMismatch(f"{self.base_url} does not answer as a filetracker server does") from None
        common = SUPPORTED_PROTOCOLS & offered
        if not common:
            theirs, ours = sorted(offered), sorted(SUPPORTED_PROTOCOLS)
            raise ProtocolMismatch(f"the server speaks protocol versions {theirs}, this client {ours}")
        return max(common)

    def _read_listing(self, prefix: str, lines: list[str]) -> list[str]:
        """The names that the lines stand for; a name that cannot be undone stays as it is listed."""
        if self._lists_doubled is None:
            directory = f"/{prefix}/" if prefix else "/"
            self._lists_doubled = is_doubled(lines, lambda path: self._is_here(directory + path))
        if not self._lists_doubled:
            return lines
        return [name if (name := undone(line)) is not None else line for line in lines]

    def _is_here(self, name: str) -> bool | None:
        """Whether this server itself has the name; None if it will not say."""
        transport, path = self.transport.staying(), "/files" + name
        try:
            transport.request("HEAD", path, headers={"Accept-Encoding": "identity"}).release_conn()
        except RemoteError as error:
            return False if error.status in (404, 400, _ELSEWHERE) else None  # 400: it allows no such name
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
        """Turn the server's 404 into FileNotFound, or VersionNotFound if others are there."""
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
        """Now, or one second after what is there: a file without a version becomes the newest, also
        if another was put within this second or by a clock that is ahead."""
        newest = self._newest_of(unversioned)
        return max(int(self._clock()), -1 if newest is None else newest + 1)

    def _upload_of(self, file: BinaryIO, compress_hint: bool) -> tuple[BinaryIO, dict[str, str]]:
        """The body to send, and the headers that describe it: of a file that grows, as it is now."""
        size = os.fstat(file.fileno()).st_size
        if self.protocol >= 2 and compress_hint and _is_worth_packing(file):
            body, sha256 = _pack(file, size)
            headers = {"Content-Encoding": "gzip", "Logical-Size": str(size)}
            length = body.seek(0, os.SEEK_END)
        else:
            sha256, _size = copy_hashing(_beginning(file, size), None)
            body, headers, length = file, {}, size
        body.seek(0)
        headers |= {
            "SHA256-Checksum": sha256,
            "Content-Length": str(length),
            "Content-Type": "application/octet-stream",
        }
        return body, headers

    def _put(
        self, unversioned: str, version: int, body: BinaryIO, headers: dict[str, str]
    ) -> tuple[BaseHTTPResponse, str]:
        date = version_to_date(version)
        query = {"last_modified": date} if self.protocol >= 2 else None
        if query is None:
            headers = {**headers, "Last-Modified": date}
        response = self.transport.request(
            "PUT", "/files" + unversioned, query=query, headers=headers, body=body
        )
        read_all(response)
        return response, headers["SHA256-Checksum"]


def _version_of(response: BaseHTTPResponse, name: str) -> int:
    date = response.headers.get("Last-Modified")
    if date is None:
        raise ProtocolMismatch(f"the answer to the upload of {name} has no Last-Modified")
    return date_to_version(date)


def _is_worth_packing(file: BinaryIO) -> bool:
    sample = file.read(_SAMPLE)
    file.seek(0)
    return len(zlib.compress(sample, 1)) < _WORTH_PACKING * len(sample)


def _beginning(file: BinaryIO, size: int) -> BinaryIO:
    """The next `size` bytes of a file that may grow."""
    return cast(BinaryIO, DeclaredBody(file, size, may_grow=True))


def _pack(file: BinaryIO, size: int) -> tuple[BinaryIO, str]:
    """The next `size` bytes of the file as gzip, and the sha256 in hex of what went in.

    A temporary file, because the original server must be told the packed size beforehand.
    """
    draft = tempfile.SpooledTemporaryFile(_IN_MEMORY, prefix="tracker-")  # noqa: SIM115  # the caller closes it
    with gzip.GzipFile(fileobj=cast(BinaryIO, draft), mode="wb", compresslevel=4, mtime=0) as packer:
        sha256, _size = copy_hashing(_beginning(file, size), cast(BinaryIO, packer))
    return cast(BinaryIO, draft), sha256
