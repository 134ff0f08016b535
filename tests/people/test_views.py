"""``/people`` in a browser and from programs: what is done, what is refused, what is shown as text."""

import json
import re
from typing import Any

import transaction
from zope.component import getUtility

from librarian.people.credentials.interfaces import ICredentialSet
from librarian.people.interfaces import IPersonSet, ITeamSet
from tests.support.servers.in_process import browser, request
from tests.web.support import APP, GOOD, PeopleInTheWorld

NEW = "eight brown bottles"


class Programs(PeopleInTheWorld):
    def send(self, method: str, path: str, body: Any = None, who: str = "amy") -> Any:
        headers = {"Authorization": self.basic(who, GOOD), "Content-Type": "application/json"}
        answer = request(
            method, f"{APP}/people{path}", headers, b"" if body is None else json.dumps(body).encode()
        )
        transaction.begin()
        return answer

    def test_a_person_from_beginning_to_end(self) -> None:
        cyd = {"name": "cyd", "display_name": "Cyd", "email": "cyd@example.com", "password": NEW}
        answer = self.send("POST", "", cyd)
        self.assertEqual((answer.status_int, answer.headers["Location"]), (201, f"{APP}/people/cyd"))
        self.assertEqual(
            self.send("PATCH", "/cyd", {"email": "c@example.com"}).json["email"], "c@example.com"
        )
        self.assertEqual(self.send("PATCH", "/cyd", {"active": False}).json["active"], False)
        self.assertEqual(self.send("PATCH", "/cyd", {"active": True}).json["active"], True)
        self.assertNotIn("email", self.send("GET", "/cyd", who="bob").json)

    def test_a_team_from_beginning_to_end(self) -> None:
        crew = {"kind": "team", "name": "crew", "display_name": "The crew", "owner": "bob"}
        self.assertEqual(self.send("POST", "", crew).json["owner"], "bob")
        self.assertEqual(
            self.send("POST", "/crew/+members", {"member": "amy"}, "bob").json["members"], ["amy"]
        )
        self.assertEqual(
            self.send("PATCH", "/crew", {"display_name": "Crew"}, "bob").json["display_name"], "Crew"
        )
        self.assertEqual(self.send("GET", "/amy").json["teams"], ["admins", "crew"])
        self.assertEqual(self.send("PATCH", "/crew", {"owner": "missing"}, "bob").status_int, 422)
        self.assertEqual(self.send("PATCH", "/crew", {"owner": "amy"}, "bob").json["owner"], "amy")
        self.assertEqual(self.send("PATCH", "/crew", {"owner": ""}, "bob").status_int, 403)
        self.assertIsNone(self.send("PATCH", "/crew", {"owner": ""}).json["owner"])
        self.assertEqual(self.send("PATCH", "/crew", {"owner": "bob"}).json["owner"], "bob")
        self.assertEqual(self.send("DELETE", "/crew/+members/amy", None, "bob").json["members"], [])

    def test_tokens(self) -> None:
        made = self.send("POST", "/bob/+tokens", {"title": "t", "scopes": ["read"], "days": 1}, "bob")
        self.assertEqual(made.status_int, 201)
        bearer = {"Authorization": f"Bearer {made.json['token']}"}
        self.assertEqual(request("GET", f"{APP}/people", bearer).status_int, 200)
        self.assertNotIn(made.json["token"], self.send("GET", "/bob/+tokens", who="bob").text)
        self.assertEqual(self.send("DELETE", f"/bob/+tokens/{made.json['id']}", None, "bob").status_int, 200)
        self.assertEqual(request("GET", f"{APP}/people", bearer).status_int, 401)

    def test_everything_in_one_change_or_nothing(self) -> None:
        answer = self.send("PATCH", "/bob", {"display_name": "Robert", "email": "no address"}, "bob")
        self.assertEqual(answer.status_int, 422)
        self.assertEqual(self.send("GET", "/bob", who="bob").json["display_name"], "Bob")
        weak = {"name": "cyd", "display_name": "Cyd", "password": "weak"}
        self.assertEqual(self.send("POST", "", weak).status_int, 422)
        self.assertEqual(self.send("GET", "/cyd").status_int, 404)

    def test_refusals(self) -> None:
        for who, method, path, body, status in (
            ("bob", "POST", "", {"name": "cyd", "display_name": "Cyd"}, 403),
            ("bob", "PATCH", "/amy", {"display_name": "A"}, 403),
            ("bob", "PATCH", "/bob", {"active": True}, 403),
            ("bob", "POST", "/admins/+members", {"member": "bob"}, 403),
            ("bob", "DELETE", "/admins/+members/amy", None, 403),
            ("bob", "GET", "/amy/+tokens", None, 403),
            ("bob", "POST", "/amy/+tokens", {"title": "t", "scopes": ["all"]}, 403),
            ("bob", "POST", "/amy/+password", {"new": NEW}, 403),
            ("bob", "POST", "/amy/+sessions", None, 403),
            ("amy", "POST", "", {"name": "bob", "display_name": "Bob"}, 409),
            ("amy", "POST", "", {"name": "cyd", "display_name": "C", "email": "BOB@example.com"}, 409),
            ("amy", "PATCH", "/amy", {"active": False}, 409),
            ("amy", "DELETE", "/admins/+members/amy", None, 409),
            ("amy", "POST", "/admins/+members", {"member": "admins"}, 409),
            ("amy", "POST", "/admins/+members", {"member": "missing"}, 422),
            ("amy", "DELETE", "/admins/+members/bob", None, 422),
            ("amy", "POST", "", {"name": "../x", "display_name": "C"}, 422),
            ("amy", "POST", "/bob/+tokens", {"title": "t", "scopes": ["nope"]}, 422),
            ("amy", "POST", "/bob/+tokens", {"title": "t", "scopes": ["read"], "days": 1e5}, 422),
            ("amy", "POST", "", {"name": "cyd"}, 400),
            ("amy", "POST", "", {"name": "cyd", "display_name": "C", "kind": "AAA"}, 400),
            ("amy", "POST", "", {"name": "cyd", "display_name": "C", "kind": ""}, 400),
            ("amy", "POST", "", {"name": "cyd", "display_name": "C", "kind": ["team"]}, 400),
            ("amy", "POST", "", {"name": 7, "display_name": []}, 400),
            ("amy", "PATCH", "/bob", {"active": "perhaps"}, 400),
            ("amy", "PATCH", "/bob", {"active": None}, 400),
            ("amy", "POST", "", ["name"], 400),
            ("amy", "POST", "/bob/+tokens", {"title": "t", "scopes": [1]}, 400),
            ("amy", "POST", "/bob/+tokens", {"title": "t", "scopes": ["read"], "days": "many"}, 400),
            ("amy", "POST", "/bob/+tokens", {"title": "t", "scopes": ["read"], "days": 1e9}, 400),
            ("amy", "DELETE", "/bob/+tokens/nosuch", None, 404),
            ("amy", "DELETE", "/bob/+tokens/a/b", None, 404),
            ("amy", "GET", "/missing", None, 404),
            ("amy", "GET", "/bob/+members", None, 404),
            ("amy", "DELETE", "/bob", None, 405),
            ("amy", "GET", "/bob/+password", None, 405),
        ):
            with self.subTest(f"{who}: {method} {path} {body}"):
                self.assertEqual(self.send(method, path, body, who).status_int, status)
        self.assertEqual(self.send("GET", "/cyd").status_int, 404)

    def test_allow_names_the_methods_of_the_path(self) -> None:
        for path, methods in (
            ("/bob/+tokens", "GET, HEAD, POST"),
            ("/bob/+tokens/x", "DELETE, POST"),
            ("/admins/+members", "POST"),
            ("/admins/+members/bob", "DELETE, POST"),
        ):
            for method in {"DELETE", "GET", "PATCH", "PUT"} - set(methods.split(", ")):
                with self.subTest(path, method=method):
                    answer = self.send(method, path)
                    self.assertEqual((answer.status_int, answer.headers["Allow"]), (405, methods))

    def test_days_left_empty_are_as_good_as_none(self) -> None:
        fields = {"title": "t", "scopes": ["read"]}
        usual = self.send("POST", "/bob/+tokens", fields, "bob").json["expires"]
        two_days = "2026-03-03T12:00:00+00:00"
        for stated, expires in (("", usual), ("2", two_days), (2.0, two_days)):
            made = self.send("POST", "/bob/+tokens", {**fields, "days": stated}, "bob")
            self.assertEqual((made.status_int, made.json["expires"]), (201, expires))

    def test_nothing_is_for_nobody(self) -> None:
        for path in ("", "/bob", "/admins", "/bob/+tokens"):
            self.assertEqual(request("GET", f"{APP}/people{path}").status_int, 401, path)

    def test_a_program_that_sends_no_json(self) -> None:
        headers = {"Authorization": self.basic("amy", GOOD), "Content-Type": "application/json"}
        for body in (b"", b"{", b"\xff", b"[" * 100_000, b'{"name": NaN}'):
            self.assertEqual(request("POST", f"{APP}/people", headers, body).status_int, 400, body[:10])


