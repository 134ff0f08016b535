"""A process that may open few files: it lets fewer in, waits where there are none, and says so once."""

import resource
import time
import unittest
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

from tests.server.support import connected, read_to_end
from tests.support.processes import descriptors
from tests.support.servers.librarian import ServerProcess

FEW = 200  # descriptors
CROWD = 250  # connections


class Few(unittest.TestCase):
    def setUp(self) -> None:
        self.server = ServerProcess()
        self.addCleanup(self.server.remove)
        self.addCleanup(self.server.stop)

    def start(self, limit: int = 0) -> None:
        self.server.start(f"import resource; resource.setrlimit(7, ({limit}, {limit}))" if limit else "")
        data = bytes(8 << 20)
        self.big = self.server.request("PUT", self.server.urls["upload"] + "big.bin", body=data).json()["url"]

    def crowd(self, opened: ExitStack) -> None:
        """Clients that each ask for a large file and read nothing of it."""
        asked = f"GET {urlsplit(self.big).path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        for _ in range(CROWD):
            connection = opened.enter_context(closing(connected(self.big)))
            with suppress(OSError):  # it is one too many, and idle as long as it has not asked
                connection.sendall(asked)

    def descriptors(self) -> int:
        return descriptors(self.server.pid)

    def settle(self) -> None:
        """Wait until it has let in all it would."""
        before = -1
        while before != (now := self.descriptors()):
            before = now
            time.sleep(0.3)

    def again(self) -> None:
        """It serves as if nothing had been."""
        deadline = time.monotonic() + 30
        while True:
            try:
                answer = self.server.request("GET", self.big, timeout=5, preload_content=True)
            except urllib3.exceptions.HTTPError:
                answer = None
            if answer is not None and answer.status == 200:
                break
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual(len(answer.data), 8 << 20)

    def quiet(self) -> None:
        text = self.server.log.read_text()
        self.assertNotIn("Traceback", text)
        self.assertLess(len(text.splitlines()), 60, text[-3000:])

    def test_the_limit_of_connections_follows_from_what_was_obtained(self) -> None:
        self.start(FEW)
        with ExitStack() as opened:
            self.crowd(opened)
            self.settle()
            self.assertLess(self.descriptors(), FEW - 20)
        self.again()
        self.quiet()

    def test_accepting_pauses_where_there_are_none_left(self) -> None:
        self.start()
        # From outside, so that the server's own reckoning is of no use.
        resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, (self.descriptors() + 20,) * 2)
        before = self.processor_seconds()
        with ExitStack() as opened:
            self.crowd(opened)
            time.sleep(2)  # in which it would do nothing else
            self.assertLess(self.processor_seconds() - before, 1.5)
        self.again()
        text = self.server.log.read_text()
        self.assertEqual(text.count("no descriptors left"), 1)
        self.quiet()

    def processor_seconds(self) -> float:
        fields = Path(f"/proc/{self.server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def test_what_cannot_be_opened_is_503_and_told_once(self) -> None:
        self.start()
        small = self.server.request("PUT", self.server.urls["upload"] + "small", body=b"small").json()["url"]
        with ExitStack() as opened:
            sockets = [
                opened.enter_context(closing(connected(self.server.urls["public"]))) for _ in range(30)
            ]
            path = urlsplit(small).path
            self.assertEqual(self.server.request("GET", small).status, 200)
            before = resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE)
            limits = (self.descriptors(), before[1])
            resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, limits)
            answers = list[bytes]()
            for connection in sockets:
                connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
                if len(answers) < 4:
                    answers.append(connection.recv(12))
            for connection in sockets[4:]:
                read_to_end(connection)
        self.assertLessEqual(set(answers), {b"HTTP/1.0 503", b"HTTP/1.0 200"})
        resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, before)
        self.again()
        self.quiet()
