"""Credentials with a request: odd headers, forged cookies, foreign sites, and where one is led."""

import base64
from typing import Any

import transaction
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.people.credentials.interfaces import IAuthenticator
from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.people.credentials.service import the_subtree
from librarian.people.interfaces import IPersonSet
from librarian.people.login import safe_next
from librarian.security.principals import ANONYMOUS
from librarian.web.identity import client_address, principal_of
from librarian.web.requests.request import Request
from tests.support.servers.in_process import Browser, browser, request
from tests.web.support import APP, GOOD, PeopleInTheWorld

PAGE = {"Accept": "text/html"}


class Headers(PeopleInTheWorld):
    def status(self, authorization: str) -> int:
        return int(request("GET", f"{APP}/people", {"Authorization": authorization}).status_int)

    def test_what_is_understood(self) -> None:
        token = self.token("bob", "read")
        for field in (
            self.basic("bob", GOOD),
            self.basic("BOB@example.com", GOOD),
            self.basic("", token),
            f"Bearer {token}",
            f"bearer   {token}",
            f"BASIC {self.basic('bob', GOOD)[6:]}",
        ):
            self.assertEqual(self.status(field), 200, field)

    def test_what_is_wrong_is_a_401_and_what_is_nonsense_a_400(self) -> None:
        def encoded(raw: bytes) -> str:
            return "Basic " + base64.b64encode(raw).decode()

        for field, status in {
            "Bearer lbr_wrong": 401,
            "Bearer ": 401,
            "Bearer": 401,
            encoded(b"bob:wrong"): 401,
            encoded(b":"): 401,
            encoded(b"bob:lbr_wrong"): 401,
            encoded("bob:\u00e4\x00".encode()): 401,
            encoded(b"bob"): 400,
            encoded(b"bob:\xff\xfe"): 400,
            "Basic ???": 400,
            "Basic": 400,
            "": 400,
            "Digest username=bob": 400,
            "x" * 8000: 400,
        }.items():
            with self.subTest(field[:40]):
                self.assertEqual(self.status(field), status)

    def test_a_refusal_names_both_ways_to_be_somebody(self) -> None:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            answer = request("GET", f"{APP}/people", headers)
            self.assertEqual(answer.status_int, 401)
            self.assertEqual(
                answer.headers.getall("WWW-Authenticate"),
                ['Basic realm="librarian", charset="UTF-8"', 'Bearer realm="librarian"'],
            )
            self.assertEqual(answer.headers["Cache-Control"], "no-store")

    def test_a_wrong_header_is_refused_though_the_page_is_public(self) -> None:
        self.assertEqual(request("GET", f"{APP}/", {"Authorization": "Bearer wrong"}).status_int, 401)

    def test_failures_are_told_when_to_come_back(self) -> None:
        for _time in range(5):
            self.status(self.basic("bob", "wrong"))
        answer = request("GET", f"{APP}/people", {"Authorization": self.basic("bob", GOOD)})
        self.assertEqual((answer.status_int, answer.headers["Retry-After"]), (429, "1"))

    def test_forged_headers_do_not_shift_failures_to_another_address(self) -> None:
        for number in range(6):
            headers = {
                "Authorization": self.basic("bob", "wrong"),
                "X-Forwarded-For": f"198.51.100.{number}",
                "Forwarded": f"for=198.51.100.{number}",
                "X-Real-Ip": f"198.51.100.{number}",
            }
            answer = request("GET", f"{APP}/people", headers)
        self.assertEqual(answer.status_int, 429)

    def test_a_token_that_does_not_reach_says_so(self) -> None:
        answer = request("GET", f"{APP}/people", {"Authorization": f"Bearer {self.token('amy', 'upload')}"})
        self.assertEqual(answer.status_int, 403)
        self.assertIn('error="insufficient_scope"', answer.headers["WWW-Authenticate"])

    def test_a_cookie_is_nothing_where_sessions_do_not_count(self) -> None:
        self.log_in("bob")
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.bobs.cookiejar)
        transaction.begin()
        sent = Request.blank("/", headers={"Cookie": cookies})
        self.assertEqual(principal_of(sent, sessions=True).id, "person:bob")
        self.assertIs(principal_of(sent), ANONYMOUS)

    def test_a_place_is_what_the_server_says(self) -> None:
        sent = Request.blank("/", headers={"X-Forwarded-For": "198.51.100.1"})
        sent.environ["REMOTE_ADDR"] = "192.0.2.1"
        self.assertEqual(client_address(sent), "192.0.2.1")


