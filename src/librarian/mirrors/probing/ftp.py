"""Mirrors that can only be reached by FTP (RFC 959, 3659), by the standard library's client.

ftplib blocks, so the fetcher runs this in a thread; a mirror of this kind has become rare.
"""

import ftplib
import re
import socket
import time
from urllib.parse import unquote, urlsplit

from librarian.mirrors.probing.addresses import NOT_PUBLIC, AddressGuard
from librarian.mirrors.probing.interfaces import AddressRefused, Answer, BadResponseCode, BodyTooLarge

_REPLY_CODE = re.compile(r"[0-9]{3}", re.ASCII)


def ask(url: str, guard: AddressGuard, timeout_seconds: float, max_bytes: int) -> Answer:
    """The answer to a HEAD (`max_bytes` 0) or GET of an FTP URL, logged in anonymously.

    Raises AddressRefused, BadResponseCode (of the FTP reply), BodyTooLarge, OSError and TimeoutError.
    """
    started = time.monotonic()
    parts = urlsplit(url)
    path = unquote(parts.path).lstrip("/")
    address = _permitted_address(url, parts.hostname or "", parts.port or ftplib.FTP_PORT, guard)
    client = ftplib.FTP(timeout=timeout_seconds, encoding="utf-8")  # noqa: S321  # nothing secret
    try:
        client.connect(address, parts.port or ftplib.FTP_PORT)
        client.login()
        client.voidcmd("TYPE I")
        size = _size(client, path)
        body = _retrieve(client, path, url, max_bytes) if max_bytes else b""
    except ftplib.Error as error:
        raise BadResponseCode(url, _reply_code(error)) from error
    finally:
        client.close()
    return Answer(url, len(body) if max_bytes else size, time.monotonic() - started, body, address)


def _permitted_address(url: str, host: str, port: int, guard: AddressGuard) -> str:
    """The first address of `host` that may be connected to.  It is the one connected to: a second
    resolution could give another."""
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    permitted = [address for address in found if guard.permits(address)]
    if not permitted:
        raise AddressRefused(url, f"address refused for {url}: {found[0]} is {NOT_PUBLIC}")
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


def _retrieve(client: ftplib.FTP, path: str, url: str, max_bytes: int) -> bytes:
    body = bytearray()

    def take(chunk: bytes) -> None:
        body.extend(chunk)
        if len(body) > max_bytes:
            raise BodyTooLarge(url, f"{url} has more than {max_bytes} bytes")

    client.retrbinary(f"RETR {path}", take)
    return bytes(body)


def _reply_code(error: Exception) -> int:
    """The three digits an FTP reply starts with; 500 for a reply without any."""
    found = _REPLY_CODE.match(str(error))
    return int(found[0]) if found else 500
