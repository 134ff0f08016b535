"""The protocol over HTTP: wrong declarations, malformed requests, missing permissions, and the audit log."""

import gzip
import hashlib
import json
import tracemalloc
import zlib
from email.utils import formatdate
from urllib.parse import quote

from webob import Request

from tests.support.layers import Functional
from tests.support.servers.in_process import ThreadedApplication, request
from tests.support.world import overlay
from tests.tracker.http_case import BASE, HERE, HttpCase


class DistrustTests(HttpCase):
    """An upload that differs from its declaration stores nothing."""

    def assert_nothing_stored(self) -> None:
        self.assertEqual(list(Functional.world.store), [])
        self.assertEqual(self.ask("GET", "/list/").body, b"")

    def test_the_poisoned_store_of_the_original(self) -> None:
        truth, lies = b"truth", b"lies!"
        sha256 = hashlib.sha256(truth).hexdigest()
        self.assert_refused(400, self.put("/a", 5, lies, SHA256_Checksum=sha256))
        self.assert_nothing_stored()
        self.assertEqual(self.put("/a", 5, truth, SHA256_Checksum=sha256.upper()).status_int, 200)
        self.assertEqual(self.get("/a"), truth)

    def test_wrong_declarations(self) -> None:
        packed = gzip.compress(b"x" * 1000)
        wrong = "0" * 64
        for body, headers in (
            (b"12345", {"SHA256_Checksum": wrong}),
            (b"12345", {"SHA256_Checksum": "../../PWNED"}),
            (b"12345", {"Logical_Size": "4"}),
            (b"12345", {"Content_Encoding": "gzip"}),
            (packed, {"Content_Encoding": "gzip", "Logical_Size": "999"}),
            (packed, {"Content_Encoding": "gzip", "Logical_Size": "1001"}),
            (packed, {"Content_Encoding": "gzip", "SHA256_Checksum": wrong}),
            (packed[:-1], {"Content_Encoding": "gzip"}),
            (packed[:-1], {"Content_Encoding": "gzip", "Logical_Size": "1000"}),
            (packed[:20], {"Content_Encoding": "gzip"}),
            (packed + b"tail", {"Content_Encoding": "gzip"}),
            (packed[:-8] + bytes(8), {"Content_Encoding": "gzip"}),
            (b"", {"Content_Encoding": "gzip"}),
            (zlib.compress(b"x"), {"Content_Encoding": "gzip"}),
        ):
            with self.subTest(body=body[:10], headers=headers):
                self.assert_refused(400, self.put("/a", 5, body, **headers))
                self.assert_nothing_stored()
        self.assert_refused(415, self.put("/a", 5, b"x", Content_Encoding="br"))

    def test_decompression_bombs(self) -> None:
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        zeros = bytes(1 << 20)
        bomb = b"".join([packer.compress(zeros) for _ in range(200)] + [packer.flush()])
        tracemalloc.start()
        try:
            for headers in ({}, {"Logical_Size": "1000"}):
                self.assert_refused(400, self.put("/a", 5, bomb, Content_Encoding="gzip", **headers))
            with overlay("[librarian.tracker]\nlargest_file = 1000000"):
                answer = self.put("/a", 5, bomb, Content_Encoding="gzip", Logical_Size=str(200 << 20))
                self.assert_refused(413, answer)
            _now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # The store of this layer keeps what it is given in memory: the sixteen megabytes an upload
        # may grow to when it does not say how large it is, and as much again while they are joined.
        self.assertLess(peak, 48 << 20)
        self.assert_nothing_stored()

    def test_a_body_that_ends_early(self) -> None:
        url = f"{BASE}/files/a?last_modified={quote(formatdate(5))}"
        for headers in ({}, {"Content-Encoding": "gzip"}):
            body = gzip.compress(b"12345") if headers else b"12345"
            blank = Request.blank(url, method="PUT", headers=headers, body=body)
            blank.environ.update(SERVER_PORT="9999", CONTENT_LENGTH=str(len(body) + 1), **HERE)
            answer = blank.get_response(ThreadedApplication())
            self.assertEqual(answer.status_int, 400, answer.body)
            self.assert_nothing_stored()

    def test_paths(self) -> None:
        self.put("/f", 5, b"file")
        self.put("/d/f", 5, b"file in a directory")
        date = f"?last_modified={quote(formatdate(6))}"
        for path, status in {
            "/files/../etc/passwd": 400,
            "/files/a/%2e%2e/%2e%2e/x": 400,
            "/files//etc/passwd": 400,
            "/files/a//b": 400,
            "/files/a%00": 400,
            "/files/a%0d%0aX-Evil:%201": 400,
            "/files/%ff": 400,
            "/files/a@5": 400,
            "/files/" + "x" * 300: 400,
            "/files/": 400,
            "/files": 400,
            "/": 405,
            "/list/a": 405,
            "/version": 405,
            "/elsewhere/a": 400,
            "/files/d": 409,
            "/files/f/below": 409,
        }.items():
            with self.subTest(path):
                answer = self.ask("PUT", path + date, b"x")
                self.assertEqual(answer.status_int, status, answer.body)
                self.assertNotIn("X-Evil", answer.headers)
        self.assertEqual(self.ask("GET", "/list/").body, b"d/f\nf\n")

    def test_dates(self) -> None:
        for date in (
            "",
            "x",
            "0",
            "5",
            "Thu, 32 Jan 1970 00:00:00 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT",
            "%00",
        ):
            for method, path in (("PUT", "/files/a"), ("DELETE", "/files/a"), ("GET", "/list/")):
                with self.subTest(date=date, path=path):
                    body = b"x" if method == "PUT" else b""
                    answer = self.ask(method, f"{path}?last_modified={date}", body)
                    expected = 200 if (method, date) == ("GET", "") else 400
                    self.assertEqual(answer.status_int, expected, answer.body)

    def test_methods(self) -> None:
        for method in ("POST", "OPTIONS", "PATCH", "TRACE", "PROPFIND"):
            for path, allowed in (
                ("/files/a", "GET, HEAD, PUT, DELETE"),
                ("/list/", "GET, HEAD"),
                ("/version/", "GET, HEAD"),
                ("/history/a", "GET, HEAD"),
            ):
                with self.subTest(method=method, path=path):
                    answer = self.ask(method, path, b"x")
                    self.assert_refused(501 if method == "PROPFIND" else 405, answer)
                    self.assertEqual(answer.headers["Allow"], allowed)


