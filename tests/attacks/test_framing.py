"""Where a request ends, and whom it is for: every endpoint refuses what two readers could read differently.

Spoken over raw sockets, whatever the server is made of.
"""

import json
import re
import unittest
from contextlib import closing
from itertools import product

from tests.server.support import connected, read_to_end
from tests.support.layers import Server

ENDPOINTS = ("app", "public", "upload", "restricted", "restricted-upload", "tracker", "ops")
HOST = b"Host: localhost\r\n"
FOLLOWING = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"  # as if smuggled
ANSWER_SECONDS = 5.0


class Framing(unittest.TestCase):
    layer = Server

    def ask(self, endpoint: str, request: bytes) -> bytes:
        """All that comes until the server closes; the client keeps its side open, and waits no longer than
        an answer may take."""
        with closing(connected(Server.server.urls[endpoint], ANSWER_SECONDS)) as connection:
            connection.sendall(request)
            return read_to_end(connection)

    def refused(self, request: bytes, status: bytes = b"400") -> None:
        """One answer, in our words, and the end: what follows is not read as a request."""
        for endpoint in ENDPOINTS:
            with self.subTest(endpoint=endpoint, request=request[:120]):
                answer = self.ask(endpoint, request + FOLLOWING)
                self.assertEqual(len(re.findall(rb"HTTP/1\.\d \d{3} ", answer)), 1, answer[:500])
                self.assertEqual(answer[9:12], status, answer[:300])
                head, _, body = answer.partition(b"\r\n\r\n")
                self.assertIn(b"\r\nConnection: close", head)
                self.assertEqual(json.loads(body)["status"], int(status))

    def test_a_length_and_a_coding(self) -> None:
        for fields in (
            b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            b"Transfer-Encoding: chunked\r\nContent-Length: 13\r\n",
            b"Content-Length: 0\r\nTransfer-Encoding:\tchunked\r\n",
        ):
            self.refused(b"PUT /smuggled HTTP/1.1\r\n" + HOST + fields + b"\r\n3\r\nabc\r\n0\r\n\r\n")

    def test_nothing_is_stored_of_them(self) -> None:
        server = Server.server
        before = sum(path.is_file() for path in server.byte_store.rglob("*"))
        self.test_a_length_and_a_coding()
        self.assertEqual(sum(path.is_file() for path in server.byte_store.rglob("*")), before)

    def test_codings(self) -> None:
        chunked = b"Transfer-Encoding: chunked\r\n"
        self.refused(b"PUT /a HTTP/1.1\r\n" + HOST + chunked + chunked + b"\r\n0\r\n\r\n")
        self.refused(b"PUT /a HTTP/1.0\r\n" + HOST + chunked + b"\r\n0\r\n\r\n")
        self.refused(b"PUT /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", b"501")

    def test_sizes_of_chunks(self) -> None:
        chunks = b"PUT /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
        for size in (b"100000000000000000", b"f" * 17, b"-3", b"0x3", b"zz", b"3 ", b"3;" + b"a" * 5000):
            self.refused(chunks + size + b"\r\nabc\r\n")
        self.refused(chunks + b"3\r\nabcd\r\n0\r\n\r\n")
        self.refused(chunks + b"3;" + b"a" * 300_000)  # and no end of the line
        self.refused(chunks + b"3;" + b"a" * 5_000 + b"\r\nabc\r\n0\r\n\r\n")
        for empty in (b"\r\n3\r\nabc\r\n0\r\n\r\n", b"3\r\nabc\r\n\r\n0\r\n\r\n", b"\r\nabc"):
            self.refused(chunks + empty)
        self.refused(chunks + b"0\r\na: " + b"b" * 100_000)  # and no end of the trailer

    def test_lengths(self) -> None:
        for length in (
            b"1" * 4300,
            b"1" * 4301,
            b"1" * 40,
            b"3, 3",
            b"+3",
            b"0x3",
            b"3\r\nContent-Length: 3",
        ):
            self.refused(b"PUT /a HTTP/1.1\r\n" + HOST + b"Content-Length: " + length + b"\r\n\r\nabc")

    def test_hosts(self) -> None:
        self.refused(b"GET / HTTP/1.1\r\n\r\n")
        self.refused(b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n")
        self.refused(b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n")
        self.refused(b"GET / HTTP/1.1\r\nHost: \r\n\r\n")

    def test_targets(self) -> None:
        for target in (
            b"http://[/",
            b"http://[::1",
            b"http://a]/",
            b"http://u:p@a/",
            b"ftp://a/",
            b"a",
            b"*",
        ):
            self.refused(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        self.refused(b"CONNECT a:1 HTTP/1.1\r\n" + HOST + b"\r\n", b"501")

    def test_versions(self) -> None:
        self.refused(b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", b"505")
        self.refused(b"GET /\r\n\r\n")

    def test_http_1_0_needs_no_host(self) -> None:
        for endpoint in ENDPOINTS:
            answer = self.ask(endpoint, b"GET /robots.txt HTTP/1.0\r\n\r\n")
            self.assertIn(answer[9:10], b"24", answer[:200])
            self.assertNotIn(b"takes one Host", answer)

    def test_good_requests_before_a_bad_one_are_answered(self) -> None:
        good = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
        answer = self.ask("ops", good + good + b"GET /\x00 HTTP/1.1\r\n\r\n" + good)
        self.assertEqual([part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]], [b"200", b"200", b"400"])


#: Lines that two readers could read differently, of the length and of the coding, by themselves and together.
LENGTH, CHUNKED = b"Content-Length: %d", b"Transfer-Encoding: chunked"
AMBIGUOUS: tuple[bytes, ...] = (
    LENGTH + b"\r\n" + CHUNKED,
    CHUNKED + b"\r\n" + LENGTH,
    LENGTH + b"\r\nContent-Length: 0",
    b"Content-Length: 0\r\n" + LENGTH,
    b"Content-Length: %d, 0",
    b"Content-Length: 0, %d",
    b"Content-Length: %d,",
    b"Content-Length: ,%d",
    b"Content-Length: -%d",
    b"Content-Length: +%d",
    b"Content-Length: 0x%x",
    b"Content-Length: %d.0",
    b"Content-Length: 1e2",
    b"Content-Length: %d a",
    b"Content-Length: %d;a=b",
    b'Content-Length: "%d"',
    b'Transfer-Encoding: "chunked"',
    b"Content-Length: \xb2%d",
    b"Content-Length: %d\x00",
    b"Content-Length : %d",
    b"Content-Length\t: %d",
    b"Content-Length\x0b: %d",
    b"Content-Length\x00: %d",
    b" Content-Length: %d",
    b"\tContent-Length: %d",
    b"A: b\r\n Content-Length: %d",
    b"Content-Length: \r\n %d",
    b"A: b\rContent-Length: %d",
    b"Content-Length %d",
    b"Content-Length",
    b": %d",
    b"Content-Length: 1 %d",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked",
    b" Transfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\x00",
    b"Transfer-Encoding: \x00chunked",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunkedx",
    b"Transfer-Encoding: chunked;a=b",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: chunked, chunked",
    CHUNKED + b"\r\n" + CHUNKED,
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: x\r\n" + CHUNKED,
    CHUNKED + b"\r\nTransfer-Encoding: x",
    b"Transfer-Encoding: chunked,x",
    b"A: b\r\n Transfer-Encoding: chunked",
    b"Transfer-Encoding:\r\n chunked",
    b"Transfer-Encoding: chun\r\n ked",
    LENGTH + b"\r\nTransfer-Encoding: x",
    LENGTH + b"\r\nTransfer-Encoding: identity",
    LENGTH + b"\r\nA : b",
    b"Transfer\x00-Encoding: chunked",
    b"A: b\rTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r",
)
#: Fields that are none of framing, whatever they resemble: the length holds.
OTHERS: tuple[bytes, ...] = (
    *(b"Transfer_Encoding: chunked", b"X-Transfer-Encoding: chunked", b"TransferEncoding: chunked"),
    *(b"TE: chunked", b"Trailer: Transfer-Encoding", b"Content_Length: 0", b"X-Content-Length: 0"),
    *(b"Content-Encoding: chunked", b"X: Content-Length: 0", b"Transfer-Encoding-X: chunked"),
)
INSIDE = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
#: The request whose body holds another, as each endpoint takes it.
OUTER = {
    "app": b"POST /+login",
    "public": b"GET /",
    "upload": b"PUT /smuggled.txt",
    "restricted": b"GET /",
    "restricted-upload": b"PUT /smuggled.txt",
    "tracker": b"PUT /files/smuggled",
    "ops": b"GET /health",
}


class Smuggling(unittest.TestCase):
    """A request in the body of another, behind lines that a front end may read in another way than we do."""

    layer = Server

    def answers(self, endpoint: str, fields: bytes, body: bytes) -> list[bytes]:
        """The statuses of what comes back to a request of these fields and one behind it, until the close."""
        request = OUTER[endpoint] + b" HTTP/1.1\r\n" + HOST + fields + b"\r\n\r\n" + body
        with closing(connected(Server.server.urls[endpoint], ANSWER_SECONDS)) as connection:
            connection.sendall(request + FOLLOWING)
            heard = read_to_end(connection)
        return re.findall(rb"HTTP/1\.\d (\d{3}) ", heard)

    def test_what_is_ambiguous_is_one_refusal_and_the_end(self) -> None:
        for endpoint, lines in product(ENDPOINTS, AMBIGUOUS):
            for body in (INSIDE, b"0\r\n\r\n" + INSIDE):
                fields = lines.replace(b"%d", b"%d" % len(body)).replace(b"%x", b"%x" % len(body))
                with self.subTest(endpoint=endpoint, fields=fields):
                    found = self.answers(endpoint, fields, body)
                    self.assertEqual(len(found), 1)
                    self.assertIn(found[0], (b"400", b"501"))

    def test_what_only_resembles_it_changes_nothing(self) -> None:
        for endpoint, lines in product(ENDPOINTS, OTHERS):
            with self.subTest(endpoint=endpoint, fields=lines):
                body = b"0\r\n\r\n" + INSIDE
                found = self.answers(endpoint, lines + b"\r\n" + LENGTH % len(body), body)
                self.assertIn(len(found), (1, 2))
                self.assertNotIn(b"/smuggled HTTP", Server.server.log.read_bytes())

    def test_ends_of_lines(self) -> None:
        """A line ends in CR LF: what takes a bare LF or CR sees other fields than what does not."""
        for endpoint, end in product(ENDPOINTS, (b"\n", b"\r", b"\n\r", b"\r\r\n", b"\x0b\x0c")):
            for fields in (b"A: b" + end + LENGTH % len(INSIDE), b"A: b" + end + CHUNKED):
                with self.subTest(endpoint=endpoint, fields=fields):
                    found = self.answers(endpoint, fields, b"0\r\n\r\n" + INSIDE)
                    self.assertEqual(found, [b"400"])

    def test_nothing_of_it_was_a_request(self) -> None:
        self.assertNotIn(b"GET /smuggled HTTP", Server.server.log.read_bytes())
