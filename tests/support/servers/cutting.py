"""A relay on loopback that cuts connections, refuses them, or makes them slow."""

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from urllib.parse import urlsplit

BLOCK = 1 << 16  # bytes
END_SECONDS = 5.0  # that a connection may still be made after the end
PIECES = 20  # in which a second of a slow connection passes


class CuttingRelay:
    """Passes connections on to the server at `url`; `cut_after` bytes (None: never) are the most of each.

    `url` is the relay's own, `cuts` counts the connections that it has cut.  With `swallow_answers` as many
    answers are taken from the server and not given to the client, whose connection is cut instead.  `rate` is
    the bytes that each direction of a connection passes in a second (None: all there are), and while it
    `is_cut` nothing gets through.
    """

    def __init__(self, url: str, cut_after: int | None = None) -> None:
        self.lead_to(url)
        self.cut_after = cut_after
        self.swallow_answers = 0
        self.cuts = 0
        self.rate: int | None = None
        self.is_cut = False
        self._listening = socket.create_server(("127.0.0.1", 0))
        host, port = self._listening.getsockname()
        self.url = f"http://{host}:{port}/"
        self._open: list[socket.socket] = []

    def lead_to(self, url: str) -> None:
        """Pass connections on to the server at `url` from now on."""
        parts = urlsplit(url)
        assert parts.hostname is not None and parts.port is not None
        self._target = (parts.hostname, parts.port)

    def __enter__(self) -> "CuttingRelay":
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._accepting.join(END_SECONDS)
        for each in self._open:
            _end(each)

    def cut(self) -> None:
        """End all connections, and refuse others until `is_cut` is false again."""
        self.is_cut = True
        for each in self._open:
            _end(each)
        self._open = []

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _address = self._listening.accept()
                try:
                    server = socket.create_connection(self._target)
                except OSError:  # the server is away
                    _end(client)
                    continue
                self._open += (client, server)
                if self.is_cut:
                    _end(client)
                    _end(server)
                    continue
                threading.Thread(target=self._up, args=(client, server), daemon=True).start()
                threading.Thread(target=self._down, args=(client, server), daemon=True).start()

    def _received(self, connection: socket.socket, most: int = BLOCK) -> bytes:
        """Some bytes, at most `most`, at the rate there is; none at the end."""
        rate = self.rate
        data = connection.recv(most if rate is None else min(most, max(1, rate // PIECES)))
        if rate is not None:
            time.sleep(len(data) / rate)
        return data

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        left = self.cut_after
        with suppress(OSError):
            while data := self._received(client, BLOCK if left is None else min(BLOCK, left)):
                server.sendall(data)
                if left is not None:
                    left -= len(data)
                    if not left:
                        self.cuts += 1
                        _end(client)
                        break
        _end(server)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := self._received(server):
                if self.swallow_answers:
                    self.swallow_answers -= 1
                    break
                client.sendall(data)
        _end(client)
        _end(server)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
