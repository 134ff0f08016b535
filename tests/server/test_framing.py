"""Expect: 100-continue, and refusals by the head, over raw sockets; attacks are in tests.attacks."""

import json
import unittest
from contextlib import closing

from tests.server.support import connected, exchange, read_to_end
from tests.support.layers import Server

ENDPOINTS = ("app", "public", "upload", "restricted", "restricted-upload", "tracker", "ops")
HOST = b"Host: localhost\r\n"
ANSWER_SECONDS = 5.0


class Expecting(unittest.TestCase):
    """``Expect: 100-continue``."""

    layer = Server

    def ask(self, endpoint: str, method: bytes, fields: bytes) -> bytes:
        request = method + b" /a.txt HTTP/1.1\r\n" + HOST + fields + b"Connection: close\r\n\r\n"
        with closing(connected(Server.server.urls[endpoint], ANSWER_SECONDS)) as connection:
            connection.sendall(request)
            return read_to_end(connection)

    def test_without_a_body_there_is_nothing_to_continue(self) -> None:
        for endpoint in ENDPOINTS:
            for method in (b"GET", b"PUT", b"POST"):
                for length in (b"", b"Content-Length: 0\r\n"):
                    with self.subTest(endpoint=endpoint, method=method, length=length):
                        answer = self.ask(endpoint, method, b"Expect: 100-continue\r\n" + length)
                        self.assertEqual(answer.count(b"HTTP/1.1"), 1, answer[:200])
                        self.assertIn(answer[9:10], b"24", answer[:200])

    def test_with_an_empty_chunked_body(self) -> None:
        fields = b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        for endpoint in ENDPOINTS:
            url = Server.server.urls[endpoint]
            answer = exchange(url, b"PUT /a.txt HTTP/1.1\r\n" + HOST + fields + b"0\r\n\r\n")
            final = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.assertRegex(final, rb"^HTTP/1.1 [24]", (endpoint, answer))

    def test_with_a_body(self) -> None:
        head = b"PUT /a.txt HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 3\r\n"
        with closing(connected(Server.server.urls["upload"], ANSWER_SECONDS)) as connection:
            connection.sendall(head + b"Connection: close\r\n\r\n")
            self.assertEqual(connection.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(b"abc")
            self.assertRegex(read_to_end(connection), rb"^HTTP/1.1 201 ")

    def test_pipelined_behind_another(self) -> None:
        first = b"PUT /a.txt HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc"
        second = b"PUT /b.txt HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 0\r\n"
        with closing(connected(Server.server.urls["upload"], ANSWER_SECONDS)) as connection:
            connection.sendall(first + second + b"Connection: close\r\n\r\n")
            answer = read_to_end(connection)
        self.assertEqual([part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]], [b"201", b"400"])

    def test_something_else(self) -> None:
        for endpoint in ENDPOINTS:
            answer = self.ask(endpoint, b"PUT", b"Expect: 200-ok\r\nContent-Length: 3\r\n")
            self.assertRegex(answer, rb"^HTTP/1.1 417 ", endpoint)


