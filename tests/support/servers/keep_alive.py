"""A small HTTP server that keeps its connections open, and notes what each of them asked for."""

import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class _Quiet(ThreadingHTTPServer):
    """Has no word for clients that break off; that is what they are here for."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing to standard error."""


class KeepAlive:
    """Answers every request with one status and body, after it has read as much as was announced.

    `heard` has a line for each request line that came, such as ``PUT /a``, `bodies` each body that was
    whole, `connections` is how many there were.
    """

    def __init__(self, status: int = 201, body: bytes = b"{}") -> None:
        self.heard: list[str] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30  # seconds; a test that waits for it has failed

            def setup(self) -> None:
                super().setup()
                peer.connections += 1
                peer._open.append(self.connection)

            def finish(self) -> None:
                super().finish()
                peer._open.remove(self.connection)

            def answer(self) -> None:
                peer.heard.append(f"{self.command} {self.path}")
                size = int(self.headers["Content-Length"] or 0)
                found = self.rfile.read(size)
                if len(found) < size:
                    self.close_connection = True
                    return
                peer.bodies.append(found)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = answer

            def log_message(self, format: str, *values: Any) -> None:  # noqa: A002  # its base class's name
                """Nothing to standard error."""

        self._server = _Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def wait_until_heard(self, connections: int, left_open: int) -> None:
        """Until so many connections were taken, and all but `left_open` of them read to their end."""
        until = time.monotonic() + 10
        while (self.connections, len(self._open)) != (connections, left_open) and time.monotonic() < until:
            time.sleep(0.002)

    def close(self) -> None:
        self._server.shutdown()
        for connection in list(self._open):
            with suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