class Cookies(PeopleInTheWorld):
    def cookie(self, name: str = "librarian") -> Any:
        return next((cookie for cookie in self.bobs.cookiejar if cookie.name == name), None)

    def test_its_attributes(self) -> None:
        answer = self.log_in("bob")
        kept = [field for field in answer.headers.getall("Set-Cookie") if field.startswith("librarian=")]
        self.assertEqual(len(kept), 1)
        attributes = set(kept[0].split("; ")[1:])
        self.assertLessEqual({"HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=604800"}, attributes)
        self.assertFalse([one for one in attributes if one.startswith("Domain")])

    def test_over_https_it_is_for_this_host_alone(self) -> None:
        secure = Browser(
            self.bobs.app,
            extra_environ={
                "SERVER_PORT": "6543",
                "HTTP_HOST": "files.example.com",
                "wsgi.url_scheme": "https",
                "HTTP_ACCEPT": "text/html",
            },
        )
        form = secure.get("/+login").form
        form["name"], form["password"] = "bob", GOOD
        answer = form.submit()
        kept = next(c for c in answer.headers.getall("Set-Cookie") if c.startswith("__Host-librarian="))
        self.assertIn("secure", kept.lower().split("; "))
        self.assertEqual(secure.get("/people").status_int, 200)

    def test_logging_in_begins_a_new_session(self) -> None:
        door = getUtility(IAuthenticator)
        planted = door.begin_session(PersonPrincipal(getUtility(IPersonSet)["amy"]), "192.0.2.9")
        transaction.commit()
        self.bobs.set_cookie("librarian", planted)
        self.log_in("bob")
        self.assertNotEqual(self.cookie().value, planted)
        self.assertIn("Bob", self.bobs.get("/people").text)
        transaction.begin()
        self.assertEqual(len(the_subtree().sessions), 1)

    def test_logging_out_ends_it_on_the_server_too(self) -> None:
        self.log_in("bob")
        copied = self.cookie().value
        self.bobs.get("/+logout").form.submit()
        self.assertIsNone(self.cookie())
        self.bobs.set_cookie("librarian", copied)
        self.assertEqual(self.bobs.get("/people").status_int, 303)

    def test_a_link_does_not_log_out(self) -> None:
        self.log_in("bob")
        self.bobs.get("/+logout")
        self.assertEqual(self.bobs.get("/people").status_int, 200)

    def test_made_up_cookies_are_nobody(self) -> None:
        self.log_in("bob")
        value = self.cookie().value
        for made_up in ("", "x", value[:-1], value + "x", "x" * 4000, '"', "%00", "\x7f"):
            answer = request("GET", f"{APP}/people", {"Cookie": f"librarian={made_up}", **PAGE})
            self.assertEqual(answer.status_int, 303, made_up[:10])

    def test_a_disabled_person_is_logged_out_at_once(self) -> None:
        self.log_in("bob")
        removeSecurityProxy(getUtility(IPersonSet)["bob"]).disable()
        transaction.commit()
        self.assertEqual(self.bobs.get("/people").status_int, 303)

    def test_personal_answers_are_not_kept_by_caches(self) -> None:
        self.log_in("bob")
        for path in ("/", "/people", "/people/bob", "/people/bob/+tokens", "/+login", "/+logout"):
            self.assertIn("no-store", self.bobs.get(path).headers["Cache-Control"], path)


