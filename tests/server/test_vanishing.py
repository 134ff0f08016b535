"""Clients that go away in the middle: they are no errors, and leave nothing open."""

import os
import socket
import struct
import time
import unittest
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from tests.server.support import connected
from tests.support.servers.librarian import ServerProcess

CLIENTS = 30
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of socket(7): close() sends a reset


def vanish(connection: socket.socket, reset: bool) -> None:
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


class Vanishing(unittest.TestCase):
    def setUp(self) -> None:
        self.server = ServerProcess()
        self.addCleanup(self.server.remove)
        self.access_log = self.server.folder / "access.log"
        ini = self.server.ini.read_text()
        self.server.ini.write_text(
            ini.replace("[server:main]", f"librarian.access_log = {self.access_log}\n[server:main]")
        )
        # What only the collector of cycles would close stays open.
        self.server.start("import gc; gc.disable()")
        self.addCleanup(self.server.stop)

    def until(self, met: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not met() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertTrue(met())

    def spools(self) -> list[str]:
        """Files that the server has open although they are deleted."""
        found = []
        for entry in Path(f"/proc/{self.server.pid}/fd").iterdir():
            try:
                target = os.readlink(entry)  # noqa: PTH115  # the end of the text is what tells
            except FileNotFoundError:
                continue
            if target.endswith(" (deleted)"):
                found.append(target)
        return found

    def test_downloads(self) -> None:
        size = 24 << 20
        answer = self.server.request("PUT", self.server.urls["upload"] + "big.bin", body=bytes(size))
        url = answer.json()["url"]
        path = urlsplit(url).path
        asked = [
            f"GET {path}",
            f"GET {path}?x=y",
            f"GET {path}\nRange: bytes=5-",
            f"GET {path}\nRange: bytes=1-9,20-",
        ]
        for number in range(CLIENTS):
            line, _, field = asked[number % len(asked)].partition("\n")
            connection = connected(url)
            text = f"{line} HTTP/1.1\r\nHost: localhost\r\n{field}{field and chr(13) + chr(10)}\r\n"
            connection.sendall(text.encode())
            connection.recv(1000)
            vanish(connection, reset=number % 3 > 0)
        self.until(lambda: len(self.access_log.read_text().splitlines()) == CLIENTS + 1)
        self.assertEqual(self.server.request("GET", url, preload_content=True).status, 200)
        self.assertEqual(self.troubles(), [])
        sizes = [int(line.split('" ')[1].split()[1]) for line in self.access_log.read_text().splitlines()]
        self.assertEqual([found for found in sizes[1:-1] if found >= size], [])
        self.until(lambda: not self.open_bytes())

    def open_bytes(self) -> list[str]:
        """Stored files that the server has open."""
        found = []
        for entry in Path(f"/proc/{self.server.pid}/fd").iterdir():
            try:
                target = str(entry.readlink())
            except FileNotFoundError:
                continue
            if target.startswith(f"{self.server.byte_store}/"):
                found.append(target)
        return found

    def test_uploads(self) -> None:
        before = len(self.spools())
        for number in range(CLIENTS):
            connection = connected(self.server.urls["upload"])
            connection.sendall(b"PUT /f HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n")
            connection.sendall(bytes(2 << 20))
            vanish(connection, reset=number % 2 > 0)
        self.until(lambda: len(self.spools()) == before)
        self.assertEqual(self.troubles(), [])

    def test_uploads_behind_one_that_is_being_answered(self) -> None:
        before = len(self.spools())
        put = b"PUT /f HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n" + bytes(2_000_000)
        for number in range(8):
            with closing(connected(self.server.urls["upload"])) as connection:
                connection.sendall(put + put + put[:1_500_000])
                vanish(connection, reset=number % 2 > 0)
        self.until(lambda: len(self.spools()) == before)
        self.assertEqual(self.troubles(), [])

    def troubles(self) -> list[str]:
        text = self.server.log.read_text()
        return [line for line in text.splitlines() if line.startswith(("ERROR", "CRITICAL", "Traceback"))]
