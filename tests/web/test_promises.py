"""What requests say of their bodies is held against them on every endpoint that takes one."""

import base64
import hashlib
import unittest
from email.utils import formatdate
from io import BytesIO
from typing import Any
from urllib.parse import quote

import transaction
from pyramid.httpexceptions import HTTPBadRequest
from webob import Request

from librarian.store.interfaces import DigestMismatch
from librarian.web.requests.promises import PromisedBody, hold_to_promises, promises, take_over
from tests.support.servers.in_process import ThreadedApplication, request
from tests.web.support import PeopleInTheWorld

DATA, OTHER = b"the data", b"the date"
ALGORITHMS = {"sha-512": "sha512", "sha-256": "sha256", "sha": "sha1", "md5": "md5"}


def base64_of(data: bytes, algorithm: str) -> str:
    return base64.b64encode(hashlib.new(ALGORITHMS[algorithm], data).digest()).decode()


def member(data: bytes, algorithm: str) -> str:
    return f"{algorithm}=:{base64_of(data, algorithm)}:"


def declarations(data: bytes) -> list[dict[str, str]]:
    """Every way to declare a digest."""
    found = [
        {field: member(data, algorithm)}
        for algorithm in ALGORITHMS
        for field in ("Repr-Digest", "Content-Digest")
    ]
    found += [{"Digest": f"{algorithm.upper()}={base64_of(data, algorithm)}"} for algorithm in ALGORITHMS]
    return [*found, {"Content-MD5": base64_of(data, "md5")}]


UNCHECKABLE = (
    {"Repr-Digest": "crc32c=:AAAAAA==:"},
    {"Content-Digest": "sha-3000=:AAAA:"},
    {"Digest": "unixsum=30637"},
    {"Content-MD5": "yes"},
    {"Content-MD5": "AAAA"},
    {"Digest": "md5=AAAA"},
    {"Repr-Digest": ""},
    {"Trailer": "Repr-Digest"},
)
PARTS = (
    {"Upload-Complete": "?0"},
    {"Upload-Incomplete": "?1"},
    {"Upload-Offset": "0"},
    {"Upload-Length": "8"},
    {"Upload-Draft-Interop-Version": "8"},
    {"Tus-Resumable": "1.0.0"},
    {"Upload-Metadata": "filename aGkK"},
    {"Content-Range": "bytes 0-7/100"},
)


class Rewound(unittest.TestCase):
    def test_a_body_that_is_read_once_more_is_held_to_its_digests_once_more(self) -> None:
        for data in (DATA, OTHER):
            body = PromisedBody(BytesIO(data), 8, {"sha-256": hashlib.sha256(DATA).hexdigest()})
            for _turn in range(2):
                if data == DATA:
                    self.assertEqual(body.read(), DATA)
                else:
                    self.assertRaises(DigestMismatch, body.read)
                body.rewind()


class Everywhere(PeopleInTheWorld):
    """Each place that takes a body, by what it is sent."""

    def setUp(self) -> None:
        super().setUp()
        self.basic_amy = self.basic("amy", "seven green bottles")

    def form(self, data: bytes, part: str = "") -> tuple[bytes, str]:
        more = f"{part}\r\n" if part else ""
        head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\n{more}\r\n'
        return head.encode() + data + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"

    def doors(self) -> list[tuple[str, str, bytes, dict[str, str]]]:
        """Method, URL, body, headers."""
        body, kind = self.form(DATA)
        mine = {"Authorization": self.basic_amy}
        people, dan = "http://localhost:6543/people/", b'{"name": "dan", "display_name": "Dan"}'
        return [
            ("PUT", "http://localhost:9090/f.txt", DATA, {}),
            ("POST", "http://localhost:9090/f.txt", DATA, {}),
            ("PUT", "http://localhost:9095/f.txt", DATA, {}),
            ("PUT", "http://localhost:6543/tree/f.txt", DATA, mine),
            ("POST", "http://localhost:6543/tree/", body, {**mine, "Content-Type": kind}),
            ("POST", "http://localhost:6543/+upload", body, {**mine, "Content-Type": kind}),
            ("PUT", f"http://localhost:9999/files/f.txt?last_modified={quote(formatdate(5))}", DATA, {}),
            ("POST", people, dan, {**mine, "Content-Type": "application/json"}),
        ]

    def stored(self) -> int:
        transaction.begin()
        return len(list(self.world.store))

    def answers(self, more: dict[str, str]) -> list[tuple[str, int, str]]:
        found = []
        for method, url, body, headers in self.doors():
            answer = request(method, url, {**headers, **more}, body, REMOTE_ADDR="127.0.0.1")
            found.append((f"{method} {url}", answer.status_int, answer.text))
        return found

    def all_refused(self, more: dict[str, str]) -> None:
        for door, status, text in self.answers(more):
            self.assertEqual(status, 400, (door, more, text))
        self.assertEqual(self.stored(), 0, more)

    def test_wrong_digests(self) -> None:
        for more in declarations(OTHER):
            self.all_refused(more)

    def test_digests_that_cannot_be_checked(self) -> None:
        for more in UNCHECKABLE:
            self.all_refused(more)

    def test_parts_of_files(self) -> None:
        for more in PARTS:
            self.all_refused(more)

    def test_one_true_and_one_false(self) -> None:
        true, false = member(DATA, "sha-256"), member(OTHER, "md5")
        for more in (
            {"Repr-Digest": f"{true}, {false}"},
            {"Repr-Digest": f"{false}, {true}"},
            {"Repr-Digest": true, "Content-Digest": false},
            {"Repr-Digest": true, "Content-MD5": base64_of(OTHER, "md5")},
            {"Repr-Digest": f"{true}, {member(OTHER, 'sha-512')}, unixsum=:AQI=:"},
        ):
            self.all_refused(more)

    def test_correct_digests_are_accepted(self) -> None:
        for method, url, body, headers in self.doors():
            for more in (*declarations(body), {"Repr-Digest": f"unixsum=:AQI=:, {member(body, 'sha-512')}"}):
                with self.subTest(url=url, more=more):
                    answer = request(method, url, {**headers, **more}, body, REMOTE_ADDR="127.0.0.1")
                    self.assertIn(answer.status_int, (200, 201, 303, 409), answer.text)

    def test_a_part_of_a_form_may_say_so_of_itself(self) -> None:
        for url in ("http://localhost:6543/+upload", "http://localhost:6543/tree/"):
            for line, status in (
                (f"Content-MD5: {base64_of(OTHER, 'md5')}", 400),
                (f"Content-Digest: {member(OTHER, 'sha-512')}", 400),
                ("Content-Digest: crc32c=:AAAAAA==:", 400),
                (f"Content-Digest: {member(DATA, 'sha-512')}", 201),
            ):
                with self.subTest(url=url, line=line):
                    body, kind = self.form(DATA, line)
                    headers = {"Authorization": self.basic_amy, "Content-Type": kind}
                    answer = request("POST", url, headers, body)
                    self.assertEqual(answer.status_int, status, answer.text)

    def test_a_body_of_unknown_length_is_proven_whole_by_sha_512_too(self) -> None:
        for data, status in ((DATA, 201), (DATA[:-1], 400)):
            blank = Request.blank("http://localhost:9090/f.txt", method="PUT")
            blank.environ |= {"SERVER_PORT": "9090", "wsgi.input": BytesIO(data)}
            blank.environ.pop("CONTENT_LENGTH", None)
            blank.headers["Repr-Digest"] = member(DATA, "sha-512")
            self.assertEqual(blank.get_response(ThreadedApplication()).status_int, status)


