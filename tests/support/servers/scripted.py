"""Servers of a few lines that say what a test has them say, whatever they are asked."""

import contextlib
import socket
import threading


class Peer:
    """A port that answers each connection with the next of `answers`, and keeps what it was sent."""

    def __init__(self, *answers: bytes) -> None:
        self.requests: list[bytes] = []
        self._answers = answers
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for answer in self._answers:
            try:
                connection, _address = self.socket.accept()
            except OSError:  # the client closed before all answers were used
                return
            with connection:
                self.requests.append(connection.recv(1 << 16))
                connection.sendall(answer)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # which wakes accept()
        self.socket.close()
        self._thread.join(10)
