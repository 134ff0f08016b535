"""The HTTP client: what it tries again, and what it never does, against sockets that misbehave."""

import socket
import threading
import unittest
from collections.abc import Callable
from unittest import mock

from librarian.fetch import FetchFailed, UrllibFetcher
from librarian.testing.peers import Peer

OK = b"HTTP/1.1 200 OK\r\nX-Kind: Tea\r\nContent-Length: 3\r\n\r\ntea"
ELSEWHERE = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"


def free_port() -> int:
    """A port on which nobody listens at this moment."""
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