class Bodies(unittest.TestCase):
    def environ(self, data: bytes, size: int | None, **headers: str) -> dict[str, Any]:
        length = {} if size is None else {"CONTENT_LENGTH": str(size)}
        return {"REQUEST_METHOD": "PUT", "wsgi.input": BytesIO(data), **length, **headers}

    def read(self, data: bytes, size: int | None, step: int) -> bytes:
        found = b""
        body = PromisedBody(BytesIO(data), size, {"md5": hashlib.md5(DATA).hexdigest()})
        while block := body.read(step):
            found += block
        return found

    def test_however_it_is_read(self) -> None:
        for size in (len(DATA), None):
            for step in (1, 3, len(DATA), 100, -1):
                with self.subTest(size=size, step=step):
                    self.assertEqual(self.read(DATA, size, step), DATA)
                    self.assertRaises(DigestMismatch, self.read, OTHER, size, step)

    def test_the_stream_ends_at_the_declared_length(self) -> None:
        self.assertEqual(self.read(DATA + b"GET /", len(DATA), 100), DATA)

    def test_lines(self) -> None:
        body = PromisedBody(BytesIO(DATA), len(DATA), {"md5": hashlib.md5(DATA).hexdigest()})
        self.assertEqual(list(body), [DATA])

    def test_an_empty_body_is_checked_at_once(self) -> None:
        empty = base64_of(b"", "md5")
        hold_to_promises(self.environ(b"", 0, HTTP_CONTENT_MD5=empty))
        environ = self.environ(b"", 0, HTTP_CONTENT_MD5=base64_of(DATA, "md5"))
        self.assertRaises(DigestMismatch, hold_to_promises, environ)

    def test_a_body_in_memory_is_checked_at_once_and_can_be_read_again(self) -> None:
        environ = self.environ(DATA, len(DATA), HTTP_CONTENT_MD5=base64_of(DATA, "md5"))
        environ["webob.is_body_seekable"] = True
        hold_to_promises(environ)
        self.assertEqual(environ["wsgi.input"].read(), DATA)

    def test_a_verified_upload_is_not_hashed_twice(self) -> None:
        both = f"{member(DATA, 'sha-256')}, {member(DATA, 'sha-512')}"
        environ = self.environ(DATA, len(DATA), HTTP_REPR_DIGEST=both)
        hold_to_promises(environ)
        self.assertEqual(list(take_over(environ, ("sha-256", "md5"))), ["sha-256"])
        self.assertEqual(list(environ["wsgi.input"]._hashes), ["sha-512"])
        self.assertEqual(sorted(promises(environ)), ["sha-256", "sha-512"])

    def test_downloads_promise_nothing(self) -> None:
        environ = self.environ(b"", None, HTTP_REPR_DIGEST="))", HTTP_CONTENT_RANGE="bytes 0-7/100")
        for method in ("GET", "HEAD"):
            hold_to_promises({**environ, "REQUEST_METHOD": method})
        self.assertRaises(HTTPBadRequest, hold_to_promises, environ)
