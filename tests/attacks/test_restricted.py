"""Restricted files under attack: by name, host, header, path, range and cache."""

import unittest
from io import BytesIO
from typing import Any

import transaction
from zope.component import getUtility

from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.tokens.interfaces import ITimeLimitedTokenSet
from tests.support.layers import Functional
from tests.support.servers.in_process import request

PUBLIC = "http://localhost:8000"
SECRET = b"the secret plan, all of it"


class Attacks(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        aliases = getUtility(ILibraryFileAliasSet)
        self.secret = aliases.create(
            "plan.txt", len(SECRET), BytesIO(SECRET), "text/plain", restricted=True
        ).id
        self.open = aliases.create("logo.txt", 4, BytesIO(b"LOGO"), "text/plain").id
        transaction.commit()
        self.token = getUtility(ITimeLimitedTokenSet).allocate(aliases[self.secret].private_url)

    def get(self, path: str, headers: Any = None, method: str = "GET") -> Any:
        answer = request(method, f"{PUBLIC}{path}", headers)
        self.assertLess(answer.status_int, 500)
        return answer

    def refused(self, path: str, headers: Any = None) -> None:
        for method in ("GET", "HEAD"):
            answer = self.get(path, headers, method)
            self.assertIn(answer.status_int, (400, 404, 405), (path, headers))
            self.assertNotIn(SECRET[:10], answer.body)
            self.assertNotIn("ETag", answer.headers)

    def test_guessed_names_and_ids(self) -> None:
        for path in (
            f"/{self.secret}",
            f"/{self.secret}/",
            f"/{self.secret}/plan.txt",
            f"/{self.secret}/PLAN.TXT",
            f"/0{self.secret}/plan.txt",
            f"/+{self.secret}/plan.txt",
            f"/{self.secret}.0/plan.txt",
            f"/1/{self.secret}/plan.txt",
            f"//{self.secret}/plan.txt",
            f"/{self.secret}/plan.txt/../plan.txt",
            f"/{self.open}/../{self.secret}/plan.txt",
            "/-1/plan.txt",
            "/99999999999999999999/plan.txt",
            "/%00/plan.txt",
            "/%D9%A1%D9%A2%D9%A3/plan.txt",
        ):
            with self.subTest(path):
                self.refused(path)

    def test_paths_that_some_software_normalises(self) -> None:
        query = f"?token={self.token}"
        self.assertEqual(self.get(f"/{self.secret}/plan.txt{query}").body, SECRET)
        self.assertEqual(self.get(f"/{self.secret}/%70lan.txt{query}").body, SECRET)
        for path in (
            f"/{self.secret}/%2570lan.txt",
            f"/{self.secret}/./plan.txt",
            f"/{self.secret}//plan.txt",
            f"/{self.secret}/x/../plan.txt",
            f"/{self.secret}/plan.txt/",
            f"/{self.secret}%2Fplan.txt/x",
            f"/{self.secret}/plan.txt%00",
            f"/{self.secret}/plan.txt;x",
        ):
            with self.subTest(path):
                self.refused(path + query)

    def test_hosts(self) -> None:
        mine = f"i{self.secret}.restricted.localhost"
        path = f"/{self.secret}/plan.txt?token={self.token}"
        for host in (mine, f"{mine}:8000", mine.upper(), "localhost:8000"):
            self.assertEqual(self.get(path, {"Host": host}).body, SECRET, host)
        for host in (
            f"i{self.open}.restricted.localhost",
            f"i{self.open}.restricted.localhost:8000",
            f"x.{mine}",
            f"i{self.secret}.restricted.evil.example",
            f"i{self.secret}.restricted.localhost.evil.example",
            f"i{self.secret}x.restricted.localhost",
            f"i0{self.secret}.restricted.localhost",
            "a.restricted.b",
            ".restricted.",
        ):
            with self.subTest(host):
                self.refused(path, {"Host": host})
                self.refused(f"/{self.open}/logo.txt", {"Host": host})

    def test_a_private_host_alone_gives_no_access(self) -> None:
        self.refused(f"/{self.secret}/plan.txt", {"Host": f"i{self.secret}.restricted.localhost"})

    def test_front_end_headers_from_clients_are_ignored(self) -> None:
        for headers in (
            {"X-Forwarded-Port": "8005"},
            {"X-Forwarded-Host": "localhost:8005"},
            {"Forwarded": "host=localhost:8005;proto=https"},
            {"Host": "localhost:8005"},
            {"X-Original-URL": f"/{self.secret}/plan.txt"},
            {"Front-End-Https": "on", "X-Scheme": "https"},
        ):
            with self.subTest(headers):
                self.refused(f"/{self.secret}/plan.txt", headers)

    def test_no_answer_may_be_cached(self) -> None:
        path = f"/{self.secret}/plan.txt?token={self.token}"
        etag = self.get(path).headers["ETag"]
        asked: tuple[tuple[str, dict[str, str], int], ...] = (
            ("GET", {}, 200),
            ("HEAD", {}, 200),
            ("GET", {"Range": "bytes=0-3"}, 206),
            ("GET", {"If-None-Match": etag}, 304),
            ("GET", {"Range": "bytes=99-"}, 416),
        )
        for method, headers, status in asked:
            with self.subTest(method, headers=headers):
                answer = self.get(path, headers, method)
                self.assertEqual(answer.status_int, status)
                self.assertNotIn("public", answer.headers.get("Cache-Control", ""))
                self.assertIn("no-store", answer.headers["Cache-Control"])
                if status in (200, 206):
                    self.assertEqual(answer.headers["Referrer-Policy"], "no-referrer")
        self.assertIn("no-store", self.get(f"/{self.secret}/plan.txt").headers["Cache-Control"])

    def test_conditions_and_ranges_reveal_nothing_without_a_token(self) -> None:
        etag = self.get(f"/{self.secret}/plan.txt?token={self.token}").headers["ETag"]
        for headers in (
            {"If-None-Match": etag},
            {"If-Match": etag},
            {"Range": "bytes=0-0"},
            {"If-Match": "*"},
        ):
            self.refused(f"/{self.secret}/plan.txt", headers)

    def test_a_search_by_digest_does_not_find_it(self) -> None:
        content = getUtility(ILibraryFileAliasSet)[self.secret].content
        for digest in (content.sha1, content.sha256, content.sha256.upper()):
            self.assertEqual(self.get(f"/search?digest={digest}").text, "0")
        for digest in ("", "xyz", "0" * 64, "%FF", "*", content.sha1 + "%00", content.md5):
            self.assertIn(self.get(f"/search?digest={digest}").status_int, (200, 400))

    def test_names_cannot_inject_headers(self) -> None:
        aliases = getUtility(ILibraryFileAliasSet)
        for name in (
            'a"; filename="evil.exe',
            "a\u2028b".replace("\u2028", "\u00a0"),
            "café\\",
            "%0d%0aSet-Cookie: x=1",
        ):
            alias_id = aliases.create(name, 1, BytesIO(b"x"), "text/plain").id
            transaction.commit()
            answer = request("GET", aliases[alias_id].http_url)
            self.assertEqual(answer.status_int, 200)
            self.assertNotIn("Set-Cookie", answer.headers)
            self.assertEqual(answer.headers["Content-Disposition"].count('filename="'), 1)

    def test_no_upload_reaches_the_other_space(self) -> None:
        for headers in (
            {"Host": "localhost:9095"},
            {"X-Forwarded-Port": "9095"},
            {"Librarian-Restricted": "yes"},
        ):
            answer = request("PUT", "http://localhost:9090/x", headers, b"x")
            self.assertIs(answer.json["restricted"], False)
        self.assertIs(
            request("PUT", "http://localhost:9095/x", {"Host": "localhost:9090"}, b"x").json["restricted"],
            True,
        )


class Referrers(unittest.TestCase):
    """No answer lets a browser tell its URL, with a token in it, to another site."""

    layer = Functional

    def test_every_answer_of_every_endpoint(self) -> None:
        for port in (8000, 8005, 9090, 9095, 9999, 9191, 6543):
            for path in ("/5/f?token=abc", "/", "/search", "/robots.txt", "/%ff", "/x/y/z?token=abc"):
                for method in ("GET", "POST", "TRACE"):
                    answer = request(method, f"http://localhost:{port}{path}")
                    shown = answer.headers.get("Referrer-Policy")
                    expected = "same-origin" if port == 6543 else "no-referrer"
                    self.assertEqual(shown, expected, (port, path, method, answer.status))
