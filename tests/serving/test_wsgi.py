"""What a WSGI application may do (PEP 3333), and what a server owes its client all the same."""

import io
import os
import socket
import threading
import time
import unittest
from asyncio.selector_events import _SelectorSocketTransport  # type: ignore[attr-defined]
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from errno import ENOTCONN
from typing import Any
from unittest import mock
from wsgiref.validate import validator

from librarian.store.memory import MemoryStore
from tests.serving.support import Serving, read_all, request


def answering(body: Any, *headers: tuple[str, str], status: str = "200 OK") -> Callable[..., Any]:
    """An application with one answer."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, list(headers))
        return body() if callable(body) else body

    return app


class Answers(unittest.TestCase):
    def ask(self, app: Any, *fields: str, method: str = "GET", version: str = "1.1") -> tuple[bytes, bytes]:
        """The head and the body of an answer."""
        answer = Serving(self, app).exchange(request(method, *fields, version=version))
        head, _end, body = answer.partition(b"\r\n\r\n")
        return head, body

    def test_a_list_is_sent_with_its_length(self) -> None:
        head, body = self.ask(answering([b"ab", b"", b"c"], ("X-A", "b")))
        self.assertRegex(
            head, rb"^HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 3\r\nConnection: close\r\nDate: "
        )
        self.assertEqual(body, b"abc")

    def test_a_generator_is_chunked_for_http_1_1_and_ends_with_the_connection_for_1_0(self) -> None:
        app = answering(lambda: iter([b"ab", b"", b"c"]))
        head, body = self.ask(app)
        self.assertIn(b"Transfer-Encoding: chunked", head)
        self.assertEqual(body, b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
        head, body = self.ask(app, "Connection: keep-alive", version="1.0")
        self.assertNotIn(b"Transfer-Encoding", head)
        self.assertIn(b"Connection: close", head)
        self.assertEqual(body, b"abc")

    def test_a_generator_with_a_length_is_sent_as_it_is(self) -> None:
        head, body = self.ask(answering(lambda: iter([b"ab", b"c"]), ("Content-Length", "3")))
        self.assertEqual(head.count(b"Content-Length: 3"), 1)
        self.assertEqual(body, b"abc")

    def test_write_as_of_old(self) -> None:
        def app(environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", [("Content-Length", "4")])(b"ab")
            return [b"cd"]

        self.assertEqual(self.ask(app)[1], b"abcd")

    def test_head_and_statuses_without_a_body(self) -> None:
        for status, length in (("204 No Content", None), ("304 Not Modified", b"9")):
            headers = [("Content-Length", "9")]
            for body in ([b"no"], lambda: iter([b"no"])):
                head, sent = self.ask(answering(body, *headers, status=status))
                self.assertEqual(sent, b"", status)
                self.assertEqual(b"Content-Length: 9" in head, length is not None, status)
        for body in ([b"abc"], lambda: iter([b"abc"])):
            head, sent = self.ask(answering(body, ("Content-Length", "3")), method="HEAD")
            self.assertIn(b"Content-Length: 3", head)
            self.assertEqual(sent, b"")

    def test_more_than_the_length_is_cut_and_less_ends_the_connection(self) -> None:
        for body in ([b"abcdef"], lambda: iter([b"abc", b"def"])):
            self.assertEqual(self.ask(answering(body, ("Content-Length", "4")))[1], b"abcd")
        for body in ([b"ab"], lambda: iter([b"ab"])):
            answer = self.ask(answering(body, ("Content-Length", "4")), "Connection: keep-alive")
            self.assertLess(len(answer[1]), 4)

    def test_faults_before_and_behind_the_beginning(self) -> None:
        def fails(environ: Any, start_response: Any) -> Iterable[bytes]:
            raise ValueError("secret")

        def breaks() -> Iterator[bytes]:
            yield b"ab"
            raise ValueError("secret")

        def unfit(environ: Any, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", [("X-A", "b\r\nX-C: d")])
            return []

        def says_nothing(environ: Any, start_response: Any) -> Iterable[bytes]:
            return []

        for app in (fails, unfit, says_nothing):
            with self.assertLogs("librarian.serving.wsgi.exchange", "ERROR"):
                head, body = self.ask(app)
            self.assertRegex(head, rb"^HTTP/1.1 500 ")
            self.assertNotIn(b"secret", body)
        with self.assertLogs("librarian.serving.wsgi.exchange", "ERROR"):
            _head, body = self.ask(answering(breaks))
        self.assertNotIn(b"0\r\n\r\n", body)

    def test_exc_info_replaces_an_answer_that_has_not_begun(self) -> None:
        def app(environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", [])
            try:
                raise ValueError
            except ValueError as error:
                start_response("503 Away", [], (type(error), error, error.__traceback__))
            return [b"away"]

        head, body = self.ask(app)
        self.assertRegex(head, rb"^HTTP/1.1 503 Away\r\n")
        self.assertEqual(body, b"away")

    def test_the_validator_finds_nothing(self) -> None:
        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [body]

        serving = Serving(self, validator(app))
        answer = serving.exchange(request("POST", "Content-Length: 3", target="/a%20b?c=d") + b"abc")
        self.assertIn(b"\r\n3\r\nabc\r\n", answer)

    def test_everything_is_closed(self) -> None:
        closed = threading.Event()

        class Body:
            def __iter__(self) -> Iterator[bytes]:
                yield b"a"

            def close(self) -> None:
                closed.set()

        self.ask(answering(Body))
        self.assertTrue(closed.wait(10))


class Files(unittest.TestCase):
    def serve(self, file: Any, *headers: tuple[str, str]) -> Serving:
        def app(environ: dict[str, Any], start_response: Any) -> Any:
            start_response("200 OK", list(headers))
            return environ["wsgi.file_wrapper"](file)

        return Serving(self, app)

    def test_a_file_of_the_disk_and_one_that_is_none(self) -> None:
        data = os.urandom(1 << 20)
        for file in (os.fdopen(os.memfd_create("a"), "w+b"), io.BytesIO()):
            file.write(data)
            file.seek(5)
            answer = self.serve(file, ("Content-Length", "1000000")).exchange(request())
            self.assertEqual(answer.partition(b"\r\n\r\n")[2], data[5:1_000_005])
            self.assertTrue(file.closed)

    def test_one_that_is_too_short_for_its_length(self) -> None:
        file = os.fdopen(os.memfd_create("a"), "w+b")
        with self.assertLogs("librarian.serving.wsgi.exchange", "ERROR"):
            answer = self.serve(file, ("Content-Length", "10")).exchange(request())
        self.assertRegex(answer, rb"^HTTP/1.1 500 ")


class Unforeseen(unittest.TestCase):
    """Errors where none are expected end the connection, which would wait for ever otherwise."""

    def test_in_receiving(self) -> None:
        serving = Serving(self, answering([b""]))
        with (
            mock.patch.object(MemoryStore, "receive", side_effect=ValueError("secret")),
            self.assertLogs("librarian.serving.http.bodies", "ERROR"),
        ):
            answer = serving.exchange(request("PUT", f"Content-Length: {1 << 19}") + bytes(1 << 19))
        self.assertRegex(answer, rb"^HTTP/1.1 500 ")
        self.assertNotIn(b"secret", answer)

    def test_in_sending(self) -> None:
        class Sly(io.FileIO):
            tells = 0

            def tell(self) -> int:
                self.tells += 1
                if self.tells > 1:
                    raise ValueError("no more")
                return 0

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            start_response("200 OK", [])
            return environ["wsgi.file_wrapper"](Sly(os.memfd_create("a")))

        serving = Serving(self, app)
        with self.assertLogs("librarian.serving.http.connection", "ERROR"), suppress(ConnectionResetError):
            self.assertEqual(serving.exchange(request("GET", "Connection: keep-alive")), b"")


class Clients(unittest.TestCase):
    def test_a_slow_one_holds_no_thread(self) -> None:
        size = 24 << 20

        def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", [])
            if environ["PATH_INFO"] == "/large":
                return (bytes(1 << 20) for _turn in range(size >> 20))
            return [b"quick"]

        serving = Serving(self, app, threads=1)
        with serving.connect() as slow:
            slow.sendall(request(target="/large", version="1.0"))
            slow.recv(1)
            self.assertTrue(serving.exchange(request()).endswith(b"quick"))
            body = read_all(slow).partition(b"\r\n\r\n")[2]
        self.assertEqual(len(body), size)

    def test_one_that_is_gone_behind_its_answer_is_no_error(self) -> None:
        serving = Serving(self, answering([b"abc"]))
        gone = OSError(ENOTCONN, "Transport endpoint is not connected")
        with (
            mock.patch.object(_SelectorSocketTransport, "write_eof", side_effect=gone) as ended,
            self.assertNoLogs("librarian.serving", "ERROR"),
        ):
            self.assertTrue(serving.exchange(request()).endswith(b"abc"))
        ended.assert_called_once()

    def test_what_several_send_by_turns_is_not_mixed(self) -> None:
        def echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response("200 OK", [])
            return [environ["PATH_INFO"].encode(), environ["wsgi.input"].read()]

        serving, bodies = Serving(self, echo), [b"%d" % number * 200_000 for number in range(4)]
        with ExitStack() as stack:
            clients = [stack.enter_context(serving.connect()) for _body in bodies]
            sent = [
                request("POST", f"Content-Length: {len(body)}", target=f"/{n}") + body
                for n, body in enumerate(bodies)
            ]
            for begin, end in ((0, 3), (3, 30), (30, 90), (90, 70_000), (70_000, None)):
                for client, data in zip(clients, sent, strict=True):
                    client.sendall(data[begin:end])
            for number, (client, body) in enumerate(zip(clients, bodies, strict=True)):
                self.assertEqual(read_all(client).partition(b"\r\n\r\n")[2], b"/%d" % number + body)

    def test_one_that_sends_nothing_more_is_answered(self) -> None:
        serving = Serving(self, answering([b"abc"]))
        answer = serving.exchange(request("GET", "Connection: keep-alive") * 9, end=True)
        self.assertEqual(answer.count(b"\r\n\r\nabc"), 9)
        self.assertEqual(serving.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n", end=True), b"")

    def test_one_that_stands_still_is_let_go(self) -> None:
        serving = Serving(
            self, answering(lambda: (bytes(1 << 20) for _turn in range(64))), timeout_seconds=0.5
        )
        for sent in (b"", b"GET", request("PUT", "Content-Length: 9") + b"a"):
            with self.subTest(sent):
                begun = time.monotonic()
                serving.exchange(sent)
                self.assertLess(time.monotonic() - begun, 20)
        with serving.connect() as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
            reader.sendall(request())
            deadline = time.monotonic() + 20
            while serving.server.connections:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)

    def test_one_whose_head_drips_is_let_go_with_408(self) -> None:
        """However steadily it does so: each byte is progress, the whole takes too long."""
        serving = Serving(self, answering([b"abc"]), head_seconds=0.2)
        for sent in (b"GET / HTTP/1.1\r\n", b"\r\n"):
            with self.subTest(sent), serving.connect() as dripping:
                dripping.sendall(request("GET", "Connection: keep-alive"))
                self.assertTrue(dripping.recv(1 << 16).endswith(b"abc"))
                dripping.sendall(sent)
                dripping.settimeout(0.05)
                answer = b""
                deadline = time.monotonic() + 20
                while not answer:
                    self.assertLess(time.monotonic(), deadline)
                    with suppress(TimeoutError):
                        answer = dripping.recv(1 << 16)
                    dripping.sendall(b"\r\n" if sent == b"\r\n" else b"X: y\r\n")
                self.assertTrue(answer.startswith(b"HTTP/1.1 408 "), answer)
                self.assertIn(b"Connection: close", answer)

    def test_a_refused_one_can_read_why_though_it_goes_on_sending(self) -> None:
        serving = Serving(self, answering([b""]))
        with serving.connect() as sender:
            sender.sendall(request("PUT", "Content-Length: 3", "Content-Length: 4"))
            for _turn in range(64):
                sender.sendall(bytes(1 << 16))
            answer = sender.recv(1 << 16)
            self.assertRegex(answer, rb"^HTTP/1.1 400 ")
            sender.shutdown(socket.SHUT_WR)
            self.assertEqual(sender.recv(1 << 16), b"")

    def test_one_that_sends_more_behind_its_last_request_loses_nothing_of_the_answer(self) -> None:
        size = 4 << 20
        serving = Serving(self, answering([bytes(size)]))
        for _turn in range(20):
            with serving.connect() as sender:
                sender.sendall(request())
                time.sleep(0.02)  # until all of the answer is in the sockets' buffers
                sender.sendall(request())
                self.assertGreater(len(read_all(sender)), size)

    def test_a_body_behind_upgrade_is_a_body(self) -> None:
        paths: list[str] = []

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            paths.append(environ["PATH_INFO"])
            start_response("200 OK", [])
            return [environ["wsgi.input"].read()]

        inner = request(target="/inner")
        head = request(
            "POST", "Connection: Upgrade", "Upgrade: h2c", f"Content-Length: {len(inner)}", target="/a"
        )
        answer = Serving(self, app).exchange(head, inner + request(target="/b"))
        self.assertEqual(paths, ["/a", "/b"])
        self.assertEqual(answer.count(b"HTTP/1.1 200"), 2)

    def test_ten_thousand_requests_at_once(self) -> None:
        serving = Serving(self, answering([b"abc"]))
        answer = serving.exchange(request("GET", "Connection: keep-alive") * 10_000 + request())
        self.assertEqual(answer.count(b"\r\n\r\nabc"), 10_001)
