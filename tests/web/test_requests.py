"""Parts of a request that cannot be read: a refusal, or no value at all, and never a fault of ours."""

import json
import logging
import unittest
from io import BytesIO
from types import SimpleNamespace
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest, HTTPRequestEntityTooLarge
from ZODB.POSException import ConflictError
from zope.component import getGlobalSiteManager

from librarian.web.bare import LastResort
from librarian.web.errors import unavailable
from librarian.web.forms import fields_of
from librarian.web.requests.request import LARGEST_FORM, Request
from tests.support.layers import Functional
from tests.support.servers.in_process import request

APP = "http://localhost:6543"
FORM_PLACES = ("/+login", "/people", "/mirrors", "/tree/x", "/machines")
PART = b'--B\r\nContent-Disposition: form-data; name="name"; filename=""\r\n'


def made(**environ: Any) -> Request:
    return Request({"wsgi.input": BytesIO(b""), "REQUEST_METHOD": "GET", **environ})


class Cookies(unittest.TestCase):
    def test_what_cannot_be_read_is_left_out(self) -> None:
        for header, readable in (
            ('librarian="\\377"', {}),
            ('librarian="\\377"; a=b', {"a": "b"}),
            ("a=b; c=\xff; d=e", {"a": "b", "c": "", "d": "e"}),  # so webob has it
            ('a="\\303\\244"', {"a": "ä"}),
            ("", {}),
        ):
            self.assertEqual(dict(made(HTTP_COOKIE=header).cookies), readable, header)

    def test_new_ones_go_beside_them(self) -> None:
        asked = made(HTTP_COOKIE='a="\\377"; b=c')
        asked.cookies["d"] = "e"
        self.assertEqual(dict(asked.cookies), {"b": "c", "d": "e"})


class Forms(unittest.TestCase):
    def test_the_size_of_a_form_is_limited(self) -> None:
        body = b"name=" + b"x" * LARGEST_FORM
        kind = "application/x-www-form-urlencoded"
        asked = Request.blank("/", method="POST", body=body, content_type=kind)
        self.assertRaises(HTTPRequestEntityTooLarge, fields_of, asked)
        self.assertRaises(HTTPRequestEntityTooLarge, fields_of, asked, at_most=None)
        self.assertRaises(HTTPRequestEntityTooLarge, lambda: asked.POST)

    def form(self, body: bytes, kind: str = "application/x-www-form-urlencoded") -> Request:
        return Request.blank("/", method="POST", body=body, content_type=kind)

    def test_a_field_that_is_there_twice(self) -> None:
        for asked in (self.form(b"a=1&b=2&a=3"), self.form(b'{"a": 1, "a": 3}', "application/json")):
            with self.assertRaises(HTTPBadRequest) as refused:
                fields_of(asked)
            self.assertEqual(str(refused.exception), "a is given twice.")
        self.assertRaises(
            HTTPBadRequest, fields_of, self.form(b'{"a": {"b": 1, "b": 1}}', "application/json")
        )

    def test_a_field_that_may_be_a_list(self) -> None:
        asked = self.form(b"a=1&b=2&a=3")
        self.assertEqual(fields_of(asked, lists={"a": ","}), {"a": "1,3", "b": "2"})