def choose_scopes(form: Any, *names: str) -> None:
    """Tick the boxes of these scopes."""
    for box in form.fields["scopes"]:
        box.checked = box._value in names


class OnesOwnPassword(PeopleInTheWorld):
    def change(self, **fields: str) -> Any:
        form = next(
            form for form in self.bobs.get("/people/bob").forms.values() if form.action.endswith("+password")
        )
        for name, value in fields.items():
            form[name] = value
        return form.submit(status="*")

    def test_it_needs_the_one_before(self) -> None:
        self.log_in("bob")
        self.assertEqual(self.change(current="wrong", new=NEW).status_int, 403)
        self.assertEqual(self.change(current=GOOD, new="short").status_int, 422)
        self.assertEqual(self.change(current=GOOD, new=NEW).status_int, 303)

    def test_other_browsers_are_logged_out_and_this_one_goes_on(self) -> None:
        other = browser()
        form = other.get("/+login").form
        form["name"], form["password"] = "bob", GOOD
        form.submit()
        self.log_in("bob")
        before = {cookie.name: cookie.value for cookie in self.bobs.cookiejar}
        self.change(current=GOOD, new=NEW)
        after = {cookie.name: cookie.value for cookie in self.bobs.cookiejar}
        self.assertNotEqual(before["librarian"], after["librarian"])
        self.assertEqual((self.bobs.get("/people").status_int, other.get("/people").status_int), (200, 303))

    def test_guessing_it_here_is_slowed_down_as_well(self) -> None:
        self.log_in("bob")
        for _time in range(5):
            self.change(current="wrong", new=NEW)
        self.world.clock.move(minutes=6)  # what was right a moment ago is remembered for five
        for _time in range(5):
            self.change(current="wrong", new=NEW)
        self.assertEqual(self.change(current=GOOD, new=NEW).status_int, 429)

    def test_logging_out_everywhere(self) -> None:
        self.log_in("bob")
        form = next(f for f in self.bobs.get("/people/bob").forms.values() if f.action.endswith("+sessions"))
        form.submit()
        self.assertEqual(self.bobs.get("/people").status_int, 303)


