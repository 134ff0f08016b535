"""A small tracker that can be made to fail, for the tests of the client."""

import gzip
import hashlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from librarian.tracker.client.wire.version_dates import date_to_version, version_to_date


class Tracker(ThreadingHTTPServer):
    """Speaks like the original server (`modern` False) or like ours; `faults` are used up in turn.

    A fault is a number (cut the body after so many bytes), ``"drop"`` (hang up without an answer) or
    a status with a reason.  None is no fault.
    """

    daemon_threads = False  # server_close() waits for them

    def __init__(self, protocols: list[int] | None = None, modern: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.protocols = [2] if protocols is None else protocols
        self.modern = modern
        self.files: dict[str, dict[int, bytes]] = {}
        self.faults: list[int | str | tuple[int, str] | None] = []
        self.log: list[tuple[str, str, dict[str, str]]] = []
        self.lie: dict[str, str] = {}  # headers to answer GET and HEAD with, in place of true ones
        self.redirect: str | None = None
        self.hidden: set[str] = set()  # listed, and answered 404
        self.unlisted: set[str] = set()  # the other way round
        self.open: list[socket.socket] = []

    def end(self) -> None:
        """Close all connections, and wait until their threads have ended."""
        self.shutdown()
        for connection in self.open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def requests(self, method: str) -> list[str]:
        return [path for verb, path, _headers in self.log if verb == method]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the game."""


@contextmanager
def tracker(protocols: list[int] | None = None, modern: bool = True) -> Iterator[Tracker]:
    server = Tracker(protocols, modern)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.end()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Tracker

    def setup(self) -> None:
        self.server.open.append(self.request)
        super().setup()

    def log_message(self, *args: Any) -> None:
        """Not to the terminal."""

    def _begin(self) -> bool:
        """Note the request; whether a fault has dealt with it already."""
        self.server.log.append((self.command, self.path, dict(self.headers)))
        parts = urlsplit(self.path)
        self.name = unquote(parts.path, errors="surrogateescape")
        self.query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.fault = self.server.faults.pop(0) if self.server.faults else None
        if self.fault == "drop":
            self._hang_up()
            return True
        if isinstance(self.fault, tuple):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer(self.fault[0], self.fault[1].encode())
            return True
        return False

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def do_GET(self) -> None:
        if self._begin():
            return
        if self.name == "/version/":
            found = 2 in self.server.protocols
            text = f'{{"protocol_versions": {self.server.protocols}}}'
            self._answer(200 if found else 404, text.encode())
        elif self.name.startswith("/list/"):
            self._answer(200, self._listing())
        else:
            self._get_file()

    def _get_file(self) -> None:
        name = self.name.removeprefix("/files")
        versions = None if name in self.server.hidden else self.server.files.get(name)
        wanted = int(self.query.get("version", 0)) if self.server.modern else 0
        if not versions and self.server.redirect:
            self._answer(307, b"", {"Location": self.server.redirect + self.path})
        elif not versions or (wanted and wanted not in versions):
            self._answer(404, b"not here\n")
        else:
            version = wanted or max(versions)
            self._send_file(version, versions[version])

    do_HEAD = do_GET

    def _send_file(self, version: int, data: bytes) -> None:
        accepts_gzip = self.headers.get("Accept-Encoding", "").startswith("gzip")
        headers = {"Last-Modified": version_to_date(version), "Logical-Size": str(len(data))}
        status = 200
        if self.server.modern:
            headers |= {"SHA256-Checksum": hashlib.sha256(data).hexdigest()}
        if not self.server.modern or accepts_gzip:
            body = gzip.compress(data) if 2 in self.server.protocols else data
            if 2 in self.server.protocols:
                headers["Content-Encoding"] = "gzip"
        else:
            headers["ETag"] = f'"{headers["SHA256-Checksum"]}"'
            body, status = self._range_of(data, headers)
        self._answer(status, body, headers | self.server.lie)

    def _range_of(self, data: bytes, headers: dict[str, str]) -> tuple[bytes, int]:
        wanted = self.headers.get("Range", "")
        if not wanted.startswith("bytes=") or self.headers.get("If-Range") not in (None, headers["ETag"]):
            return data, 200
        start = int(wanted.removeprefix("bytes=").rstrip("-"))
        headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        return data[start:], 206

    def do_PUT(self) -> None:
        if self._begin():
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if len(body) < int(self.headers["Content-Length"]):  # the client hung up
            self.close_connection = True
            return
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        name = self.name.removeprefix("/files")
        versions = self.server.files.setdefault(name, {})
        newest = max(versions, default=-1)
        if "last_modified" in self.query:
            version = date_to_version(self.query["last_modified"])
            stored = version >= newest
        else:
            version = date_to_version(self.headers["Last-Modified"])
            stored = version > newest
        if stored:
            versions[version] = body
        self._answer(200, b"", {"Last-Modified": version_to_date(max(versions))})

    def do_DELETE(self) -> None:
        if self._begin():
            return
        name = self.name.removeprefix("/files")
        versions = self.server.files.get(name)
        if versions and max(versions) <= date_to_version(self.query["last_modified"]):
            del self.server.files[name]
        self._answer(200 if versions else 404, b"")

    def _listing(self) -> bytes:
        cutoff = date_to_version(self.query["last_modified"]) if "last_modified" in self.query else 1 << 40
        prefix = "/" + self.name.removeprefix("/list/").rstrip("/")
        prefix = prefix if prefix.endswith("/") else prefix + "/"
        names = [n for n, v in sorted(self.server.files.items()) if n.startswith(prefix) and max(v) <= cutoff]
        names = [name for name in names if name not in self.server.unlisted]
        listing = "".join(name[len(prefix) :] + "\n" for name in names).encode(errors="surrogateescape")
        return listing if self.server.modern else listing.decode("latin-1").encode()  # as the original does

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if isinstance(self.fault, int):
            self.wfile.write(body[: self.fault])
            self.wfile.flush()
            self.close_connection = True
        else:
            self.wfile.write(body)
