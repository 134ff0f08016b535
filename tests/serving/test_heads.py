"""Heads of requests, without a server: what is understood, and what is refused with which status."""

import time
import unittest

from librarian.serving.http.heads import Head, parse_head
from librarian.serving.interfaces import RequestRefused


def head(*lines: bytes, first: bytes = b"GET /a HTTP/1.1", host: bytes | None = b"Host: here") -> Head:
    """A head of these lines, with a Host unless that is None."""
    return parse_head(b"\r\n".join([first, *([] if host is None else [host]), *lines, b"", b""]))


class Understood(unittest.TestCase):
    def test_a_plain_request(self) -> None:
        found = head(b"Accept:  text/html \t", b"Accept: */*", first=b"GET /a%20b?c=d?e HTTP/1.1")
        self.assertEqual((found.method, found.target, found.version), ("GET", "/a%20b?c=d?e", "1.1"))
        self.assertEqual((found.host, found.path, found.query), ("here", "/a%20b", "c=d?e"))
        self.assertEqual(found.meaning.fields["accept"], ("text/html", "*/*"))
        self.assertEqual(
            (found.meaning.length, found.meaning.chunked, found.meaning.keeps_open), (0, False, True)
        )

    def test_the_host_in_the_target_wins(self) -> None:
        for target, host, path in (
            (b"http://there/x", "there", "/x"),
            (b"HTTPS://There:8000/x", "There:8000", "/x"),
            (b"http://there", "there", "/"),
            (b"http://there?q", "there", "/"),
            (b"http://[::1]:80/x", "[::1]:80", "/x"),
            (b"http://there//x//y", "there", "//x//y"),
        ):
            found = head(first=b"GET " + target + b" HTTP/1.1")
            self.assertEqual((found.host, found.path), (host, path), target)

    def test_two_slashes_in_front_name_no_host(self) -> None:
        found = head(first=b"GET //there/x HTTP/1.1")
        self.assertEqual((found.host, found.path), ("here", "//there/x"))

    def test_http_1_0_may_leave_the_host_out(self) -> None:
        self.assertIsNone(head(first=b"GET / HTTP/1.0", host=None).host)

    def test_the_server_itself(self) -> None:
        self.assertEqual(head(first=b"OPTIONS * HTTP/1.1").path, "*")

    def test_lengths(self) -> None:
        for text, length in ((b"0", 0), (b"3", 3), (b"003", 3), (b"9" * 19, 10**19 - 1), (b"0" * 5000, 0)):
            self.assertEqual(head(b"Content-Length: " + text).meaning.length, length)
        self.assertTrue(head(b"Transfer-Encoding: Chunked").meaning.chunked)

    def test_who_keeps_the_connection(self) -> None:
        old = b"GET / HTTP/1.0"
        self.assertFalse(head(b"Connection: TE, Close").meaning.keeps_open)
        self.assertFalse(head(first=old).meaning.keeps_open)
        self.assertTrue(head(b"Connection: keep-alive", first=old).meaning.keeps_open)
        self.assertFalse(head(b"Connection: keep-alive", b"Connection: close", first=old).meaning.keeps_open)

    def test_only_who_has_a_body_waits_for_100(self) -> None:
        expect = b"Expect: 100-Continue"
        self.assertTrue(head(expect, b"Content-Length: 3").meaning.expects_continue)
        self.assertTrue(head(expect, b"Transfer-Encoding: chunked").meaning.expects_continue)
        self.assertFalse(head(expect).meaning.expects_continue)
        self.assertFalse(head(expect, b"Content-Length: 0").meaning.expects_continue)
        self.assertFalse(head(expect, b"Content-Length: 3", first=b"PUT / HTTP/1.0").meaning.expects_continue)


class Refused(unittest.TestCase):
    def refused(self, status: int, *lines: bytes, **more: bytes | None) -> None:
        with self.subTest(lines=lines, **more), self.assertRaises(RequestRefused) as caught:
            head(*lines, **more)  # type: ignore[arg-type]
        self.assertEqual(caught.exception.status, status, (lines, more))

    def test_lengths_and_codings_together(self) -> None:
        for coding in (b"chunked", b"identity", b"", b"gzip"):
            self.refused(400, b"Content-Length: 3", b"Transfer-Encoding: " + coding)
            self.refused(400, b"transfer-encoding: " + coding, b"CONTENT-LENGTH: 0")

    def test_lengths(self) -> None:
        for text in (b"", b"-1", b"+3", b"3 4", b"3, 3", b"0x3", b"1e3", b"\xb2", b"1" * 20, b"1" * 4301):
            self.refused(400, b"Content-Length: " + text)
        self.refused(400, b"Content-Length: 3", b"Content-Length: 3")

    def test_codings(self) -> None:
        for text in (b"", b",", b"chunked, chunked"):
            self.refused(400, b"Transfer-Encoding: " + text)
        self.refused(400, b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked")
        self.refused(400, b"Transfer-Encoding: chunked", first=b"PUT / HTTP/1.0")
        for text in (b"identity", b"xchunked", b"chunked;q=1", b"gzip, chunked", b"\x85chunked"):
            self.refused(501, b"Transfer-Encoding: " + text)

    def test_hosts(self) -> None:
        self.refused(400, host=None)
        self.refused(400, b"Host: here")
        self.refused(400, host=b"Host: a, b", first=b"GET / HTTP/1.0")
        for text in (b"", b"[::1", b"a]", b"a:b", b"a:99999", b"u@a", b"a\xff", b"a/b", b"[v1.x]", b"[:::]"):
            self.refused(400, host=b"Host: " + text)
            self.refused(400, first=b"GET http://" + text.replace(b"/", b"@") + b"/ HTTP/1.1")

    def test_targets(self) -> None:
        for target in (b"x", b"*", b"?", b"/#a", b"ftp://a/", b"http:/a", b"http://", b"a:1", b"/\xc3\xa4"):
            self.refused(400, first=b"GET " + target + b" HTTP/1.1")
        self.refused(501, first=b"CONNECT a:1 HTTP/1.1")

    def test_first_lines(self) -> None:
        for line in (
            b"GET",
            b"GET /",
            b"GET  / HTTP/1.1",
            b"GET / http/1.1",
            b"GET / HTTP/1.1 ",
            b"\x16\x03",
        ):
            self.refused(400, first=line)
        self.refused(400, first=b"get / HTTP/1.1")
        for version in (b"0.9", b"1.2", b"2.0", b"9.9"):
            self.refused(505, first=b"GET / HTTP/" + version)

    def test_fields(self) -> None:
        for line in (
            b"a",
            b": b",
            b"a : b",
            b" a: b",
            b"a\x00: b",
            b"a: \x00",
            b"a: b\nc: d",
            b"a: b\rc",
            b"\t",
        ):
            self.refused(400, line)
        self.refused(431, *[b"a: b"] * 500)

    def test_expectations(self) -> None:
        self.refused(417, b"Expect: 200-ok", b"Content-Length: 3")

    def test_no_head_takes_long(self) -> None:
        begun = time.process_time()
        for line in (b"a:" + b" " * 250_000 + b"\x00", b"a" * 250_000, b"Connection:" + b"," * 250_000):
            try:
                head(line)
            except RequestRefused:
                pass
        for text in (b"http://" + b"a." * 100_000 + b"!", b"h" * 250_000 + b":/"):
            self.refused(400, first=b"GET " + text + b" HTTP/1.1")
        self.assertLess(time.process_time() - begun, 2)
