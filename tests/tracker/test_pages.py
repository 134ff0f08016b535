"""The tracker in the web application: pages, and the protocol for people and tokens."""

import gzip
import unittest
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

import transaction
from zope.component import getUtility

from librarian.tracker.interfaces import ITracker
from tests.support.documents.people import basic, person
from tests.support.layers import Functional
from tests.support.servers.in_process import request

BASE = "http://localhost:6543/tracker"
PASSWORD = "correct horse battery"


class PagesCase(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        person("mary", password=PASSWORD)

    def ask(self, method: str, path: str, body: bytes = b"", known: bool = True, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if known:
            named["Authorization"] = basic("mary", PASSWORD)
        return request(method, BASE + path, named, body, REMOTE_ADDR="127.0.0.1")

    def put(self, name: str, version: int, body: bytes) -> Any:
        return self.ask("PUT", f"/files{quote(name)}?last_modified={quote(formatdate(version))}", body)

    def page(self, path: str) -> str:
        answer = self.ask("GET", path, Accept="text/html")
        self.assertEqual(answer.status_int, 200, answer.text)
        self.assertEqual(answer.content_type, "text/html")
        return str(answer.text)


class ProtocolTests(PagesCase):
    def test_the_same_protocol(self) -> None:
        self.assertEqual(self.ask("GET", "/version/").json, {"protocol_versions": [1, 2]})
        self.assertEqual(self.put("/d/a", 5, b"five").status_int, 200)
        self.assertEqual(self.put("/d/a", 6, b"six").status_int, 200)
        self.assertEqual(self.ask("GET", "/files/d/a").body, b"six")
        self.assertEqual(self.ask("GET", "/files/d/a", Range="bytes=1-").body, b"ix")
        self.assertEqual(self.ask("GET", "/list/d").body, b"a\n")
        urls = [one["url"] for one in self.ask("GET", "/history/d/a").json["versions"]]
        self.assertEqual(urls, [f"{BASE}/files/d/a", f"{BASE}/files/d/a?version=5"])
        transaction.begin()
        self.assertEqual({file.owner for file in getUtility(ITracker).history("/d/a")}, {"person:mary"})
        path = f"/files/d/a?last_modified={quote(formatdate(6))}"
        self.assertEqual(self.ask("DELETE", path).status_int, 200)
        self.assertEqual(self.ask("GET", "/files/d/a").status_int, 404)

    def test_networks_matter_on_the_trackers_port_only(self) -> None:
        for path in ("/list/", "/files/a", "/history/a"):
            with self.subTest(path):
                answer = self.ask("GET", path, known=False)
                self.assertEqual(answer.status_int, 401)
                self.assertIn("Bearer", answer.headers["WWW-Authenticate"])

    def test_requests_of_a_foreign_page(self) -> None:
        path = f"/files/a?last_modified={quote(formatdate(5))}"
        answer = self.ask("DELETE", path, Origin="http://evil.example", Sec_Fetch_Site="cross-site")
        self.assertEqual(answer.status_int, 403)

    def test_refusals(self) -> None:
        for path, status in {
            "/files/../x": 400,
            "/files/a//b": 400,
            "/files/none": 404,
            "/list/none": 400,
            "/nothing": 404,
        }.items():
            with self.subTest(path):
                self.assertEqual(self.ask("GET", path).status_int, status)


class BrowsingTests(PagesCase):
    def test_empty(self) -> None:
        self.assertIn("Nothing has been put here yet", self.page(""))

    def test_directories_and_histories(self) -> None:
        self.put("/d/a & b", 5, b"five")
        self.put("/d/a & b", 6, b"six")
        self.put("/d/e/f", 7, b"seven")
        self.put("/top", 8, b"x" * 12345)
        top = self.page("")
        self.assertIn('<a href="/tracker/tree/d">d/</a>', top)
        self.assertIn("12\N{NARROW NO-BREAK SPACE}345", top)
        directory = self.page("/tree/d")
        self.assertIn('<a href="/tracker/tree/d/a%20%26%20b">a &amp; b</a>', directory)
        self.assertIn('<a href="/tracker/tree/d/e">e/</a>', directory)
        history = self.page("/tree/d/a%20%26%20b")
        self.assertEqual(
            [history.count(state) for state in (">present<", ">replaced<", ">deleted<")], [1, 1, 0]
        )
        self.assertIn("/tracker/files/d/a%20%26%20b?version=5", history)
        self.assertIn("<td>Mary</td>", history)  # the name of who put it, and no id
        self.assertNotIn("person:mary", history + directory)

    def test_sizes_packed_and_not(self) -> None:
        packed = gzip.compress(b"x" * 54321)
        named = f"/files/p?last_modified={quote(formatdate(5))}"
        self.assertEqual(self.ask("PUT", named, packed, Content_Encoding="gzip").status_int, 200)
        self.put("/u", 5, b"u")
        for page in (self.page(""), self.page("/tree/p")):
            self.assertIn("<td>54\N{NARROW NO-BREAK SPACE}321</td>", page)
            self.assertIn(f"<td>{len(packed)}</td>", page)
        self.assertIn("<td>not packed</td>", self.page("/tree/u"))

    def test_a_deleted_name_still_has_its_page(self) -> None:
        self.put("/a", 5, b"five")
        self.ask("DELETE", f"/files/a?last_modified={quote(formatdate(5))}")
        self.assertIn(">deleted<", self.page("/tree/a"))
        self.assertNotIn("/tree/a", self.page(""))

    def test_page_by_page(self) -> None:
        for number in range(501):
            self.put(f"/{number:03d}", 5, b"x")
        first = self.page("")
        self.assertIn("/tree/499", first)
        self.assertNotIn("/tree/500", first)
        self.assertIn('href="?after=499"', first)
        second = self.page("?after=499")
        self.assertIn("/tree/500", second)
        self.assertNotIn("after=", second)

    def test_not_found(self) -> None:
        for path in ("/tree/none", "/tree/a/../b", "/tree/%00", "/elsewhere"):
            with self.subTest(path):
                self.assertEqual(self.ask("GET", path, Accept="text/html").status_int, 404)

    def test_anonymous_visitors_are_sent_to_the_log_in(self) -> None:
        answer = self.ask("GET", "/tree/a", known=False, Accept="text/html")
        self.assertIn(answer.status_int, (302, 303))
        self.assertIn("/+login", answer.location)

    def test_names_are_escaped(self) -> None:
        self.put("/<script>alert(1)<", 5, b"x")
        self.assertNotIn("<script>alert", self.page(""))
