"""Answers that wait for something without a thread of the application."""

import socket
import struct
import threading
import unittest
from collections.abc import Callable
from typing import Any

from librarian.web.interfaces import CALLED_AGAIN, DEFERRED, HEAD_ALONE
from librarian.web.requests.received import RECEIVED
from tests.serving.support import Serving, read_all, request

PATIENCE_SECONDS = 30


def answer(environ: dict[str, Any], start_response: Any, text: bytes) -> Callable[[], Any]:
    def respond() -> list[bytes]:
        start_response("201 Created", [("Content-Type", "text/plain")])
        return [text]

    return respond


class Deferred(unittest.TestCase):
    def setUp(self) -> None:
        self.waiting: list[tuple[Any, Callable[[], Any]]] = []
        self.begun = threading.Semaphore(0)
        self.seen: list[dict[str, Any]] = []

    def app(self, environ: dict[str, Any], start_response: Any) -> Any:
        if HEAD_ALONE in environ:  # a large body is asked about first
            start_response("100 Continue", [])
            return []
        self.seen.append(dict(environ))
        if environ["REQUEST_METHOD"] == "GET":
            return answer(environ, start_response, b"plain")()
        if CALLED_AGAIN in environ:
            start_response("409 Conflict", [])
            return [str(environ[CALLED_AGAIN]).encode()]
        environ["HTTP_HOST"] = "changed"

        def begin(later: Any) -> None:
            body = environ["wsgi.input"].read()
            self.waiting.append((later, answer(environ, start_response, body)))
            self.begun.release()

        return environ[DEFERRED](begin)

    def serve(self, **options: Any) -> Serving:
        return Serving(self, self.app, judges_heads=True, **options)

    def put(self, serving: Serving, body: bytes = b"body", *fields: str) -> Any:
        connection = serving.connect()
        self.addCleanup(connection.close)
        connection.sendall(request("PUT", f"Content-Length: {len(body)}", *fields) + body)
        self.assertTrue(self.begun.acquire(timeout=PATIENCE_SECONDS))
        return connection

    def test_many_hold_no_thread(self) -> None:
        """With two threads fifty requests wait, and another is answered meanwhile."""
        serving = self.serve(threads=2)
        connections = [self.put(serving, b"%d" % number) for number in range(50)]
        self.assertIn(b"plain", serving.exchange(request()))
        for later, respond in self.waiting:
            later.answer(respond)
        for number, connection in enumerate(connections):
            found = read_all(connection)
            self.assertRegex(found, rb"^HTTP/1.1 201 Created\r\n")
            self.assertTrue(found.endswith(b"\r\n\r\n%d" % number), found)

    def test_the_connection_is_kept(self) -> None:
        connection = self.put(self.serve(), b"a", "Connection: keep-alive")
        self.waiting[0][0].answer(self.waiting[0][1])
        self.assertIn(b"201", connection.recv(1 << 16))
        connection.sendall(request())
        self.assertIn(b"plain", read_all(connection))

    def test_the_application_is_called_once_more(self) -> None:
        """For the same request, as it came; it cannot defer the answer again."""
        connection = self.put(self.serve())
        self.waiting[0][0].call_again(LookupError("no such folder"))
        found = read_all(connection)
        self.assertRegex(found, rb"^HTTP/1.1 409 Conflict\r\n")
        self.assertTrue(found.endswith(b"no such folder"), found)
        first, again = self.seen
        self.assertIn(DEFERRED, first)
        self.assertNotIn(DEFERRED, again)
        self.assertEqual(again["HTTP_HOST"], "localhost")

    def test_one_that_is_answered_before_begin_has_ended(self) -> None:
        def app(environ: dict[str, Any], start_response: Any) -> Any:
            respond = answer(environ, start_response, b"at once")
            return environ[DEFERRED](lambda later: later.answer(respond))

        found = Serving(self, app, judges_heads=True).exchange(request("PUT", "Content-Length: 1"), b"a")
        self.assertTrue(found.endswith(b"at once"), found)

    def test_faults(self) -> None:
        """Of `begin`, and of what gives the answer: 500, and the server goes on."""

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            def fail(*arguments: Any) -> Any:
                raise ValueError("secret")

            if environ["PATH_INFO"] == "/begin":
                return environ[DEFERRED](fail)
            return environ[DEFERRED](lambda later: later.answer(fail))

        serving = Serving(self, app, judges_heads=True)
        for target in ("/begin", "/answer"):
            with self.assertLogs("librarian.serving.wsgi.exchange", "ERROR"):
                found = serving.exchange(request("PUT", "Content-Length: 1", target=target), b"a")
            self.assertRegex(found, rb"^HTTP/1.1 500 ")
            self.assertNotIn(b"secret", found)

    def test_a_client_that_leaves(self) -> None:
        """Its answer is dropped; the body is discarded only then."""
        serving = self.serve()
        body = b"x" * (1 << 19)
        connection = self.put(serving, body)
        received = self.seen[0][RECEIVED]
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()  # by a reset, which is no half-close
        while serving.server.connections:
            threading.Event().wait(0.01)
        with received.open() as file:
            self.assertEqual(len(file.read()), len(body))
        self.waiting[0][0].answer(self.waiting[0][1])
        self.assertIn(b"plain", serving.exchange(request()))

    def test_the_end_of_the_server_waits_for_them(self) -> None:
        serving = self.serve(grace_seconds=60)
        connection = self.put(serving)
        serving.server.stop_from_thread()
        self.waiting[0][0].answer(self.waiting[0][1])
        self.assertTrue(read_all(connection).endswith(b"body"))

    def test_another_application_is_not_offered_it(self) -> None:
        """A library below another application's prefix is called through views that must have an answer."""
        Serving(self, self.app).exchange(request())
        self.assertNotIn(DEFERRED, self.seen[0])