class Bodies(unittest.TestCase):
    layer = Functional

    def refused(self, body: bytes, content_type: str) -> None:
        for place in FORM_PLACES:
            answer = request("POST", APP + place, {"Content-Type": content_type}, body)
            self.assertLess(answer.status_int, 500, (place, content_type, body, answer.text))
            self.assertGreaterEqual(answer.status_int, 400, (place, content_type, body, answer.text))
            if place == "/tree/x":
                self.assertEqual((answer.status_int, answer.json["status"]), (400, 400), (content_type, body))

    def test_charsets(self) -> None:
        for charset in ("nonesuch", "\xff", "hex", "undefined"):
            self.refused(b'{"name": "\xe4\xff"}', f"application/json; charset={charset}")
            self.refused(b"name=%ff", f"application/x-www-form-urlencoded; charset={charset}")

    def test_charsets_of_json(self) -> None:
        for charset, readable in (("utf-8", True), ("latin-1", True), ("punycode", False), ("utf-7", False)):
            kind = f"application/json; charset={charset}"
            body = b'{"a": 1}' + (b"-" if charset == "punycode" else b"")
            asked = Request.blank("/", method="POST", body=body, content_type=kind)
            if readable:
                self.assertEqual({"a": 1}, asked.json_body)
            else:
                self.assertRaises(HTTPBadRequest, getattr, asked, "json_body")

    def test_json(self) -> None:
        for body in (
            b"",
            b"{",
            b"[" * 100_000,
            b'{"name": "\\ud800"}',
            b'{"\\udfff": 1}',
            b"1" * 5000,
            b"\xff",
        ):
            self.refused(body, "application/json")

    def test_parts(self) -> None:
        for coding in (b"base64", b"quoted-printable", b"x-uuencode", b"binary", b"7bit"):
            part = PART + b"Content-Transfer-Encoding: " + coding + b"\r\n\r\nYWJj=ff\r\n--B--\r\n"
            place = APP + "/+login"
            answer = request("POST", place, {"Content-Type": "multipart/form-data; boundary=B"}, part)
            self.assertIn(answer.status_int, (400, 403), (coding, answer.text))
        for content_type in (
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\xff",
        ):
            self.refused(PART + b"\r\nYWJj\r\n--B--\r\n", content_type)

    def test_a_file_is_no_csrf_token(self) -> None:
        part = (
            b'--B\r\nContent-Disposition: form-data; name="csrf_token"; filename="a"\r\n\r\nabc\r\n--B--\r\n'
        )
        fields = {"Content-Type": "multipart/form-data; boundary=B", "Cookie": "librarian=x"}
        for method in ("POST", "PUT"):
            for place in ("/+login", "/people/", "/tree/x"):
                answer = request(method, APP + place, fields, part)
                self.assertEqual((answer.status_int, answer.json["status"]), (403, 403), (method, place))

    def test_a_file_is_no_text(self) -> None:
        for name in ("name", "password", "next", "restricted", "display_name", "folder"):
            part = (
                f'--B\r\nContent-Disposition: form-data; name="{name}"; filename="a"\r\n\r\nabc\r\n'
                '--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc\r\n--B--\r\n'
            ).encode()
            for place in ("/+login", "/people/", "/tree/x", "/+upload"):
                fields = {"Content-Type": "multipart/form-data; boundary=B"}
                answer = request("POST", APP + place, fields, part)
                self.assertIn(answer.status_int, (400, 401, 403, 404), (name, place))

    def test_ranges_of_static_files(self) -> None:
        place = APP + "/+static/librarian.css"
        for text, status in (
            ("bytes=0-9", 206),
            ("bytes=9-1", 200),
            (f"bytes={'9' * 5000}-", 200),
            ("\xff", 200),
        ):
            self.assertEqual(request("GET", place, {"Range": text}).status_int, status, text)

    def test_cookies_on_any_path(self) -> None:
        for path in ("/", "/nothing", "/+login", "/people/", "/tree/"):
            for cookie in ('librarian="\\377"', 'librarian-form="\\377"', 'other="\\377"'):
                answer = request("GET", APP + path, {"Cookie": cookie, "Accept": "text/html"})
                self.assertIn(answer.status_int, (200, 302, 303, 401, 404), (path, cookie))


class Resort(unittest.TestCase):
    """What is raised above the error pages."""

    def answer(self, application: Any, **environ: str) -> tuple[str, dict[str, str], bytes]:
        """Status, headers and body of a GET."""
        begun: list[Any] = []

        def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
            begun[:] = [status, dict(headers)]

        application.registry = None
        with self.assertLogs("librarian.web.bare", logging.ERROR) as logged:
            body = LastResort(application)({"REQUEST_METHOD": "GET", **environ}, start_response)
        self.assertIn("a secret", logged.output[0])
        return begun[0], begun[1], b"".join(body)

    def test_an_error_is_logged_and_answered_in_our_words(self) -> None:
        def faulty(environ: Any, start_response: Any) -> Any:
            raise RuntimeError("a secret")

        status, headers, body = self.answer(faulty)
        self.assertEqual(status, "500 Internal Server Error")
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertEqual(json.loads(body)["error"], "Something went wrong here; it has been written down.")
        _status, headers, body = self.answer(faulty, HTTP_ACCEPT="text/html")
        self.assertEqual(headers["Content-Type"], "text/html; charset=utf-8")
        self.assertIn(b"<h1>Internal Server Error</h1>", body)
        self.assertEqual(self.answer(faulty, REQUEST_METHOD="HEAD")[2], b"")

    def test_also_after_the_response_has_started(self) -> None:
        def faulty(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [("Content-Type", "text/plain")])
            raise RuntimeError("a secret")

        self.assertEqual(self.answer(faulty)[0], "500 Internal Server Error")

    def test_answers_without_errors_pass(self) -> None:
        found = [b"as it is"]
        application: Any = lambda environ, start_response: found  # noqa: E731  # an object with one method
        application.registry = SimpleNamespace()
        self.assertIs(LastResort(application)({}, print), found)


class Repeated(unittest.TestCase):
    """What is thrown away for another attempt is no word in the log."""

    layer = Functional

    def asked(self, attempt: int) -> Any:
        made = Request.blank("/people")
        made.environ.update({"retry.attempt": attempt, "retry.attempts": 3})
        made.registry = getGlobalSiteManager()
        return made

    def test_conflicts(self) -> None:
        with self.assertNoLogs("librarian.web.errors"):
            self.assertEqual(unavailable(ConflictError(), self.asked(0)).status_int, 503)
        with self.assertLogs("librarian.web.errors", logging.ERROR):
            self.assertEqual(unavailable(ConflictError(), self.asked(2)).status_int, 503)
