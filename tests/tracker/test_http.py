"""The protocol, spoken correctly, wrongly and with bad intent."""

import gzip
import hashlib
import json
import tracemalloc
import unittest
import zlib
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import transaction
from webob import Request
from zope.component import getUtility

from librarian.interfaces import SettingsError
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.settings import Settings
from librarian.tracker.client.file_names import MAX_VERSION
from librarian.tracker.interfaces import ITracker
from librarian.tracker.settings import TrackerSettings
from tests.support.layers import Functional
from tests.support.servers.in_process import ThreadedApplication, request
from tests.support.world import overlay

BASE = "http://localhost:9999"
HERE = {"REMOTE_ADDR": "127.0.0.1"}


class HttpCase(unittest.TestCase):
    layer = Functional

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return request(method, BASE + path, named, body, **HERE)

    def put(self, name: str, version: int, body: bytes, **headers: str) -> Any:
        return self.ask("PUT", f"/files{name}?last_modified={quote(formatdate(version))}", body, **headers)

    def put_1(self, name: str, version: int | None, body: bytes) -> Any:
        headers = {} if version is None else {"Last-Modified": formatdate(version)}
        return request("PUT", f"{BASE}/files{name}", headers, body, **HERE)

    def version(self, answer: Any) -> int:
        return int(answer.last_modified.timestamp())

    def get(self, path: str, **headers: str) -> bytes:
        answer = self.ask("GET", f"/files{path}", b"", **headers)
        self.assertIn(answer.status_int, (200, 206), answer.body)
        return bytes(answer.body)

    def assert_refused(self, status: int, answer: Any) -> None:
        """A 4xx with one line of reason, the same in X-Exception, and nothing of the machine in it."""
        self.assertEqual(answer.status_int, status, answer.body)
        text = answer.body.decode()
        self.assertEqual(text.count("\n"), 1)
        for leak in ("Traceback", "/home", "librarian", 'File "', ".py"):
            self.assertNotIn(leak, text + answer.headers["X-Exception"])