class Pages(PeopleInTheWorld):
    def test_names_are_text_and_not_html(self) -> None:
        evil = '"><script>alert(1)</script>'
        people = getUtility(IPersonSet)
        people["bob"].display_name = evil
        getUtility(ITeamSet).new("crew", evil).addMember(people["bob"])
        getUtility(ICredentialSet).of(people["bob"]).newToken(evil, ["read"])
        transaction.commit()
        self.log_in("amy")
        for path in ("/people", "/people/bob", "/people/crew", "/people/bob/+tokens"):
            page = self.bobs.get(path).text
            self.assertNotIn("<script>", page, path)
            self.assertIn("&lt;script&gt;", page, path)

    def test_an_administrator_adds_a_person_who_then_logs_in(self) -> None:
        self.log_in("amy")
        form = self.bobs.get("/people").form
        form["name"], form["display_name"], form["password"] = "cyd", "Cyd", NEW
        self.assertEqual(form.submit().headers["Location"], "/people/cyd")
        cyds = browser()
        form = cyds.get("/+login").form
        form["name"], form["password"] = "cyd", NEW
        self.assertEqual(form.submit().follow().status_int, 200)

    def test_a_token_is_shown_once(self) -> None:
        self.log_in("bob")
        form = self.bobs.get("/people/bob/+tokens").forms["new"]
        form["title"] = "laptop"
        choose_scopes(form, "read", "upload")
        shown = re.findall(r"lbr_[\w-]{43}", form.submit().text)
        self.assertEqual(len(shown), 1)
        page = self.bobs.get("/people/bob/+tokens")
        self.assertNotIn(shown[0], page.text)
        revoke = next(
            form for form in page.forms.values() if form.submit_fields() and "/+tokens/" in form.action
        )
        revoke.submit().follow()
        self.assertEqual(
            request("GET", f"{APP}/people", {"Authorization": f"Bearer {shown[0]}"}).status_int, 401
        )

    def test_scopes_are_chosen_with_their_limits(self) -> None:
        self.log_in("bob")
        form = self.bobs.get("/people/bob/+tokens").forms["new"]
        form["title"], form["only-tracker:read"] = "builder", "contest/1"
        form["only-tracker:write"] = "not chosen"
        choose_scopes(form, "read", "tracker:read")
        form.submit()
        transaction.abort()
        (token,) = getUtility(ICredentialSet).of(getUtility(IPersonSet)["bob"]).tokens()
        self.assertEqual(sorted(token.scopes), ["read", "tracker:read:contest/1"])

    def refused(self, form: Any, wrong: str, status: int, **fields: str) -> Any:
        """The form as the page has it that says what is wrong with the field `wrong`."""
        for name, value in fields.items():
            form[name] = value
        page = form.submit(headers={"Accept": "text/html"}, status=status)
        field = page.html.find(id=wrong)
        self.assertIn(f"{wrong}-error", field["aria-describedby"].split())
        self.assertNotEqual(page.html.find(id=f"{wrong}-error").text, "")
        again = next(each for each in page.forms.values() if each.action == form.action)
        for name, value in fields.items():
            if "password" not in (name, again[name].attrs.get("type")):
                self.assertEqual(again[name].value, value, name)
        return page

    def test_refused_forms_keep_what_was_typed_and_mark_what_is_wrong(self) -> None:
        self.log_in("amy")
        add = self.bobs.get("/people").form
        whole = {"name": "cyd", "display_name": "Cyd", "email": "cyd@example.com"}
        for wrong, status, value in (
            ("name", 422, "Not A Name"),
            ("name", 409, "bob"),
            ("name", 400, "  "),
            ("display_name", 400, ""),
            ("email", 422, "nonsense"),
            ("email", 409, "amy@example.com"),
            ("password", 422, "short"),
        ):
            with self.subTest(wrong, value=value):
                self.refused(add, wrong, status, **{**whole, "password": "", wrong: value})
                self.assertIsNone(getUtility(IPersonSet).getByName("cyd"))
                transaction.abort()
        self.refused(add, "owner", 422, **{**whole, "password": "", "kind": "team", "owner": "nosuch"})
        forms = self.bobs.get("/people/bob").forms.values()
        person = next(form for form in forms if "display_name" in form.fields)
        self.refused(person, "email", 422, display_name="Robert", email="nonsense")
        self.assertEqual(getUtility(IPersonSet)["bob"].display_name, "Bob")
        forms = self.bobs.get("/people/admins").forms.values()
        member = next(form for form in forms if "member" in form.fields)
        self.refused(member, "member", 422, member="nosuch")
        token = self.bobs.get("/people/bob/+tokens").forms["new"]
        choose_scopes(token, "read")
        page = self.refused(token, "days", 400, title="laptop", days="many")
        self.assertIsNotNone(page.html.find(attrs={"name": "scopes", "value": "read", "checked": True}))
        token = self.bobs.get("/people/bob/+tokens").forms["new"]
        token["title"] = "laptop"
        page = token.submit(headers={"Accept": "text/html"}, status=400)
        self.assertEqual(page.html.find(id="scopes-error").text, "Choose at least one.")

    def test_without_the_permission_a_page_has_no_form(self) -> None:
        self.log_in("bob")
        for path in ("/people", "/people/amy", "/people/admins"):
            self.assertEqual(self.bobs.get(path).forms, {}, path)
        self.assertNotIn("amy@example.com", self.bobs.get("/people/amy").text)

    def test_disabling_somebody(self) -> None:
        self.log_in("amy")
        form = list(self.bobs.get("/people/bob").forms.values())[-1]
        form.submit("active", value="no")
        self.assertIn("disabled", self.bobs.get("/people/bob").text)
        form = list(self.bobs.get("/people/bob").forms.values())[-1]
        form.submit("active", value="yes")
        self.assertNotIn("disabled", self.bobs.get("/people/bob").text)
