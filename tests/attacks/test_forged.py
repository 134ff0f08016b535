"""Forged requests: another site's page makes a browser with a session send what would change something.

Each view of the application that takes more than GET is sent each; all are refused, and nothing is changed.
"""

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

from tests.attacks.world import AttackedWorld, on_app
from tests.web.support import APP

FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=B"
HOST = APP.removeprefix("http://")
SAFE = ("GET", "HEAD", "OPTIONS")

#: What browsers have said of where a request comes from, and what a page might make them say.
SITES: tuple[dict[str, str], ...] = (
    {},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": f"https://{HOST}"},
    {"Origin": f"http://{HOST}.evil.example"},
    {"Origin": f"http://evil.example@{HOST}"},
    {"Origin": "http://localhost:8000"},  # where files of anybody are
    {"Origin": "http://localhost"},
    {"Origin": f"http://i5.{HOST}"},
    {"Origin": f"{APP}/"},
    {"Origin": f"{APP}, http://evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:8000"},
    {"Sec-Fetch-Site": "cross-site", "Origin": APP},
    {"Sec-Fetch-Site": "Same-Origin"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "same-origin, cross-site"},
    {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
    {"Sec-Fetch-Site": "same-origin"},  # and still no token
    {"Referer": f"{APP}/people"},
    {"Referer": "http://evil.example/", "Origin": APP},
)


def bodies() -> Iterator[tuple[str, bytes]]:
    """Content types and bodies that a form or a script elsewhere can send, without a token of ours."""
    text = json.dumps({"name": "x", "do": "x", "csrf_token": "x"})
    yield FORM, b"name=x&do=x"
    yield FORM, b"csrf_token=&name=x"
    yield (
        PARTS,
        b'--B\r\nContent-Disposition: form-data; name="csrf_token"; filename="t"\r\n\r\nx\r\n--B--\r\n',
    )
    yield "text/plain", text.encode()  # which no browser asks first for
    yield "application/json", text.encode()
    yield "", b""


class Forged(AttackedWorld):
    def setUp(self) -> None:
        super().setUp()
        self.cookies = self.session("amy")

    def session(self, name: str) -> str:
        """The Cookie field of a person who has logged in."""
        self.bobs.reset()
        self.assertEqual(self.log_in(name).status_int, 303)
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.bobs.cookiejar)

    def changing(self) -> Iterator[tuple[str, str, str]]:
        for name, url, methods in on_app(self.places):
            for method in methods or ("PUT", "POST", "DELETE"):
                if method not in SAFE:
                    yield name, method, url

    def refused(self, name: str, method: str, url: str, headers: dict[str, str], body: bytes = b"") -> Any:
        answer = self.ask(method, url, headers, body)
        self.sent += 1
        self.assertEqual(answer.status_int, 403, (name, method, headers, body, answer.text[:300]))
        return answer

    sent = 0

    def test_each_view_refuses_each_forgery(self) -> None:
        before = self.last_change()
        for target, (turn, site) in product(self.changing(), enumerate(SITES)):
            kinds = list(bodies())
            for kind, body in (kinds[turn % len(kinds)], kinds[(turn + 1) % len(kinds)]):
                headers = {"Cookie": self.cookies, **site, **({"Content-Type": kind} if kind else {})}
                self.refused(*target, headers, body)
        self.assertEqual(self.last_change(), before)
        self.assertGreater(self.sent, 2280)

    def test_tokens_of_others_and_pieces_of_tokens(self) -> None:
        page = self.bobs.get("/people/amy")
        own = next(form["csrf_token"].value for form in page.forms.values() if "csrf_token" in form.fields)
        strangers = "librarian-form=chosen-by-the-attacker"
        before = self.last_change()
        for name, method, url in self.changing():
            for cookie, token in (
                (self.cookies, own[:-1]),
                (self.cookies, own.upper() + "x"),
                (self.cookies, own + "\0"),
                (f"{self.cookies}; {strangers}", "chosen-by-the-attacker"),
                (f"{strangers}; {self.cookies}", "chosen-by-the-attacker"),
            ):
                headers = {"Cookie": cookie, "Origin": APP, "X-CSRF-Token": token}
                self.refused(name, method, url, headers)
                self.refused(name, method, f"{url}?csrf_token={own}", {"Cookie": cookie, "Origin": APP})
        self.assertEqual(self.last_change(), before)

    def test_remembered_basic_credentials_count_as_a_cookie(self) -> None:
        """A browser adds them by itself."""
        basic = self.basic("amy", "seven green bottles")
        before = self.last_change()
        for name, method, url in list(self.changing())[::6]:  # each costs a hash of a password
            self.refused(name, method, url, {"Authorization": basic, "Origin": "http://evil.example"})
        self.assertEqual(self.last_change(), before)

    def test_no_other_field_says_the_method(self) -> None:
        before = self.last_change()
        for name, url, methods in on_app(self.places):
            if "GET" not in methods or name in CHANGED_BY_READING:
                continue
            for method in ("DELETE", "POST", "PUT"):
                override = {
                    "X-HTTP-Method-Override": method,
                    "X-Method-Override": method,
                    "X-HTTP-Method": method,
                }
                answer = self.ask("GET", f"{url}?_method={method}&do=x", {"Cookie": self.cookies, **override})
                self.assertLess(answer.status_int, 500)
                self.assertEqual(self.last_change(), before, (name, method))

    def test_reading_changes_nothing(self) -> None:
        """An image on another site's page is a GET with the cookie."""
        for name, url, methods in on_app(self.places):
            for method in ("GET", "HEAD", "OPTIONS"):
                if method in methods and name not in CHANGED_BY_READING:
                    before = self.last_change()
                    self.ask(method, url, {"Cookie": self.cookies, "Sec-Fetch-Site": "cross-site"})
                    self.assertEqual(self.last_change(), before, (name, method))

    def test_what_our_own_pages_send_is_taken(self) -> None:
        """The control: with the token of the session the same requests come through to the view."""
        page = self.bobs.get("/people/amy")
        token = next(form["csrf_token"].value for form in page.forms.values() if "csrf_token" in form.fields)
        headers = {
            "Cookie": self.cookies,
            "Origin": APP,
            "Sec-Fetch-Site": "same-origin",
            "X-CSRF-Token": token,
        }
        refused = {"AppRoot +login"}  # without a name and a password, in its own words
        for name, method, url in self.changing():
            if name not in END_THE_SESSION:
                answer = self.ask(method, url, {**headers, "Content-Type": FORM}, b"")
                if answer.status_int == 403:
                    refused.add(name)
        self.assertEqual(refused, {"AppRoot +login"})


#: A restricted file is opened by way of a link that is made for it; events are kept while one listens.
CHANGED_BY_READING = {
    "ILibraryFileAlias",
    "ILibraryFileAlias +index",
    "ILibraryFileAlias +preview",
    "AppRoot events",
}
END_THE_SESSION = {"AppRoot +logout", "IPerson +sessions"}
