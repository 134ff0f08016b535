"""Downloads that resume after a broken connection, and end only if they are complete."""

import hashlib
import io
import logging
import re
from dataclasses import dataclass
from typing import Protocol

import urllib3
from urllib3.exceptions import HTTPError

from librarian.tracker.client.interfaces import (
    DamagedTransfer,
    GzipDamaged,
    GzipTooLong,
    ProtocolMismatch,
    RemoteUnavailable,
    VersionChanged,
)
from librarian.tracker.client.wire.gunzip import GunzipReader
from librarian.tracker.client.wire.transport import Transport
from librarian.tracker.client.wire.version_dates import date_to_version

log = logging.getLogger(__name__)

_SIZE = re.compile(r"[0-9]{1,18}", re.ASCII)  # no file has a size of more digits


@dataclass(frozen=True, slots=True)
class Head:
    """The headers of an answer to GET or HEAD ``/files/...``."""

    version: int  # seconds
    size: int | None  # bytes of the plain file
    sha256: str | None  # hex, of the plain file; filetracker-server does not state it
    etag: str | None
    packed: bool  # whether the body is gzip

    @classmethod
    def of(cls, response: urllib3.BaseHTTPResponse, name: str) -> "Head":
        """The head of a response for `name`.  Raises ProtocolMismatch without a Last-Modified."""
        headers = response.headers
        date = headers.get("Last-Modified")
        if date is None:
            raise ProtocolMismatch(f"the answer for {name} has no Last-Modified: not a filetracker server?")
        packed = headers.get("Content-Encoding", "").lower() == "gzip"
        size = headers.get("Logical-Size") or (None if packed else headers.get("Content-Length"))
        return cls(
            version=date_to_version(date),
            size=int(size) if size is not None and _SIZE.fullmatch(size) else None,
            sha256=headers.get("SHA256-Checksum"),
            etag=headers.get("ETag"),
            packed=packed,
        )


class _Source(Protocol):
    def readinto(self, buffer: memoryview, /) -> int: ...


class Download(io.RawIOBase):
    """The plain bytes of ``/files<name>``, of `version` if that is given.

    After a broken connection the rest is requested: by range if the server supports that, else from the
    start, skipping what was given out already.  At its end it raises DamagedTransfer unless size, CRC of
    gzip and digest agree, as far as the server states them.  It raises VersionChanged if the file was
    overwritten meanwhile and the server keeps no history, RemoteUnavailable if no attempt succeeded.  Wrap
    it in io.BufferedReader for small reads.
    """

    def __init__(self, transport: Transport, name: str, version: int | None, *, packed: bool = False) -> None:
        super().__init__()
        self._transport = transport
        self._name = name
        self._path = "/files" + name
        self._accept = "gzip" if packed else "identity, gzip;q=0.5"
        self._position = 0  # plain bytes given out so far
        self._digest = hashlib.sha256()
        self._complete = False
        query = {"version": str(version)} if version is not None else None
        self._response = transport.request("GET", self._path, query=query, headers=self._headers())
        self.head = Head.of(self._response, name)
        self._source = self._open_source()

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            if self._complete:
                self._response.release_conn()
            else:
                self._response.close()
        super().close()

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        if self._complete or not len(buffer):
            return 0
        count = self._read_some(memoryview(buffer))
        if count:
            self._position += count
            self._digest.update(memoryview(buffer)[:count])
        else:
            self._finish()
        return count

    @property
    def sha256(self) -> str:
        """Of what has been read so far, in hex."""
        return self._digest.hexdigest()

    def _read_some(self, buffer: memoryview) -> int:
        """At least one byte, or 0 at the end of a file that has the size it should have."""
        for attempt in range(self._transport.attempts):
            try:
                if attempt:
                    self._resume()
                count = self._source.readinto(buffer)
                if count or not self._is_short():
                    return count
                reason = f"the connection ended after {self._position} of {self.head.size} bytes"
            except GzipTooLong as error:
                raise DamagedTransfer(self._name, str(error)) from None
            except (HTTPError, OSError, GzipDamaged) as error:
                if isinstance(error, VersionChanged | DamagedTransfer | RemoteUnavailable):
                    raise
                reason = str(error)
            self._transport.pause(attempt, reason)
        raise RemoteUnavailable(self._transport.url(self._path), self._transport.attempts, reason)

    def _is_short(self) -> bool:
        return self.head.size is not None and self._position < self.head.size

    def _finish(self) -> None:
        if self.head.size is not None and self._position != self.head.size:
            raise DamagedTransfer(self._name, f"{self._position} bytes came, {self.head.size} were announced")
        if self.head.sha256 is not None and self.head.sha256.lower() != self.sha256:
            raise DamagedTransfer(self._name, f"its sha256 is {self.sha256}, not {self.head.sha256}")
        self._complete = True
        self._response.release_conn()

    def _resume(self) -> None:
        self._response.close()
        log.info("resuming download name=%s position=%d", self._name, self._position)
        headers = self._headers()
        if self._position and self.head.etag and not self.head.packed:
            headers |= {"Range": f"bytes={self._position}-", "If-Range": self.head.etag}
        self._response = self._transport.request(
            "GET", self._path, query={"version": str(self.head.version)}, headers=headers
        )
        now = Head.of(self._response, self._name)
        if now.version != self.head.version or now.sha256 != self.head.sha256:
            self._response.close()
            raise VersionChanged(self._name, self.head.version, now.version)
        self._source = self._open_source()
        if self._response.status != 206:
            self._skip(self._position)

    def _skip(self, count: int) -> None:
        scrap = memoryview(bytearray(64 * 1024))
        while count:
            got = self._source.readinto(scrap[: min(count, len(scrap))])
            if not got:
                raise DamagedTransfer(self._name, "the same version is shorter than it was before")
            count -= got

    def _headers(self) -> dict[str, str]:
        return {"Accept-Encoding": self._accept}

    def _open_source(self) -> _Source:
        if self._response.headers.get("Content-Encoding", "").lower() == "gzip":
            return GunzipReader(self._response.read, self.head.size)
        return _Plain(self._response)


class _Plain:
    """An identity body."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response

    def readinto(self, buffer: memoryview, /) -> int:
        data = self._response.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
