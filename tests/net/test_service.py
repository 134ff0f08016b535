"""The HTTP client: what it tries again, and what it never does, against sockets that misbehave."""

import socket
import threading
import unittest
from collections.abc import Callable
from io import BytesIO
from time import monotonic
from unittest import mock

from librarian.interfaces import FetchFailed
from librarian.net.interfaces import WrongLength
from librarian.net.service import UrllibFetcher
from tests.support.servers.keep_alive import KeepAlive
from tests.support.servers.scripted import Peer

OK = b"HTTP/1.1 200 OK\r\nX-Kind: Tea\r\nContent-Length: 3\r\n\r\ntea"
ELSEWHERE = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"


def free_port() -> int:
    """A port without a listener at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


class Fetching(unittest.TestCase):
    def setUp(self) -> None:
        self.fetcher = UrllibFetcher(timeout_seconds=10)

    def peer(self, *answers: bytes) -> Peer:
        peer = Peer(*answers)
        self.addCleanup(peer.close)
        return peer

    def test_an_answer_with_lower_case_header_names(self) -> None:
        answer = self.fetcher.request("GET", self.peer(OK).url, {})
        self.assertEqual((answer.status, answer.headers["x-kind"], answer.body), (200, "Tea", b"tea"))

    def test_a_redirection_is_an_answer_and_not_followed(self) -> None:
        peer = self.peer(ELSEWHERE)
        self.assertEqual(self.fetcher.request("GET", peer.url, {}).status, 302)
        self.assertEqual(len(peer.requests), 1)

    def test_a_proxy_in_the_environment_is_not_used(self) -> None:
        proxy, peer = self.peer(OK), self.peer(OK)
        with mock.patch.dict("os.environ", http_proxy=proxy.url, HTTP_PROXY=proxy.url, all_proxy=proxy.url):
            self.assertEqual(UrllibFetcher().request("GET", peer.url, {}).body, b"tea")
        self.assertEqual((len(proxy.requests), len(peer.requests)), (0, 1))

    def test_once_bytes_have_gone_out_nothing_is_tried_again(self) -> None:
        peer = self.peer(b"", OK)
        self.assertRaises(FetchFailed, self.fetcher.request, "PUT", peer.url, {})
        self.assertEqual(len(peer.requests), 1)

    def test_an_error_of_the_server_is_an_answer(self) -> None:
        peer = self.peer(b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n", OK)
        self.assertEqual(self.fetcher.request("GET", peer.url, {}).status, 503)


SMUGGLED = b"PUT /smuggled HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


class DeclaredLengths(unittest.TestCase):
    """What a file holds beyond or below its declared length never reaches the next request."""

    def setUp(self) -> None:
        self.fetcher = UrllibFetcher(timeout_seconds=10)
        self.peer = KeepAlive()
        self.addCleanup(self.peer.close)

    def send(self, size: int, data: bytes, name: str = "a") -> int:
        body, headers = BytesIO(data), {"Content-Length": str(size)}
        return self.fetcher.request("PUT", self.peer.url + name, headers, body).status

    def test_an_exact_body_keeps_the_connection(self) -> None:
        for data in (b"x" * 5, b"x" * (1 << 18), b"x" * ((1 << 18) + 1)):
            self.assertEqual(self.send(len(data), data), 201)
        self.assertEqual((self.peer.connections, len(self.peer.bodies)), (1, 3))

    def test_more_is_refused_and_is_never_the_next_request(self) -> None:
        for name, first in zip("abc", (b"12345", b"x" * (1 << 18), b"x" * 1_000_000), strict=True):
            self.assertRaises(WrongLength, self.send, len(first), first + SMUGGLED, name)
            self.assertEqual(self.send(4, b"next", f"{name}2"), 201)
        # Each that was refused has closed its connection, and the next needed another one.
        self.peer.wait_until_heard(connections=4, left_open=1)
        self.assertEqual(
            sorted(self.peer.heard), [f"PUT /{name}" for name in ("a", "a2", "b", "b2", "c", "c2")]
        )
        self.assertEqual(self.peer.bodies, [b"next"] * 3)

    def test_fewer_is_told_at_once_and_the_connection_is_closed(self) -> None:
        began = monotonic()
        for sent in (b"", b"1234", b"x" * 600_000):
            self.assertRaises(WrongLength, self.send, 1_000_000, sent)
        self.assertEqual(self.send(4, b"next", "b"), 201)
        self.assertLess(monotonic() - began, 5)
        self.assertEqual(self.peer.bodies, [b"next"])

    def test_the_error_counts(self) -> None:
        with self.assertRaises(WrongLength) as caught:
            self.send(9, b"1234")
        self.assertEqual(str(caught.exception), "size is 9, but 4 were read from the file")
        with self.assertRaises(AssertionError) as many:
            self.send(2, b"1234")
        self.assertEqual(str(many.exception), "size is 2, but the file holds at least 3")


class Refused(unittest.TestCase):
    """Pauses are taken by urllib3.util.retry; here they are only counted, unless a test needs them."""

    def request(self, port: int, pause: Callable[[float], None]) -> bytes:
        with mock.patch("urllib3.util.retry.time.sleep", pause):
            return UrllibFetcher().request("GET", f"http://127.0.0.1:{port}/", {}).body

    def test_it_is_tried_again_for_some_seconds_and_then_told(self) -> None:
        pauses: list[float] = []
        with self.assertRaises(FetchFailed) as caught:
            self.request(free_port(), pauses.append)
        self.assertIn("refused", str(caught.exception))
        self.assertEqual(caught.exception.url[:17], "http://127.0.0.1:")
        self.assertTrue(1 < sum(pauses) < 10, pauses)

    def test_a_server_that_comes_back_meanwhile_is_reached(self) -> None:
        port, ready = free_port(), threading.Event()

        def serve() -> None:
            with socket.create_server(("127.0.0.1", port)) as listener:
                ready.set()
                connection, _address = listener.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(OK)

        thread = threading.Thread(target=serve, daemon=True)

        def pause(seconds: float) -> None:
            if not thread.is_alive():
                thread.start()
            ready.wait(10)

        self.assertEqual(self.request(port, pause), b"tea")
        thread.join(10)