class VersionRuleTests(HttpCase):
    def test_no_version_follows_the_last_date(self) -> None:
        """An upload without a date is the newest; behind the end of year 9999 there is none."""
        self.assertEqual(self.put("/last", MAX_VERSION, b"the last").status_int, 200)
        self.assert_refused(409, self.put_1("/last", None, b"one more"))
        self.assertEqual(self.get("/last"), b"the last")
        self.assertEqual(self.ask("GET", "/history/last").status_int, 200)
        deleted = self.ask("DELETE", f"/files/last?last_modified={quote(formatdate(MAX_VERSION))}")
        self.assertEqual(deleted.status_int, 200)
        self.assertEqual(self.put_1("/last", None, b"one more").status_int, 200)

    def test_protocol_2(self) -> None:
        self.assertEqual(self.version(self.put("/a", 5, b"five")), 5)
        self.assertEqual(self.version(self.put("/a", 4, b"four")), 5)
        self.assertEqual(self.get("/a"), b"five")
        self.assertEqual(self.version(self.put("/a", 5, b"FIVE")), 5)
        self.assertEqual(self.get("/a"), b"FIVE")
        self.assertEqual(self.version(self.put("/a", 6, b"six")), 6)
        self.assertEqual(
            [self.get("/a"), self.get("/a?version=5"), self.get("/a@5")], [b"six", b"FIVE", b"FIVE"]
        )

    def test_protocol_1(self) -> None:
        self.assertEqual(self.version(self.put_1("/a", 5, b"five")), 5)
        for version in (4, 5):
            self.assertEqual(self.version(self.put_1("/a", version, b"other")), 5)
        self.assertEqual(self.get("/a"), b"five")
        self.put_1("/a", 6, b"six")
        self.assertEqual(self.get("/a"), b"six")

    def test_protocol_1_without_a_date_always_overwrites(self) -> None:
        now = int(Functional.world.clock.now().timestamp())
        self.assertEqual(self.version(self.put_1("/a", None, b"now")), now)
        self.assertEqual(self.version(self.put_1("/a", None, b"the same second")), now + 1)
        self.put("/b", now + 500, b"ahead")
        self.assertEqual(self.version(self.put_1("/b", None, b"later")), now + 501)

    def test_sent_twice_is_there_once(self) -> None:
        for _attempt in range(3):
            self.put("/a", 5, b"five")
        transaction.begin()
        self.assertEqual(len(getUtility(ITracker).history("/a")), 1)

    def test_an_upload_that_would_be_ignored_is_not_read(self) -> None:
        self.put("/a", 5, b"five")
        answer = self.put("/a", 4, b"not gzip", Content_Encoding="gzip", Logical_Size="8")
        self.assertEqual((answer.status_int, self.version(answer)), (200, 5))

    def test_delete(self) -> None:
        self.put("/d/a", 5, b"five")
        path = "/files/d/a"
        self.assert_refused(400, self.ask("DELETE", path))
        self.assertEqual(self.ask("DELETE", f"{path}?last_modified={quote(formatdate(4))}").status_int, 200)
        self.assertEqual(self.get("/d/a"), b"five")
        self.assertEqual(self.ask("DELETE", f"{path}?last_modified={quote(formatdate(5))}").status_int, 200)
        self.assert_refused(404, self.ask("DELETE", f"{path}?last_modified={quote(formatdate(5))}"))
        for query in ("", "?version=5"):
            self.assert_refused(404, self.ask("GET", path + query))
        self.assertEqual(self.get("/d/a?version=5&deleted=yes"), b"five")
        self.assertEqual(self.ask("GET", "/list/").body, b"")
        self.assertEqual(self.put("/d", 5, b"now a file").status_int, 200)

    def test_delete_as_1_x_sends_it(self) -> None:
        self.put("/a", 5, b"five")
        self.assertEqual(self.ask("DELETE", "/files/a", Last_Modified=formatdate(5)).status_int, 200)
        self.assertEqual(self.ask("GET", "/files/a").status_int, 404)

    def test_list(self) -> None:
        for version, name in ((1, "/A"), (100, "/B/ż ó"), (200, "/B/C")):
            self.put(quote(name), version, b"x")

        def listed(path: str, cutoff: int) -> list[str]:
            answer = self.ask("GET", f"/list/{path}?last_modified={quote(formatdate(cutoff))}")
            return answer.body.decode().splitlines()

        self.assertEqual([listed("", cutoff) for cutoff in (0, 1, 100)], [[], ["A"], ["A", "B/ż ó"]])
        self.assertEqual(listed("B", 200), ["C", "ż ó"])
        self.assertEqual(listed("B/", 199), ["ż ó"])
        for path in ("nothing", "A"):
            self.assert_refused(400, self.ask("GET", f"/list/{path}"))


