"""Several requests sent at once on one connection: each is answered, in their order."""

import socket
import unittest
from urllib.parse import urlsplit

from tests.support.layers import Server


class Pipelines(unittest.TestCase):
    layer = Server

    def setUp(self) -> None:
        self.server = self.layer.server
        self.paths = [self.put(b"%d" % number * 2000) for number in range(5)]

    def put(self, data: bytes) -> str:
        url = self.server.request("PUT", self.server.urls["upload"] + "f", body=data).json()["url"]
        return urlsplit(url).path

    def exchange(self, text: str) -> bytes:
        """Send it all at once and read until the server closes."""
        parts = urlsplit(self.server.urls["public"])
        with socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=30) as connection:
            connection.sendall(text.encode())
            found = bytearray()
            while block := connection.recv(1 << 16):
                found += block
        return bytes(found)

    def ask(self, path: str, *fields: str, method: str = "GET") -> str:
        return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: test", *fields, "", ""])

    def test_answers_come_in_the_order_of_the_requests(self) -> None:
        last = self.ask(self.paths[4], "Connection: close")
        kinds = ["", "Range: bytes=0-99", "", "Range: bytes=5-9"]
        asked = [self.ask(path, *filter(None, [kind])) for path, kind in zip(self.paths, kinds, strict=False)]
        answer = self.exchange("".join([*asked, last]))
        bodies = [part.partition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 ")[1:]]
        self.assertEqual([len(body) for body in bodies], [2000, 100, 2000, 5, 2000])
        self.assertEqual([body[:1] for body in bodies], [b"0", b"1", b"2", b"3", b"4"])

    def test_head_and_then_get(self) -> None:
        head = self.ask(self.paths[0], method="HEAD")
        answer = self.exchange(head + self.ask(self.paths[1], "Connection: close"))
        self.assertEqual(answer.count(b"HTTP/1.1 200 OK"), 2)
        self.assertTrue(answer.endswith(b"1" * 2000))

    def test_what_is_not_there(self) -> None:
        answer = self.exchange(self.ask("/1/x") + self.ask(self.paths[1], "Connection: close"))
        self.assertTrue(answer.startswith(b"HTTP/1.1 404 Not Found"))
        self.assertTrue(answer.endswith(b"1" * 2000))

    def test_a_large_file_and_then_another(self) -> None:
        large = self.put(b"l" * (20 << 20))
        answer = self.exchange(
            self.ask(large) + self.ask(large) + self.ask(self.paths[1], "Connection: close")
        )
        self.assertEqual(answer.count(b"l" * (1 << 20)), 40)
        self.assertTrue(answer.endswith(b"1" * 2000))
