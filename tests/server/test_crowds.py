"""More connections than are allowed: idle ones give way, busy ones do not."""

import os
import unittest
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

from tests.server.support import connected, read_to_end
from tests.support.servers.librarian import ServerProcess

LIMIT = 60


class Crowded(unittest.TestCase):
    def setUp(self) -> None:
        self.server = ServerProcess()
        self.addCleanup(self.server.remove)
        ini = self.server.ini.read_text()
        self.server.ini.write_text(ini.replace("#endpoints", f"#endpoints\nconnection_limit = {LIMIT}"))
        self.server.start()
        self.addCleanup(self.server.stop)

    def test_idle_connections_do_not_block_others(self) -> None:
        with ExitStack() as idle:
            for _ in range(3 * LIMIT):
                idle.enter_context(closing(connected(self.server.urls["public"])))
            answer = self.server.request("GET", self.server.urls["public"] + "robots.txt", timeout=10)
            self.assertEqual(answer.status, 200)

    def test_a_transfer_is_not_cut_off_for_others(self) -> None:
        data = os.urandom(1 << 20) * 24
        url = self.server.request("PUT", self.server.urls["upload"] + "big.bin", body=data).json()["url"]
        with ExitStack() as idle, closing(connected(url)) as slow:
            slow.sendall(f"GET {urlsplit(url).path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            begun = slow.recv(1000)
            for _ in range(3 * LIMIT):
                idle.enter_context(closing(connected(self.server.urls["public"])))
            body = (begun + read_to_end(slow)).partition(b"\r\n\r\n")[2]
        self.assertEqual(body, data)


class Small(unittest.TestCase):
    """A limit below the number of listeners and what belongs to them."""

    def test_the_limit_counts_connections(self) -> None:
        server = ServerProcess()
        self.addCleanup(server.remove)
        ini = server.ini.read_text()
        server.ini.write_text(ini.replace("#endpoints", "#endpoints\nconnection_limit = 4"))
        server.start()
        self.addCleanup(server.stop)
        with ExitStack() as idle:
            for _ in range(8):
                idle.enter_context(closing(connected(server.urls["public"])))
            answer = server.request("GET", server.urls["public"] + "robots.txt", timeout=10)
        self.assertEqual(answer.status, 200)