class AccessTests(HttpCase):
    def statuses(self, address: str) -> tuple[int, int]:
        date = f"?last_modified={quote(formatdate(5))}"
        put = request("PUT", f"{BASE}/files/a{date}", {}, b"x", REMOTE_ADDR=address)
        got = request("GET", f"{BASE}/list/", {}, REMOTE_ADDR=address)
        return put.status_int, got.status_int

    def test_networks(self) -> None:
        text = "[librarian.tracker]\nwrite_networks = 10.1.0.0/16\nread_networks = 10.0.0.0/8 ::1"
        with overlay(text):
            self.assertEqual(self.statuses("10.1.2.3"), (200, 200))
            self.assertEqual(self.statuses("::ffff:10.1.2.3"), (200, 200))
            for address in ("10.2.0.1", "::1"):
                self.assertEqual(self.statuses(address), (401, 200))
            for address in ("192.168.0.1", "::2", "nonsense", ""):
                self.assertEqual(self.statuses(address), (401, 401))

    def test_a_wrong_token_is_not_anonymous(self) -> None:
        answer = self.ask("GET", "/list/", Authorization="Bearer wrong")
        self.assertEqual(answer.status_int, 401)


class AuditTests(HttpCase):
    def test_only_changes_are_audited(self) -> None:
        date = f"?last_modified={quote(formatdate(5))}"
        with self.assertLogs("librarian.audit", "INFO") as logs:
            self.put("/a", 5, b"five")
            self.put("/a", 4, b"older")
            self.put("/a", 6, b"x", SHA256_Checksum="0" * 64)
            self.ask("DELETE", f"/files/a?last_modified={quote(formatdate(4))}")
            self.ask("DELETE", f"/files/a{date}")
        events = [json.loads(record.getMessage()) for record in logs.records]
        audited = [
            (event["event"], event["name"], event["by"]) for event in events if "tracker" in event["event"]
        ]
        by = "system:tracker-writer"
        self.assertEqual(audited, [("tracker file put", "/a", by), ("tracker file deleted", "/a", by)])
        self.assertEqual(events[-1]["from"], "127.0.0.1")