class ForeignSites(PeopleInTheWorld):
    def setUp(self) -> None:
        super().setUp()
        self.log_in("bob")

    def post(self, headers: dict[str, str], **fields: str) -> int:
        return int(self.bobs.post("/people/bob", fields, headers=headers, status="*").status_int)

    def token_of_the_form(self) -> str:
        return str(self.bobs.get("/people/bob").forms[0]["csrf_token"].value)

    def test_without_the_forms_token_nothing_happens(self) -> None:
        for fields in ({}, {"csrf_token": ""}, {"csrf_token": "guess"}, {"csrf_token": "\u00e4"}):
            self.assertEqual(self.post({}, display_name="Robert", **fields), 403)
        self.assertIn("Bob", self.bobs.get("/people/bob").text)

    def test_with_it_but_from_another_site_nothing_happens(self) -> None:
        token = self.token_of_the_form()
        for headers in (
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://localhost:8000"},
            {"Origin": "https://localhost:6543"},
            {"Origin": "http://localhost:6543.evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:6543"},
        ):
            self.assertEqual(self.post(headers, csrf_token=token, display_name="Robert"), 403, headers)
        for headers in ({"Origin": "http://localhost:6543"}, {"Sec-Fetch-Site": "same-origin"}, {}):
            self.assertEqual(self.post(headers, csrf_token=token, display_name="Robert"), 303, headers)

    def test_the_token_of_one_session_is_worth_nothing_in_another(self) -> None:
        token = self.token_of_the_form()
        self.bobs.get("/+logout").form.submit()
        self.assertEqual(self.post({}, csrf_token=token, display_name="Robert"), 403)

    def test_a_planted_form_cookie_does_not_replace_it(self) -> None:
        self.bobs.set_cookie("librarian-form", "planted")
        self.assertEqual(self.post({}, csrf_token="planted", display_name="Robert"), 403)

    def test_logging_in_is_protected_as_well(self) -> None:
        fields = {"name": "bob", "password": GOOD}
        self.assertEqual(
            browser()
            .post("/+login", fields, headers={"Origin": "http://evil.example"}, status="*")
            .status_int,
            403,
        )
        fresh = browser()
        fresh.get("/+login")
        answer = fresh.post("/+login", {**fields, "csrf_token": "guess"}, status="*")
        self.assertEqual(answer.status_int, 403)

    def test_programs_need_no_form_but_browsers_with_a_remembered_password_do(self) -> None:
        basic = {"Authorization": self.basic("bob", GOOD), "Content-Type": "application/json"}
        body = b'{"display_name": "Robert"}'
        self.assertEqual(request("PATCH", f"{APP}/people/bob", basic, body).status_int, 200)
        for said in (
            {"Sec-Fetch-Site": "same-origin"},
            {"Origin": "http://localhost:6543"},
            {"Cookie": "a=b"},
        ):
            self.assertEqual(request("PATCH", f"{APP}/people/bob", {**basic, **said}, body).status_int, 403)
        bearer = {"Authorization": f"Bearer {self.token('bob', 'all')}", "Content-Type": "application/json"}
        answer = request("PATCH", f"{APP}/people/bob", {**bearer, "Sec-Fetch-Site": "same-origin"}, body)
        self.assertEqual(answer.status_int, 200)

    def test_other_endpoints_take_nothing_from_foreign_pages_either(self) -> None:
        for said in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "same-site"}):
            answer = request("POST", "http://localhost:9090/drive-by.txt", said, b"hello")
            self.assertEqual(answer.status_int, 403)
        self.assertEqual(request("POST", "http://localhost:9090/mine.txt", {}, b"hello").status_int, 201)

    def test_no_other_site_puts_our_pages_into_a_frame(self) -> None:
        answer = request("GET", f"{APP}/+login", PAGE)
        self.assertEqual(answer.headers["X-Frame-Options"], "DENY")
        self.assertIn("frame-ancestors 'none'", answer.headers["Content-Security-Policy"])


