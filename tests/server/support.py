"""Raw requests, and servers of a test's own."""

import socket
import unittest
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.servers.librarian import ServerProcess


def started(
    test: unittest.TestCase, more: str = "", environ: Mapping[str, str] | None = None, *, forked: bool = True
) -> ServerProcess:
    """A running server that goes away with the test."""
    server = ServerProcess(more, environ, forked=forked)
    test.addCleanup(server.remove)
    test.addCleanup(server.stop)
    server.start()
    return server


def connected(url: str, timeout: float = 30.0) -> socket.socket:
    """A connection to where a URL points."""
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port or 80), timeout)


def exchange(url: str, request: bytes) -> bytes:
    """All that a server says to the bytes of one request until it closes; it is told that no more come."""
    with closing(connected(url)) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before the end; the answer may be there all the same
        return read_to_end(connection)


def read_to_end(connection: socket.socket) -> bytes:
    pieces = []
    try:
        while piece := connection.recv(1 << 16):
            pieces.append(piece)
    except OSError:
        pass  # a reset is an end
    return b"".join(pieces)


def forget_peak(server: ServerProcess) -> None:
    """Begin to measure peak_kib() anew: see clear_refs in proc(5)."""
    Path(f"/proc/{server.pid}/clear_refs").write_text("5")


def peak_kib(server: ServerProcess) -> int:
    """The most memory the server has had since, in KiB."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
