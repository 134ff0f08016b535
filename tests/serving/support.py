"""A server with an application of a test's own, in a thread of this process."""

import socket
import threading
import unittest
from collections.abc import Callable
from typing import Any

from librarian.clock import SystemClock
from librarian.serving.http.lane_access import LaneAccess
from librarian.serving.limits import Limits
from librarian.serving.server import Server
from librarian.serving.sockets import bind
from librarian.store.memory import MemoryStore


class Serving:
    """It serves until the test ends."""

    def __init__(
        self,
        test: unittest.TestCase,
        app: Any,
        *,
        lane: Callable[[str], LaneAccess] | None = None,
        store: Any = None,
        judges_heads: bool = False,
        **limits: Any,
    ) -> None:
        sockets = bind({"app": ("127.0.0.1", 0)})
        self.address = sockets["app"].getsockname()
        lanes = {} if lane is None else {"app": lane(str(self.address[1]))}
        store = store or MemoryStore(SystemClock())
        self.server = Server(app, sockets, store, Limits(**limits), lanes, judges_heads=judges_heads)
        started = threading.Event()
        self._thread = threading.Thread(target=self.server.run, args=(started.set,))
        self._thread.start()
        test.addCleanup(self.stop)
        started.wait(10)

    def stop(self) -> None:
        self.server.stop_from_thread()
        self._thread.join(30)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=30)

    def exchange(self, *sent: bytes, end: bool = False) -> bytes:
        """Send this and read until the server closes; `end`: say that nothing more will come."""
        with self.connect() as connection:
            for data in sent:
                connection.sendall(data)
            if end:
                connection.shutdown(socket.SHUT_WR)
            return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    found = bytearray()
    while block := connection.recv(1 << 16):
        found += block
    return bytes(found)


def request(method: str = "GET", *fields: str, target: str = "/", version: str = "1.1") -> bytes:
    """A head with a Host, and what closes the connection behind the answer unless a field says otherwise."""
    lines = [f"{method} {target} HTTP/{version}", "Host: localhost", *fields]
    if not any(field.lower().startswith("connection:") for field in fields):
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode()
