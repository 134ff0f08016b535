"""What the application is told of a request."""

import unittest
from typing import Any

from librarian.serving.http.environ import environ_of, environ_of_head, fixed
from librarian.serving.http.heads import parse_head


def told(*lines: bytes, first: bytes = b"PUT /a HTTP/1.1", body: bytes = b"") -> dict[str, Any]:
    head = parse_head(b"\r\n".join([first, b"Host: here", *lines, b"", b""]))
    return environ_of(fixed("127.0.0.1", 8000), head, ("192.0.2.1", 5000), body)


class Environ(unittest.TestCase):
    def test_who_asks_whom(self) -> None:
        environ = told()
        keys = ("REMOTE_ADDR", "REMOTE_PORT", "SERVER_NAME", "SERVER_PORT", "HTTP_HOST", "SERVER_PROTOCOL")
        found = [environ[key] for key in keys]
        self.assertEqual(found, ["192.0.2.1", "5000", "127.0.0.1", "8000", "here", "HTTP/1.1"])

    def test_other_processes(self) -> None:
        """With workers the application must know that its memory is not that of all requests (PEP 3333)."""
        self.assertFalse(told()["wsgi.multiprocess"])
        self.assertTrue(fixed("127.0.0.1", 8000, multiprocess=True)["wsgi.multiprocess"])

    def test_the_head_alone(self) -> None:
        for line, length in ((b"Content-Length: 0005", "5"), (b"Transfer-Encoding: chunked", None)):
            head = parse_head(b"PUT /a HTTP/1.1\r\nHost: here\r\n" + line + b"\r\n\r\n")
            environ = environ_of_head(fixed("127.0.0.1", 8000), head, ("192.0.2.1", 5000))
            self.assertEqual(environ.get("CONTENT_LENGTH"), length)

    def test_paths(self) -> None:
        for target, path, query in (
            (b"/a%20b/%C3%A4?c=%20", "/a b/\xc3\xa4", "c=%20"),
            (b"//a//b", "/a//b", ""),
            (b"http://there/x?y?z", "/x", "y?z"),
        ):
            environ = told(first=b"GET " + target + b" HTTP/1.1")
            self.assertEqual((environ["PATH_INFO"], environ["QUERY_STRING"]), (path, query))
            self.assertEqual(environ["REQUEST_URI"], target.decode())

    def test_zeros_in_front_of_a_length_are_not_passed_on(self) -> None:
        # int() takes 4,300 digits at most, so that WebOb would see no length at all.
        environ = told(b"Content-Length: " + b"0" * 5000 + b"5", body=b"hello")
        self.assertEqual(environ["CONTENT_LENGTH"], "5")

    def test_a_chunked_body_has_the_length_that_has_come(self) -> None:
        environ = told(b"Transfer-Encoding: chunked", body=b"hello")
        self.assertEqual((environ["CONTENT_LENGTH"], "HTTP_TRANSFER_ENCODING" in environ), ("5", False))
        self.assertNotIn("CONTENT_LENGTH", told())

    def test_fields(self) -> None:
        environ = told(b"A: b", b"a: c", b"Cookie: d", b"Cookie: e", b"X_Y: z", b"Content-Type: f")
        self.assertEqual((environ["HTTP_A"], environ["HTTP_COOKIE"]), ("b, c", "d; e"))
        self.assertEqual(environ["CONTENT_TYPE"], "f")
        self.assertNotIn("HTTP_X_Y", environ)
