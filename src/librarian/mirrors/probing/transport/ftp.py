"""Mirrors that can only be reached by FTP (RFC 959, 3659), by the standard library's client.

ftplib blocks, so the fetcher runs this in a thread; a mirror of this kind has become rare.
"""

import ftplib
import re
import socket
import time
from contextlib import suppress
from hashlib import sha256
from urllib.parse import unquote, urlsplit

from librarian.mirrors.probing.interfaces import AddressRefused, Answer, BadResponseCode, BodyTooLarge
from librarian.net.networks import AddressGuard

_REPLY_CODE = re.compile(r"[0-9]{3}", re.ASCII)


class Talk:
    """One question to an FTP server, logged in anonymously.  `ask` blocks; `abort` ends it from outside."""

    def __init__(self, url: str, guard: AddressGuard, timeout_seconds: float) -> None:
        self._url = url
        self._guard = guard
        self._started = time.monotonic()
        self._timeout_seconds = timeout_seconds
        self._client = ftplib.FTP(timeout=timeout_seconds, encoding="utf-8")  # noqa: S321  # nothing secret

    def ask(self, max_bytes: int, keep: bool = True) -> Answer:
        """The answer to a HEAD (`max_bytes` 0) or GET of the URL; without `keep` a body is only hashed.

        Raises AddressRefused, BadResponseCode (of the FTP reply), BodyTooLarge, OSError and TimeoutError.
        """
        parts, client = urlsplit(self._url), self._client
        port = parts.port or ftplib.FTP_PORT
        path = unquote(parts.path).lstrip("/")
        address = _permitted_address(self._url, parts.hostname or "", port, self._guard)
        try:
            client.connect(address, port)
            client.login()
            client.voidcmd("TYPE I")
            size = _size(client, path)
            body, digest = b"", ""
            if max_bytes:
                size, body, digest = self._retrieve(path, max_bytes, keep)
        except ftplib.Error as error:
            raise BadResponseCode(self._url, _reply_code(error)) from error
        finally:
            client.close()
        seconds = time.monotonic() - self._started
        return Answer(self._url, size, seconds, body, digest, address)

    def _retrieve(self, path: str, max_bytes: int, keep: bool) -> tuple[int, bytes, str]:
        """(size, body if it is to be kept, sha256)."""
        size, body, digest = 0, bytearray(), sha256()

        def take(chunk: bytes) -> None:
            nonlocal size
            size += len(chunk)
            digest.update(chunk)
            if keep:
                body.extend(chunk)
            if size > max_bytes:
                raise BodyTooLarge(self._url, f"{self._url} has more than {max_bytes} bytes")
            if time.monotonic() - self._started > self._timeout_seconds:
                raise TimeoutError

        self._client.retrbinary(f"RETR {path}", take)
        return size, bytes(body), digest.hexdigest()

    def abort(self) -> None:
        """Wake up a thread that waits for a reply; does nothing when the talk is over."""
        connection = self._client.sock
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _permitted_address(url: str, host: str, port: int, guard: AddressGuard) -> str:
    """The first address of `host` that may be connected to.  It is the one connected to: a second
    resolution could give another."""
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    permitted = [address for address in found if guard.permits(address)]
    if not permitted:
        raise AddressRefused(url, f"address refused for {url}: {found[0]} is {guard.refusal}")
    return permitted[0]


def _size(client: ftplib.FTP, path: str) -> int | None:
    """The size of a file, or None where the server only knows its time (no SIZE command)."""
    try:
        return client.size(path)
    except ftplib.error_perm as error:
        if _reply_code(error) not in (500, 502):
            raise
    client.sendcmd(f"MDTM {path}")
    return None


def _reply_code(error: Exception) -> int:
    """The three digits an FTP reply starts with; 500 for a reply without any."""
    found = _REPLY_CODE.match(str(error))
    return int(found[0]) if found else 500