class WhereOneIsLed(PeopleInTheWorld):
    AWAY = (
        "http://evil.example/",
        "https:evil.example",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\x00//evil.example",
        " //evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "evil.example",
        "@evil.example",
        "/" + "x" * 2001,
        "/\u2044evil.example",
        "/+login?next=/+login",
        "/+logout",
        "",
    )

    def test_only_to_pages_of_this_site(self) -> None:
        for path in ("/", "/people", "/people/bob?a=b&c=%2F%2Fevil", "/files/1/a%20b", "/a//b"):
            self.assertEqual(safe_next(path), path)
        for path in self.AWAY:
            self.assertEqual(safe_next(path), "/", path)

    def test_after_the_form_as_well(self) -> None:
        for path in self.AWAY:
            fresh = browser()
            form = fresh.get("/+login").form
            form["name"], form["password"], form["next"] = "bob", GOOD, path
            answer = form.submit()
            self.assertEqual((answer.status_int, answer.headers["Location"]), (303, "/"), path)

    def test_a_false_host_leads_nowhere(self) -> None:
        for headers in (
            {"Host": "evil.example"},
            {"Host": "localhost:6543", "X-Forwarded-Host": "evil.example"},
        ):
            answer = request("GET", f"{APP}/people", {**headers, **PAGE})
            self.assertEqual(answer.headers["Location"], "/+login?next=/people")

    def test_the_way_back_cannot_end_the_header(self) -> None:
        answer = request("GET", f"{APP}/people/%0d%0aSet-Cookie:%20a=b/+tokens", PAGE)
        self.assertEqual(answer.status_int, 404)
        answer = request("GET", f"{APP}/people?x=%0d%0aSet-Cookie:%20a=b", PAGE)
        self.assertNotIn("\n", answer.headers["Location"])
        self.assertNotIn("Set-Cookie", answer.headers)

    def test_a_form_sent_after_the_log_out_leads_to_the_log_in(self) -> None:
        fresh = browser()
        token = fresh.get("/+login").form["csrf_token"].value
        answer = fresh.post("/people/bob", {"csrf_token": token, "display_name": "x"})
        self.assertEqual((answer.status_int, answer.headers["Location"]), (303, "/+login?next=/people/bob"))


class TheForm(PeopleInTheWorld):
    def submit(self, name: str, password: str) -> Any:
        form = browser().get("/+login").form
        form["name"], form["password"] = name, password
        return form.submit(status="*")

    def test_a_wrong_password_and_a_wrong_name_look_the_same(self) -> None:
        one, other = self.submit("bob", "wrong"), self.submit("bobby", "wrong")
        self.assertEqual((one.status_int, other.status_int), (403, 403))
        self.assertIn("The name or the password is wrong", one.text)
        self.assertIn("The name or the password is wrong", other.text)

    def test_too_many_failures(self) -> None:
        for _time in range(5):
            self.submit("bob", "wrong")
        answer = self.submit("bob", GOOD)
        self.assertEqual((answer.status_int, answer.headers["Retry-After"]), (429, "1"))
        self.world.clock.move(seconds=1)
        self.assertEqual(self.submit("bob", GOOD).status_int, 303)

    def test_what_was_typed_is_shown_as_text(self) -> None:
        answer = self.submit('"><script>alert(1)</script>', "wrong")
        self.assertNotIn("<script>", answer.text)
        self.assertIn("&lt;script&gt;", answer.text)

    def test_malformed_forms(self) -> None:
        fresh = browser()
        token = fresh.get("/+login").form["csrf_token"].value
        for body, content_type in (
            (f"csrf_token={token}", "application/x-www-form-urlencoded"),
            (f"csrf_token={token}&name=bob", "application/x-www-form-urlencoded"),
            (f"csrf_token={token}&name=%ff%fe&password=%00", "application/x-www-form-urlencoded"),
            ("x" * 100_000, "application/x-www-form-urlencoded"),
            ("{}", "application/json"),
            ("--x", "multipart/form-data; boundary=x"),
            ("", "multipart/form-data"),
            (f"csrf_token={token}", "application/x-www-form-urlencoded; charset=nope"),
        ):
            answer = fresh.post("/+login", body, headers={"Content-Type": content_type}, status="*")
            self.assertTrue(400 <= answer.status_int < 500, (body[:40], answer.status_int))

    def test_malformed_requests_for_pages(self) -> None:
        for path, headers in (
            ("/%ff", {}),
            ("/people/%ff/+tokens", {}),
            ("/+login?next=%ff", {}),
            ("/", {"Authorization": "Basic \xff"}),
        ):
            for accept in ("text/html", "*/*"):
                answer = request("GET", f"{APP}{path}", {**headers, "Accept": accept})
                self.assertEqual(answer.status_int, 400, path)

    def test_other_methods(self) -> None:
        for method in ("PUT", "DELETE", "PATCH", "TRACE"):
            self.assertIn(request(method, f"{APP}/+login", {}).status_int, (403, 405))
