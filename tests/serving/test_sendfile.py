"""Large files on a real connection: whole, in part, to a slow reader, and cut while they are sent."""

import os
import socket
import time
import unittest
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.layers import Server

DATA = os.urandom(1 << 20) * 12  # more than the buffers of a connection hold


class Sending(unittest.TestCase):
    layer = Server

    def setUp(self) -> None:
        self.server = self.layer.server
        self.url = self.put(DATA)

    def put(self, data: bytes) -> str:
        url: str = self.server.request("PUT", self.server.urls["upload"] + "f", body=data).json()["url"]
        return url

    def connect(self, url: str) -> socket.socket:
        """A connection on which the file has been asked for, and nothing read yet."""
        parts = urlsplit(url)
        connection = socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=30)
        self.addCleanup(connection.close)
        connection.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
        return connection

    def rest(self, connection: socket.socket) -> bytes:
        found = bytearray()
        while block := connection.recv(1 << 16):
            found += block
        return bytes(found)

    def test_whole_and_in_part(self) -> None:
        self.assertEqual(self.server.request("GET", self.url).data, DATA)
        for first, last in ((5, ""), (1 << 20, 9 << 20), (len(DATA) - 3, "")):
            answer = self.server.request("GET", self.url, headers={"Range": f"bytes={first}-{last}"})
            stop = len(DATA) if last == "" else int(last) + 1
            self.assertEqual(answer.data, DATA[first:stop])

    def test_many_requests_on_one_connection(self) -> None:
        parts = urlsplit(self.url)
        with socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=30) as connection:
            request = f"GET {parts.path} HTTP/1.1\r\nHost: test\r\nRange: bytes=0-199999\r\n\r\n".encode()
            connection.sendall(request * 5)
            expected, found = 5, 0
            data = bytearray()
            while found < expected:
                data += connection.recv(1 << 16)
                found = bytes(data).count(DATA[199_900:200_000])
        self.assertEqual(bytes(data).count(b"206 Partial Content"), expected)

    def test_a_slow_reader_gets_all_and_others_are_served_meanwhile(self) -> None:
        slow = self.connect(self.url)
        for _turn in range(5):
            self.assertEqual(self.server.request("GET", self.server.urls["public"]).status, 200)
        self.assertEqual(self.rest(slow).partition(b"\r\n\r\n")[2], DATA)

    def test_a_reader_that_leaves_takes_nothing_along(self) -> None:
        for _turn in range(20):
            self.connect(self.url).close()
        self.wait_until(lambda: self.open_files() == 0)

    def test_a_file_that_is_cut_meanwhile_is_no_whole_file(self) -> None:
        data = os.urandom(1 << 20) * 12
        connection = self.connect(self.put(data))
        head = connection.recv(1)
        os.truncate(self.path_of(data), 11 << 20)
        received = head + self.rest(connection)
        self.assertLess(len(received), len(data))
        self.assertIn(f"Content-Length: {len(data)}".encode(), received)
        self.path_of(data).unlink(missing_ok=True)  # most often it is quarantined by now

    def path_of(self, data: bytes) -> Path:
        name = sha256(data).hexdigest()
        path: Path = self.server.folder / "bytes" / name[:2] / name[2:4] / name
        return path

    def open_files(self) -> int:
        links = Path(f"/proc/{self.server.pid}/fd").iterdir()
        return sum(str(self.path_of(DATA)) in str(_target(link)) for link in links)

    def wait_until(self, happens: Any) -> None:
        deadline = time.monotonic() + 20
        while not happens():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)


def _target(link: Path) -> Path | None:
    try:
        return link.readlink()
    except FileNotFoundError:  # closed meanwhile
        return None