class ContentTests(HttpCase):
    TEXT = b"some text that packs well, " * 400

    def test_head_is_get(self) -> None:
        self.put("/a", 5, self.TEXT)
        self.put("/p", 5, gzip.compress(self.TEXT), Content_Encoding="gzip")
        for path in ("/files/a", "/files/p"):
            for coding in ("identity", "gzip"):
                got = self.ask("GET", path, Accept_Encoding=coding)
                head = self.ask("HEAD", path, Accept_Encoding=coding)
                self.assertEqual(head.body, b"")
                expected = {k: v for k, v in got.headers.items() if k in head.headers}
                self.assertEqual(
                    dict(head.headers) | {"Content-Length": "-"}, expected | {"Content-Length": "-"}
                )
                self.assertEqual(head.headers["Logical-Size"], str(len(self.TEXT)))

    def test_gzip_if_accepted(self) -> None:
        self.put("/plain", 5, self.TEXT)
        self.put("/packed", 5, gzip.compress(self.TEXT), Content_Encoding="gzip")
        for name in ("/plain", "/packed"):
            for accepted, coding in (
                ("gzip, deflate", "gzip"),
                ("gzip;q=0.1", "gzip"),
                ("", None),
                ("identity", None),
                ("gzip;q=0", None),
                ("identity, gzip;q=0.5", None),
                ("br", None),
                ("deflate", None),
                ("nonsense;;;,gzip", "gzip"),
            ):
                with self.subTest(name=name, accepted=accepted):
                    answer = self.ask("GET", f"/files{name}", Accept_Encoding=accepted)
                    self.assertEqual(answer.headers.get("Content-Encoding"), coding)
                    body = gzip.decompress(answer.body) if coding else answer.body
                    self.assertEqual(body, self.TEXT)
                    self.assertEqual(answer.headers["Vary"], "Accept-Encoding")
                    self.assertEqual(answer.headers["Content-Length"], str(len(answer.body)))

    def test_large_and_packed_on_the_way(self) -> None:
        data = self.TEXT * 300
        self.put("/a", 5, data)
        answer = self.ask("GET", "/files/a", Accept_Encoding="gzip")
        self.assertEqual(gzip.decompress(answer.body), data)

    def test_etags_differ_by_coding(self) -> None:
        self.put("/a", 5, self.TEXT)
        self.put("/p", 5, gzip.compress(self.TEXT), Content_Encoding="gzip")
        for path in ("/files/a", "/files/p"):
            etags = [self.ask("GET", path, Accept_Encoding=c).headers["ETag"] for c in ("identity", "gzip")]
            self.assertNotEqual(*etags)
            for etag, coding in zip(etags, ("identity", "gzip"), strict=True):
                again = self.ask("GET", path, Accept_Encoding=coding, If_None_Match=etag)
                self.assertEqual((again.status_int, again.body), (304, b""))

    def test_conditions_on_what_is_packed_on_the_way(self) -> None:
        self.put("/a", 5, self.TEXT)
        etag = self.ask("GET", "/files/a", Accept_Encoding="gzip").headers["ETag"]
        before, after = formatdate(4, usegmt=True), formatdate(6, usegmt=True)
        for condition, status in (
            ({"If_None_Match": "*"}, 304),
            ({"If_None_Match": f'"x", {etag}'}, 304),
            ({"If_None_Match": '"x"'}, 200),
            ({"If_Modified_Since": after}, 304),
            ({"If_Modified_Since": before}, 200),
            ({"If_Match": etag}, 412),
            ({"If_Match": "*"}, 200),
            ({"If_Unmodified_Since": before}, 412),
        ):
            for method in ("GET", "HEAD"):
                with self.subTest(condition=condition, method=method):
                    answer = self.ask(method, "/files/a", b"", Accept_Encoding="gzip", **condition)
                    self.assertEqual(answer.status_int, status)

    def test_ranges(self) -> None:
        self.put("/a", 5, b"0123456789")
        answer = self.ask("GET", "/files/a", Range="bytes=2-4", Accept_Encoding="gzip")
        self.assertEqual((answer.status_int, answer.body), (206, b"234"))
        self.assertEqual(self.ask("GET", "/files/a", Range="bytes=20-").status_int, 416)
        stale = self.ask("GET", "/files/a", Range="bytes=2-4", If_Range='"other"')
        self.assertEqual((stale.status_int, stale.body), (200, b"0123456789"))
        # A name can be overwritten twice within a second: the date does not prove the bytes.
        by_date = self.ask("GET", "/files/a", Range="bytes=2-4", If_Range=formatdate(5, usegmt=True))
        self.assertEqual(by_date.status_int, 200)

    def test_empty(self) -> None:
        self.put("/plain", 5, b"")
        self.put("/packed", 5, gzip.compress(b""), Content_Encoding="gzip", Logical_Size="0")
        for name in ("/plain", "/packed"):
            self.assertEqual(self.get(name), b"")
            packed = self.ask("GET", f"/files{name}", Accept_Encoding="gzip")
            self.assertEqual(gzip.decompress(packed.body), b"")

    def test_one_content_under_two_names(self) -> None:
        for name in ("/a", "/b"):
            self.put(name, 5, self.TEXT)
        sha256 = hashlib.sha256(self.TEXT).hexdigest()
        self.assertEqual(len(list(Functional.world.store)), 1)
        self.ask("DELETE", f"/files/a?last_modified={quote(formatdate(5))}")
        self.assertEqual(self.get("/b"), self.TEXT)
        transaction.begin()
        self.assertEqual(len(list(getUtility(ILibraryFileAliasSet).findBySHA256(sha256))), 2)

    def test_missing_bytes(self) -> None:
        self.put("/a", 5, b"five")
        Functional.world.store.remove(hashlib.sha256(b"five").hexdigest())
        with self.assertLogs("librarian.tracker.views", "ERROR"):
            answer = self.ask("GET", "/files/a")
        self.assertEqual(answer.status_int, 503)
        for header in ("ETag", "Last-Modified", "Cache-Control"):
            self.assertNotIn(header, answer.headers)


