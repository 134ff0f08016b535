"""Sources of an archive's files: a directory, or a web server."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import urllib3
from urllib3.connection import HTTPConnection

from librarian.mirrors.archive.interfaces import ArchiveUnreachable, IArchiveSource, NotInArchive
from librarian.mirrors.paths import join_url
from librarian.net.http import connection_pool, failure
from librarian.net.networks import AddressGuard

_MAX_BYTES = 512 * 1024 * 1024  # the largest index of a big distribution has about a tenth of this


def open_archive(location: str) -> IArchiveSource:
    """The archive at a URL or in a directory, as an operator names it."""
    return WebArchive(location) if "://" in location else DirectoryArchive(Path(location))


def _refuse_peer(guard: AddressGuard, connection: HTTPConnection) -> None:
    peer = connection.sock.getpeername()[0]
    if not guard.permits(peer):
        connection.close()
        raise ArchiveUnreachable(f"{connection.host}: {peer} is {guard.refusal}")


class DirectoryArchive:
    """An archive on a disk of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def read(self, path: str) -> bytes:
        """The bytes of a file below the root.  Raises NotInArchive, also for a path that leads outside."""
        where = (self._root / path).resolve()
        if not where.is_relative_to(self._root):
            raise NotInArchive(path)
        try:
            return where.read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise NotInArchive(path) from error
        except OSError as error:
            raise ArchiveUnreachable(f"{path}: {error.strerror}") from error

    def modified(self, path: str) -> datetime | None:
        """The time when a file was last changed; None if it is not there."""
        try:
            return datetime.fromtimestamp((self._root / path).stat().st_mtime, UTC)
        except OSError:
            return None


class WebArchive:
    """An archive behind http or https; no proxy is taken from the environment.

    With a `guard`, only addresses it permits are spoken to; what the operator names on a command line needs
    none.
    """

    def __init__(self, base_url: str, timeout_seconds: float = 60, guard: AddressGuard | None = None) -> None:
        self._base_url = base_url
        self._pool = connection_pool(
            read_tries=3,
            pause=0.2,
            redirects=3,
            connect_seconds=timeout_seconds,
            read_seconds=timeout_seconds,
            check=None if guard is None else partial(_refuse_peer, guard),
        )

    def read(self, path: str) -> bytes:
        """The bytes of the file at `path`, below the base URL.

        Raises NotInArchive for 404 and 410, ArchiveUnreachable for other statuses, errors of
        the network, and a file that is larger than an index can be.
        """
        url = join_url(self._base_url, path)
        try:
            # A cache in between must not hand out the Release file of yesterday.
            headers = {"Cache-Control": "no-cache"}
            response = self._pool.request(
                "GET", url, headers=headers, preload_content=False, decode_content=False
            )
            try:
                return self._body(response, path, url)
            finally:
                response.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise ArchiveUnreachable(f"{url} cannot be read: {failure(error)}") from error

    def _body(self, response: urllib3.BaseHTTPResponse, path: str, url: str) -> bytes:
        if response.status in (404, 410):
            raise NotInArchive(path)
        if response.status != 200:
            raise ArchiveUnreachable(f"{url} answered {response.status}")
        body = response.read(_MAX_BYTES + 1, decode_content=False)
        if len(body) > _MAX_BYTES:
            raise ArchiveUnreachable(f"{url} has more than {_MAX_BYTES} bytes")
        return body
