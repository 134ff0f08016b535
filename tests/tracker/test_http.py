"""The protocol over HTTP: which version wins, and what is sent."""

import gzip
import hashlib
from email.utils import formatdate
from urllib.parse import quote

import transaction
from zope.component import getUtility

from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.tracker.client.versioned_names import MAX_VERSION
from librarian.tracker.interfaces import ITracker
from librarian.tracker.protocol import SMALLEST_PACKED
from tests.support.layers import Functional
from tests.tracker.http_case import HttpCase


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

    def test_a_repeated_put_is_stored_once(self) -> None:
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

    def test_delete_in_the_form_of_filetracker_1(self) -> None:
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

    def test_a_large_file_packed_while_sending(self) -> None:
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

    def test_conditions_on_a_file_packed_while_sending(self) -> None:
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
            answer = self.ask("GET", f"/files{name}", Accept_Encoding="gzip")
            self.assertEqual((answer.body, "Content-Encoding" in answer.headers), (b"", False))

    def test_a_small_file_is_sent_plain(self) -> None:
        for size, coding in ((SMALLEST_PACKED - 1, None), (SMALLEST_PACKED, "gzip")):
            data = (self.TEXT * 2)[:size]
            self.put("/plain", 5, data)
            self.put("/packed", 5, gzip.compress(data), Content_Encoding="gzip", Logical_Size=str(size))
            for name in ("/plain", "/packed"):
                answer = self.ask("GET", f"/files{name}", Accept_Encoding="gzip")
                self.assertEqual(answer.headers.get("Content-Encoding"), coding)
                self.assertEqual(answer.headers["Vary"], "Accept-Encoding")
                self.assertEqual(gzip.decompress(answer.body) if coding else answer.body, data)

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