class DistrustTests(HttpCase):
    """Whatever is declared and not true leaves no trace."""

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

    def test_declared_and_untrue(self) -> None:
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

    def test_bombs(self) -> None:
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
    def test_what_was_done_is_written_down_and_what_was_not_is_not(self) -> None:
        date = f"?last_modified={quote(formatdate(5))}"
        with self.assertLogs("librarian.audit", "INFO") as logs:
            self.put("/a", 5, b"five")
            self.put("/a", 4, b"older")
            self.put("/a", 6, b"x", SHA256_Checksum="0" * 64)
            self.ask("DELETE", f"/files/a?last_modified={quote(formatdate(4))}")
            self.ask("DELETE", f"/files/a{date}")
        events = [json.loads(record.getMessage()) for record in logs.records]
        told = [
            (event["event"], event["name"], event["by"]) for event in events if "tracker" in event["event"]
        ]
        by = "system:tracker-writer"
        self.assertEqual(told, [("tracker file put", "/a", by), ("tracker file deleted", "/a", by)])
        self.assertEqual(events[-1]["from"], "127.0.0.1")


class FallbackTests(HttpCase):
    def test_only_reading_what_is_missing(self) -> None:
        with overlay("[librarian.tracker]\nfallback_url = http://old.example:9999/"):
            for method in ("GET", "HEAD"):
                answer = self.ask(method, "/files/a%20b?version=5")
                self.assertEqual(answer.status_int, 307)
                location, _, query = answer.headers["Location"].partition("?")
                self.assertEqual(location, "http://old.example:9999/files/a%20b")
                self.assertEqual(dict(parse_qsl(query))["version"], "5")
            self.assertEqual(self.put("/a%20b", 5, b"x").status_int, 200)
            self.assertEqual(self.ask("GET", "/files/a%20b").status_int, 200)
            self.assertEqual(
                self.ask("DELETE", f"/files/c?last_modified={quote(formatdate(5))}").status_int, 404
            )
            self.assertEqual(self.ask("GET", "/list/nothing").status_int, 400)

    def follow(self, *endpoints: str) -> list[int]:
        """Ask for what is nowhere, and go where we are sent: to trackers with these fallbacks in turn."""
        statuses, path = [], "/files/a%20b?version=5"
        for fallback in endpoints:
            with overlay(f"[librarian.tracker]\nfallback_url = {fallback}"):
                answer = self.ask("GET", path)
            statuses.append(answer.status_int)
            parts = urlsplit(answer.headers.get("Location", ""))
            path = f"{parts.path}?{parts.query}"
        return statuses

    def test_a_fallback_that_is_the_tracker_itself(self) -> None:
        here = "http://127.0.0.1:9999"
        self.assertEqual(self.follow(here, f"{here}/"), [307, 404])

    def test_two_trackers_that_point_at_each_other(self) -> None:
        statuses = self.follow("http://b.example", "http://a.example", "http://b.example")
        self.assertEqual(statuses, [307, 307, 404])

    def test_a_chain_of_three(self) -> None:
        self.assertEqual(self.follow("http://b.example", "http://c.example", "http://d.example"), [307] * 3)

    def test_fallbacks_that_clients_cannot_be_sent_to(self) -> None:
        for url in ("http://user:secret@old.example", "http://secret@old.example", "ftp://old.example",
                    "old.example:9999", "http://", "http://old.example:port", "http://old.example/?secret",
                    "http://[secret"):  # fmt: skip
            with self.subTest(url), self.assertRaises(SettingsError) as caught:
                Settings({"librarian.tracker.fallback_url": url}).section(TrackerSettings)
            self.assertIn("librarian.tracker.fallback_url: it ", str(caught.exception))
            self.assertNotIn("secret", str(caught.exception))
