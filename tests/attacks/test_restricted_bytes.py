"""Restricted bytes, asked for in every way at every view, by all who may not have them.

Nothing of the bytes is shown, nor their digests, nor that they are there: a question about what is there and
the same question about what is not get the same answer.
"""

import hashlib
import re
import sys
import threading
from collections.abc import Iterator
from itertools import product
from types import FrameType
from typing import Any
from urllib.parse import quote, urlsplit

from tests.attacks.world import NAME, PUBLIC, SECRET, AttackedWorld, targets
from tests.support.world import overlay
from tests.web.support import APP

DIGESTS = tuple(hashlib.new(kind, SECRET).hexdigest() for kind in ("sha256", "sha1", "md5"))
ETAG = f'"{DIGESTS[0]}"'
ABSENT = "absent-secret.txt"  # as long as NAME
ACCEL = "[librarian]\naccel_redirect = /+bytes/\naccel_secret = " + "0123456789abcdef" * 4

FIELDS: tuple[dict[str, str], ...] = (
    {},
    {"Accept": "text/html"},
    {"Range": "bytes=0-9", "If-Range": ETAG},
    {"If-None-Match": ETAG},
    {"If-Match": ETAG, "Want-Repr-Digest": "sha-256=9"},
    {"If-Modified-Since": "Thu, 01 Jan 2099 00:00:00 GMT", "Cookie": "librarian=x; token=x"},
    {"X-Forwarded-Port": "8005", "X-Forwarded-Host": "localhost:8005", "Forwarded": "for=127.0.0.1"},
    {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Client-IP": "127.0.0.1"},
    {"X-Original-URL": "/{id}/{name}", "X-Rewrite-URL": "/{id}/{name}", "Host": "localhost:8005"},
    {"X-Accel-Redirect": "/+bytes/x", "X-Sendfile-Type": "X-Accel-Redirect", "Librarian-Accel": "on"},
    {"Host": "i{id}.restricted.localhost:8000"},
)
QUERIES = (
    "",
    "token=x",
    "download=1&preview=1&format=zip&version=1",
    "restricted=yes&list=all&recursive=yes",
)


class Asking(AttackedWorld):
    maxDiff = None
    sent = 0

    def setUp(self) -> None:
        super().setUp()
        self.bob = {"Authorization": f"Bearer {self.token('bob', 'all')}"}
        uploads = {"Authorization": f"Bearer {self.token('amy', 'upload', 'webhooks')}"}
        self.visitors: tuple[dict[str, str], ...] = ({}, self.bob, uploads)
        self.path = f"/{self.secret['id']}/{NAME}"

    def filled(self, fields: dict[str, str]) -> dict[str, str]:
        return {
            name: value.replace("{id}", str(self.secret["id"])).replace("{name}", NAME)
            for name, value in fields.items()
        }

    def nothing_told(self, method: str, url: str, headers: dict[str, str]) -> Any:
        """Neither the bytes, nor a digest of them, nor a name that was not said."""
        answer = self.ask(method, url, headers)
        self.sent += 1
        case = (method, url, headers, answer.status)
        said = f"{url} {headers}"
        told = answer.body + str(answer.headers).encode()
        self.assertLess(answer.status_int, 500, case)
        self.assertNotIn(SECRET[:10], told, case)
        self.assertNotIn("X-Accel-Redirect", answer.headers, case)
        for word in (*DIGESTS, DIGESTS[0][:12], NAME):
            if word not in said:
                self.assertNotIn(word.encode(), told, case)
        return answer


class Bytes(Asking):
    def test_every_view(self) -> None:
        for visitor in self.visitors:
            for (_name, url, methods), fields in product(targets(self.places), FIELDS):
                for query in QUERIES if not fields else QUERIES[:1]:
                    method = "GET" if not methods or "GET" in methods else methods[0]
                    asked = {**self.filled(fields), **visitor}
                    self.nothing_told(method, f"{url}?{query}" if query else url, asked)
        self.assertGreater(self.sent, 2000)

    def test_behind_a_front_end_that_sends_files(self) -> None:
        with overlay(ACCEL):
            for fields in FIELDS:
                for url in (
                    f"{PUBLIC}{self.path}",
                    f"{APP}/files/{self.secret['id']}",
                    f"{APP}/tree/plans/{NAME}",
                ):
                    self.nothing_told("GET", url, {**self.filled(fields), **self.bob})

    def test_lists_and_searches(self) -> None:
        words = (
            NAME,
            NAME[:6],
            "plan",
            "txt",
            str(self.secret["id"]),
            DIGESTS[0][:8],
            *DIGESTS,
            "plans/",
            "*",
            "",
        )
        for visitor, word in product(self.visitors, words):
            for path in ("/+search?q=", "/files?q=", "/files?id=", "/files?list=all&type=", "/tree/?q="):
                self.nothing_told("GET", f"{APP}{path}{quote(word)}", visitor)
            found = self.ask("GET", f"{PUBLIC}/search?digest={quote(word)}", visitor)
            self.assertIn((found.status_int, found.text), ((200, "0"), (400, found.text)), word)

    def tokens(self) -> Iterator[str]:
        """Those that open nothing here: of another file, in pieces, in other letters, twice, ended."""
        good, other = (url.rpartition("token=")[2] for url in (self.link, self.other_link))
        yield from ("", "x", "0" * len(good), other, good[:-1], good + "x", good.swapcase(), good[::-1])
        yield from (
            f"{good}%00",
            f"%20{good}",
            f"{good}/",
            f"{good},{other}",
            f"x&token={good}x",
            f"{good}%0a",
        )
        yield from (hashlib.sha256(good.encode()).hexdigest(), "*", "None", "null", "%", "%ff", "' or 1=1 --")

    def test_tokens(self) -> None:
        good = self.link.rpartition("token=")[2]
        self.assertEqual(self.ask("GET", f"{PUBLIC}{self.path}?token={good}").body, SECRET)  # the control
        for token, method, fields in product(self.tokens(), ("GET", "HEAD"), FIELDS[:6]):
            answer = self.nothing_told(method, f"{PUBLIC}{self.path}?token={token}", self.filled(fields))
            self.assertEqual(answer.status_int, 404, token)
        for place in (
            f"{self.path};token={good}",
            f"{self.path}/{good}",
            f"{self.path}?Token={good}",
            f"{self.path}%3Ftoken={good}",
        ):
            self.assertEqual(self.nothing_told("GET", f"{PUBLIC}{place}", {}).status_int, 404)
        for fields in (
            {"Cookie": f"token={good}"},
            {"Authorization": f"Bearer {good}"},
            {"Referer": self.link},
        ):
            self.assertIn(self.nothing_told("GET", f"{PUBLIC}{self.path}", fields).status_int, (401, 404))

    def test_tokens_that_have_ended(self) -> None:
        good = self.link.rpartition("token=")[2]
        once = self.as_admin("POST", f"/files/{self.secret['id']}/+tokens", {"uses": 1})["url"].rpartition(
            "="
        )[2]
        url = f"{PUBLIC}{self.path}?token="
        for _part in range(2):  # in pieces it is used up as well, and HEAD uses nothing
            self.ask("HEAD", f"{url}{once}")
        self.assertEqual(self.ask("GET", f"{url}{once}").body, SECRET)
        for fields in FIELDS:  # by another client: the same one may repair what arrived broken
            self.nothing_told("GET", f"{url}{once}", {**self.filled(fields), "User-Agent": "another"})
        self.as_admin("POST", f"/files/{self.secret['id']}/+delete", {})
        self.nothing_told("GET", f"{url}{good}", {})
        self.as_admin("POST", f"/files/{self.secret['id']}/+undelete", {})
        self.world.clock.move(days=2)
        for fields in FIELDS:
            self.nothing_told("GET", f"{url}{good}", self.filled(fields))


class Oracles(Asking):
    """What is there and what is not look the same to all who may not see it."""

    def twins(self) -> Iterator[tuple[str, str]]:
        """URLs of what is there, each with one of what is not."""
        here, absent = str(self.secret["id"]), str(int(self.secret["id"]) + 7_000)
        for query in ("", "?token=x", "?token=", "?download=1"):
            yield f"{PUBLIC}/{here}/{NAME}{query}", f"{PUBLIC}/{absent}/{NAME}{query}"
            yield f"{PUBLIC}/{here}/{ABSENT}{query}", f"{PUBLIC}/{absent}/{ABSENT}{query}"
            yield f"{APP}/tree/plans/{NAME}{query}", f"{APP}/tree/plans/{ABSENT}{query}"
        # /files/<id> asks a stranger to log in, and so tells that this id, drawn of 10^15, is in use.
        yield f"{PUBLIC}/search?digest={DIGESTS[1]}", f"{PUBLIC}/search?digest={'0' * 40}"
        yield f"{APP}/+search?q={DIGESTS[0]}", f"{APP}/+search?q={'0' * 64}"
        yield f"{APP}/+search?q={NAME}", f"{APP}/+search?q={ABSENT}"

    def test_the_same_words(self) -> None:
        for (here, absent), fields, visitor, method in product(
            self.twins(), FIELDS[:6], ({}, self.bob), ("GET", "HEAD", "PUT", "DELETE", "POST")
        ):
            if method != "GET" and fields:
                continue
            asked = {**self.filled(fields), **visitor}
            with self.subTest(method=method, url=here, headers=asked):
                first, second = (self.neutral(method, url, asked) for url in (here, absent))
                self.assertEqual(first, second)

    def neutral(
        self, method: str, url: str, headers: dict[str, str]
    ) -> tuple[str, list[tuple[str, str]], str]:
        """An answer without what was asked, and without the time and what is drawn by chance."""
        answer = self.ask(method, url, headers)
        fields = sorted(
            (n, v) for n, v in answer.headers.items() if n not in ("Date", "Set-Cookie", "Content-Length")
        )
        return answer.status, [(n, self._plain(v, url)) for n, v in fields], self._plain(answer.text, url)

    @staticmethod
    def _plain(text: str, url: str) -> str:
        for word in sorted(
            re.split(r"[/=&?]", urlsplit(url).path + "?" + urlsplit(url).query), key=len, reverse=True
        ):
            if len(word) > 3 or word.isdigit():
                text = text.replace(word, "_")
        return re.sub(r"value=\"[\w-]{32,}\"", "value", text)

    def test_the_same_work(self) -> None:
        """Calls of functions are counted in place of time, which a loaded machine makes of chance."""
        for here, absent in self.twins():
            for _warm in range(2):
                self.ask("GET", here), self.ask("GET", absent)
            one, other = self.calls(here), self.calls(absent)
            self.assertLess(max(one, other) / min(one, other), 1.35, (here, one, other))

    def calls(self, url: str) -> int:
        counted = [0]

        def count(_frame: FrameType, event: str, _argument: Any) -> None:
            counted[0] += event == "call"

        threading.setprofile(count)
        try:
            self.ask("GET", url)
        finally:
            threading.setprofile(None)
            sys.setprofile(None)
        return counted[0]
