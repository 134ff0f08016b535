"""Answers that go on without a thread of the application."""

import threading
import unittest
from typing import Any

from librarian.web.interfaces import LIVE_BODY
from tests.serving.support import Serving, read_all, request


class LiveBodies(unittest.TestCase):
    def setUp(self) -> None:
        self.sinks: list[Any] = []
        self.begun = threading.Semaphore(0)

    def app(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        if environ["PATH_INFO"] == "/plain":
            return [b"plain"]

        def begin(sink: Any) -> None:
            self.sinks.append(sink)
            sink.put(b"hello\n")
            self.begun.release()

        return environ[LIVE_BODY](begin)

    def open(self, serving: Serving, version: str = "1.1") -> Any:
        connection = serving.connect()
        self.addCleanup(connection.close)
        connection.sendall(request(version=version))
        self.assertTrue(self.begun.acquire(timeout=30))
        return connection

    def test_many_hold_no_thread(self) -> None:
        """With two threads, fifty answers go on, and others are answered meanwhile."""
        serving = Serving(self, self.app, threads=2)
        connections = [self.open(serving) for _ in range(50)]
        self.assertIn(b"plain", serving.exchange(request(target="/plain")))
        for sink in self.sinks:
            self.assertTrue(sink.put(b"word\n"))
            sink.end()
            sink.end()
        for connection in connections:
            answer = read_all(connection)
            self.assertIn(b"Transfer-Encoding: chunked", answer)
            self.assertTrue(answer.endswith(b"5\r\nword\n\r\n0\r\n\r\n"), answer)

    def test_http_1_0_ends_with_the_connection(self) -> None:
        connection = self.open(Serving(self, self.app), "1.0")
        self.sinks[0].end()
        self.assertTrue(read_all(connection).endswith(b"\r\n\r\nhello\n"))

    def test_a_client_that_leaves_is_noticed(self) -> None:
        connection = self.open(Serving(self, self.app))
        connection.close()
        waited = threading.Event()
        for _ in range(600):
            if not self.sinks[0].put(b"anyone?\n"):
                break
            waited.wait(0.05)
        self.assertFalse(self.sinks[0].put(b"no\n"))

    def test_the_end_of_the_server_does_not_wait_for_them(self) -> None:
        serving = Serving(self, self.app, grace_seconds=60)
        connection = self.open(serving)
        serving.server.stop_from_thread()
        self.assertIn(b"hello", read_all(connection))