class RefusedByTheHead(unittest.TestCase):
    """What will not be taken is refused before it has come: a client that waits for 100 sends nothing of it
    (RFC 9110, 10.1.1), and of another's large body nothing is stored."""

    layer = Server

    def ask(self, endpoint: str, line: str, *fields: str) -> bytes:
        """The first answer to a head that announces a body."""
        return self.begin(endpoint, line, "Expect: 100-continue", *fields)

    def begin(self, endpoint: str, line: str, *fields: str, body: bytes = b"") -> bytes:
        """The first answer to a head and the begin of a body."""
        lines = [f"{line} HTTP/1.1", "Host: localhost", *fields]
        if not any(field.startswith(("Transfer-Encoding", "Content-Length")) for field in fields):
            lines.append("Content-Length: 5")
        with closing(connected(Server.server.urls[endpoint], ANSWER_SECONDS)) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
            return connection.recv(1 << 12)

    def test_refused(self) -> None:
        for endpoint, line, fields, status in self.refusals():
            with self.subTest(endpoint=endpoint, line=line, fields=fields):
                answer = self.ask(endpoint, line, *fields)
                self.assertRegex(answer, rb"^HTTP/1.1 %d " % status)
                self.assertIn(b"\r\nConnection: close\r\n", answer)

    def test_a_large_body_that_comes_unasked_is_refused_at_once(self) -> None:
        for endpoint, line, fields, status in self.refusals():
            with self.subTest(endpoint=endpoint, line=line, fields=fields):
                answer = self.begin(endpoint, line, *fields, "Content-Length: 9000000", body=bytes(1000))
                self.assertRegex(answer, rb"^HTTP/1.1 %d " % status)
                self.assertIn(b"\r\nConnection: close\r\n", answer)

    def test_a_large_body_is_not_stored_and_its_sender_reads_why(self) -> None:
        server, size = Server.server, 20 << 20
        before = {path for path in server.byte_store.rglob("*") if path.is_file()}
        for path, status in (("tree/a.txt", 401), ("nowhere/at/all", 404)):
            with closing(connected(server.urls["app"])) as connection:
                head = f"PUT /{path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
                connection.sendall(head.encode() + bytes(size))
                self.assertRegex(read_to_end(connection), rb"^HTTP/1.1 %d " % status)
        self.assertEqual({path for path in server.byte_store.rglob("*") if path.is_file()} - before, set())

    def refusals(self) -> tuple[tuple[str, str, tuple[str, ...], int], ...]:
        """Endpoint, first line, fields, and the status of the refusal."""
        mime, gzip, token = "Content-Type: nonsense", "Content-Encoding: gzip", "Authorization: Bearer wrong"
        dated = "PUT /files/a?last_modified=Thu,+01+Jan+1970+00:00:05+GMT"
        return (
            ("app", "PUT /nowhere/at/all", (), 404),
            ("app", "DELETE /files", (), 405),
            ("app", "PUT /tree/a.txt", (), 401),
            ("app", "PUT /tree/a.txt", (token,), 401),
            ("app", "POST /+upload", ("Origin: http://elsewhere.example",), 403),
            ("app", "BREW /tree/a.txt", (), 501),
            ("upload", "PUT /a/b.txt", (), 400),
            ("upload", "DELETE /a.txt", (), 405),
            ("upload", "PUT /a.txt", (token,), 401),
            ("upload", "PUT /a.txt", (mime,), 400),
            ("upload", "PUT /a.txt", (gzip,), 415),
            ("upload", "PUT /a.txt", ("Librarian-Expires: soon",), 400),
            ("upload", "PUT /a.txt", ("Repr-Digest: rubbish",), 400),
            ("public", "PUT /1/a.txt", (), 405),
            ("restricted-upload", "PUT /a/b.txt", (), 400),
            ("tracker", "PUT /nowhere", (), 400),
            ("tracker", "PUT /list/", (), 405),
            ("tracker", "PUT /files/a?last_modified=soon", (), 400),
            ("tracker", dated, ("Content-Encoding: br",), 415),
            ("tracker", dated, ("Logical-Size: 6",), 400),
            ("tracker", dated, (token,), 401),
            ("ops", "POST /health", (), 405),
        )

    def test_taken(self) -> None:
        chunked, digest = "Transfer-Encoding: chunked", "Repr-Digest: sha-256=:" + "A" * 43 + "=:"
        dated = "PUT /files/a?last_modified=Thu,+01+Jan+1970+00:00:05+GMT"
        for endpoint, line, fields in (
            ("upload", "PUT /a.txt", ()),
            ("upload", "PUT /a.txt", (chunked,)),
            ("upload", "PUT /a.txt", (digest,)),
            ("restricted-upload", "POST /a.txt", ()),
            ("tracker", dated, ()),
            ("tracker", dated, (chunked,)),
            ("tracker", dated, (chunked, "Logical-Size: 5")),
            ("app", "POST /+login", ()),
            # By what the form says it may be one of ours: the body has to be read.
            ("app", "POST /+login", ("Cookie: a=b", "Content-Type: application/x-www-form-urlencoded")),
        ):
            with self.subTest(endpoint=endpoint, line=line, fields=fields):
                self.assertEqual(self.ask(endpoint, line, *fields), b"HTTP/1.1 100 Continue\r\n\r\n")

    def test_a_question_is_not_a_request(self) -> None:
        """Nothing is logged or counted of it, and the request is answered as without it."""
        log = Server.server.log.read_text()
        with closing(connected(Server.server.urls["upload"], ANSWER_SECONDS)) as connection:
            head = b"PUT /a.txt HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
            for _request in range(2):  # on one connection
                connection.sendall(head)
                self.assertEqual(connection.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
                connection.sendall(b"hello")
                self.assertRegex(connection.recv(1 << 12), rb"^HTTP/1.1 201 ")
        self.assertNotIn("Traceback", Server.server.log.read_text()[len(log) :])


class PageOrJSON(unittest.TestCase):
    """What the server refuses by itself looks like what the application refuses."""

    layer = Server

    def test_a_browser_gets_a_page(self) -> None:
        fields = b"Accept: text/html,*/*;q=0.8\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
        for endpoint in ENDPOINTS:
            answer = exchange(Server.server.urls[endpoint], b"POST / HTTP/1.1\r\n" + HOST + fields)
            self.assertIn(b"Content-Type: text/html; charset=utf-8\r\n", answer)
            self.assertIn(b"<h1>Bad Request</h1>\n  <p>Invalid chunk size</p>", answer)

    def test_an_answer_to_head_has_no_body(self) -> None:
        for request in (
            b"HEAD /\x00 HTTP/1.1\r\n" + HOST,
            b"HEAD / HTTP/1.1\r\n",
            b"HEAD / HTTP/1.1\r\nHost: [\r\n",
        ):
            for endpoint in ENDPOINTS:
                answer = exchange(Server.server.urls[endpoint], request + b"\r\n")
                self.assertRegex(answer, rb"(?s)^HTTP/1.1 400 .*\r\nContent-Length: \d+\r\n.*\r\n\r\n$")

    def test_a_head_that_is_too_long(self) -> None:
        request = b"GET / HTTP/1.1\r\n" + HOST + b"a: " + b"b" * 300_000 + b"\r\n\r\n"
        answer = exchange(Server.server.urls["public"], request)
        self.assertRegex(answer, rb"^HTTP/1\.[01] 431 ")
        self.assertEqual(json.loads(answer.partition(b"\r\n\r\n")[2])["status"], 431)
