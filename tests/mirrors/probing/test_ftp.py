"""Mirrors behind FTP: how many connections they see, over which addresses, and servers that drag on."""

import asyncio
import socket
import tempfile
import threading
import time
import unittest
from collections import Counter
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import DTPHandler, FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import ThreadedFTPServer

from librarian.mirrors.probing.interfaces import (
    BadResponseCode,
    BodyTooLarge,
    ConnectionFailed,
    ProbeFailed,
    ProberSettings,
    ProberTimeout,
)
from librarian.mirrors.probing.transport.fetcher import Fetcher

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
BODY = b"deb" * 10
CLOSED_BY_PEER = (6, 7, 8, 9, 11)  # TIME_WAIT, CLOSE, CLOSE_WAIT, LAST_ACK, CLOSING in <netinet/tcp.h>


class FtpMirror:
    """An FTP server with one file, ``pool/a.deb``, that counts the connections it has at once."""

    def __init__(self, host: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        pool = Path(self._folder.name, "pool")
        pool.mkdir()
        (pool / "a.deb").write_bytes(BODY)
        self._open: dict[Any, tuple[str, socket.socket]] = {}
        self.peak: Counter[str] = Counter()
        authorizer = DummyAuthorizer()
        authorizer.add_anonymous(self._folder.name)
        data = type("Data", (_counting(self, "data"), DTPHandler), {})
        control = {"authorizer": authorizer, "dtp_handler": data}
        handler = type("Control", (_counting(self, "control"), FTPHandler), control)
        # A loop of its own: the one that all servers share is no good for several threads.
        self._server = ThreadedFTPServer((host, 0), handler, ioloop=IOLoop())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        where = f"[{host}]" if ":" in host else host
        self.url = f"ftp://{where}:{self._server.address[1]}/pool/a.deb"

    def opened(self, handler: Any, kind: str, connection: socket.socket) -> None:
        self._open[handler] = (kind, connection)
        now = Counter(kind for kind, each in list(self._open.values()) if not _closed_by_peer(each))
        now["both"] = now.total()
        self.peak |= now

    def closed(self, handler: Any) -> None:
        self._open.pop(handler, None)

    def close(self) -> None:
        self._server.close_all()
        self._thread.join(5)
        self._folder.cleanup()


def _closed_by_peer(connection: socket.socket) -> bool:
    """Also where the server, which is slower, does not know it yet."""
    try:
        return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in CLOSED_BY_PEER
    except OSError:
        return True


def _counting(mirror: FtpMirror, kind: str) -> type[Any]:
    class Counting:
        def __init__(self, connection: socket.socket, *arguments: Any, **more: Any) -> None:
            super().__init__(connection, *arguments, **more)  # type: ignore[call-arg]  # as below
            mirror.opened(self, kind, connection)

        def close(self) -> None:
            mirror.closed(self)
            super().close()  # type: ignore[misc]  # of whichever handler it is mixed into

    return Counting


class Dragging:
    """Takes connections and says nothing but one byte now and then."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self.url = f"ftp://127.0.0.1:{self._listening.getsockname()[1]}/pool/a.deb"
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._drag, args=(connection,)))
            self._threads[-1].start()

    def _drag(self, connection: socket.socket) -> None:
        with connection:
            while not self._over.wait(0.02):
                try:
                    connection.sendall(b"2")
                except OSError:
                    return

    def close(self) -> None:
        self._over.set()
        self._listening.shutdown(socket.SHUT_RDWR)  # close() alone leaves a thread in accept()
        for thread in self._threads:  # the first adds no more once it has ended
            thread.join()
        self._listening.close()


class Ftp(unittest.TestCase):
    def mirror(self, host: str = "127.0.0.1") -> FtpMirror:
        made = FtpMirror(host)
        self.addCleanup(made.close)
        return made

    def ask(self, *questions: tuple[str, str], **changes: Any) -> list[Any]:
        """The answers to (method, url), asked at once; errors as values."""
        prober = ProberSettings(**{"allowed_networks": LOOPBACK, "timeout_seconds": 10, **changes})

        async def one(fetcher: Fetcher, method: str, url: str) -> Any:
            try:
                return await getattr(fetcher, method)(url)
            except ProbeFailed as error:
                return error

        async def run() -> list[Any]:
            async with Fetcher(prober) as fetcher:
                return await asyncio.gather(*(one(fetcher, *question) for question in questions))

        return asyncio.run(run())

    def test_two_connections_a_host_data_included(self) -> None:
        mirror = self.mirror()
        answers = self.ask(*[("get", mirror.url)] * 6, *[("head", mirror.url)] * 6)
        self.assertEqual([answer.size for answer in answers], [len(BODY)] * 12)
        self.assertEqual(answers[0].body, BODY)
        self.assertLessEqual(mirror.peak["both"], 2)

    def test_few_connections_are_enough(self) -> None:
        mirrors = [self.mirror(f"127.0.1.{number}") for number in range(1, 4)]
        questions = [("get", mirror.url) for mirror in mirrors] * 2
        for limits in ({"parallel": 1}, {"parallel": 2}, {"parallel": 3}, {"parallel_per_host": 1}):
            self.assertEqual([answer.body for answer in self.ask(*questions, **limits)], [BODY] * 6, limits)

    def test_ipv6(self) -> None:
        mirror = self.mirror("::1")
        [answer] = self.ask(("get", mirror.url))
        self.assertEqual((answer.body, answer.address), (BODY, "::1"))

    def test_absent_and_too_long(self) -> None:
        url = self.mirror().url
        absent, long = self.ask(("head", url + "x"), ("get", url), max_body_bytes=10)
        self.assertIsInstance(absent, BadResponseCode)
        self.assertEqual(absent.status, 550)
        self.assertIsInstance(long, BodyTooLarge)

    def test_a_server_that_drags_on_holds_no_thread(self) -> None:
        dragging, mirror = Dragging(), self.mirror("127.0.0.2")
        self.addCleanup(dragging.close)
        started = time.monotonic()
        slow, swift = self.ask(("head", dragging.url), ("head", mirror.url), timeout_seconds=1)
        self.assertIsInstance(slow, ProberTimeout)
        self.assertEqual(swift.size, len(BODY))
        while any("prober ftp" in thread.name for thread in threading.enumerate()):
            self.assertLess(time.monotonic() - started, 10)
            time.sleep(0.01)

    def test_no_server_there(self) -> None:
        self.assertIsInstance(self.ask(("head", "ftp://127.0.0.1:9/x"))[0], ConnectionFailed)


if __name__ == "__main__":
    unittest.main()
