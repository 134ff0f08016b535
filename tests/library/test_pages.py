"""The pages of a file, in browsers of people who may and who may not."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any
from urllib.parse import urlsplit

import transaction
from zope.component import getUtility

from librarian.countries.interfaces import ICountrySet
from librarian.library.interfaces import ILibraryFileAliasSet
from tests.support.servers.in_process import browser, request
from tests.web.support import APP, GOOD, PeopleInTheWorld


class Pages(PeopleInTheWorld):
    def browser_of(self, name: str) -> Any:
        app = browser()
        page = app.get("/+login", headers={"Accept": "text/html"})
        form = page.forms[0]
        form["name"], form["password"] = name, GOOD
        form.submit(headers={"Accept": "text/html"})
        transaction.abort()
        return app

    def get(self, app: Any, path: str, status: int = 200) -> Any:
        return app.get(path, headers={"Accept": "text/html"}, status=status)

    def submit(self, page: Any, action: str, **fields: str) -> Any:
        form = next(form for form in page.forms.values() if form.action.endswith(action))
        for name, value in fields.items():
            form[name] = value
        answer = form.submit(headers={"Accept": "text/html"})
        while answer.status_int == 303:
            answer = answer.follow(headers={"Accept": "text/html"})
        return answer

    def upload(self, app: Any, restricted: bool) -> Any:
        form = self.get(app, "/+upload").forms[0]
        form["file"] = [("plan <b>.txt", b"the plan", "text/plain")]
        form["restricted"] = restricted
        answer = form.submit(headers={"Accept": "text/html"})
        self.assertEqual(answer.status_int, 303)
        return answer.follow(headers={"Accept": "text/html"})

    def download(self, link: str) -> Any:
        parts = urlsplit(link)
        return request("GET", f"http://localhost:8000{parts.path}?{parts.query}", {"Host": parts.netloc})

    def test_a_file_may_have_the_type_of_a_form_but_a_part_with_parts_is_refused(self) -> None:
        for kind, status in (
            ("application/x-www-form-urlencoded", 201),
            ("multipart/mixed; boundary=C", 400),
            ("Multipart/form-data", 400),
        ):
            part = (
                '--B\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
                f"Content-Type: {kind}\r\n\r\na=b\r\n--B--\r\n"
            ).encode()
            for place in ("/+upload", "/tree/"):
                answer = request(
                    "POST",
                    APP + place,
                    {
                        "Authorization": self.basic("amy", GOOD),
                        "Content-Type": "multipart/form-data; boundary=B",
                    },
                    part,
                )
                self.assertEqual(answer.status_int, status, (place, kind, answer.text))

    def test_a_link_is_made_listed_used_and_revoked(self) -> None:
        bob = self.browser_of("bob")
        page = self.upload(bob, restricted=True)
        self.assertIn("There is no link", page.text)
        page = self.submit(page, "+tokens", lifetime="1h", uses="2")
        link = page.html.find(id="link")["href"]
        self.assertRegex(
            link, r"^https://i\d+\.restricted\.localhost:8000/\d+/plan%20%3Cb%3E\.txt\?token=\w{32}$"
        )
        self.assertEqual(self.download(link).body, b"the plan")
        page = self.get(bob, urlsplit(page.request.url).path.replace("+tokens", "+about"))
        self.assertIn("1 of 2", page.text)
        self.assertNotIn(link, page.text)
        self.assertIn("Bob", [cell.text for cell in page.html.table.find_all("td")])
        page = self.submit(page, "+revoke")
        self.assertIn("There is no link", page.text)
        self.assertEqual(self.download(link).status_int, 404)

    def test_a_link_works_until_the_end_of_a_day(self) -> None:
        bob = self.browser_of("bob")
        about = self.upload(bob, restricted=True)
        day = (self.world.clock.now() + timedelta(days=2)).date()
        link = self.submit(about, "+tokens", lifetime="until", until=day.isoformat()).html.find(id="link")[
            "href"
        ]
        transaction.abort()
        last = datetime.combine(day, time(23, 59), UTC)
        self.world.clock.move(seconds=(last - self.world.clock.now()).total_seconds())
        self.assertEqual(self.download(link).body, b"the plan")
        self.world.clock.move(minutes=1)
        self.assertEqual(self.download(link).status_int, 404)

    def test_a_refused_link_keeps_what_was_typed(self) -> None:
        about = self.upload(self.browser_of("bob"), restricted=True)
        for fields, wrong, reason in (
            ({"lifetime": "until", "until": ""}, "until", "Choose the day."),
            ({"lifetime": "1h", "uses": "0"}, "uses", "Number must be between 1 and 999999999."),
            ({"lifetime": "1h", "uses": "many"}, "uses", "Not a valid integer value."),
            ({"lifetime": "until", "until": "2099-01-01"}, "lifetime", "at most 7 days"),
        ):
            with self.subTest(fields):
                form = next(form for form in about.forms.values() if form.action.endswith("+tokens"))
                for name in ("uses", "until"):
                    form[name] = ""
                for name, value in fields.items():
                    form[name] = value
                page = form.submit(headers={"Accept": "text/html"}, status=400)
                field = page.html.find(attrs={"name": wrong})
                self.assertEqual(field["aria-invalid"], "true")
                self.assertIn(reason, page.html.find(id=field["aria-describedby"]).text)
                again = next(form for form in page.forms.values() if form.action.endswith("+tokens"))
                self.assertEqual({name: again[name].value for name in fields}, fields)
                self.assertIn("There is no link", page.text)

    def test_several_files_of_one_form(self) -> None:
        bob = self.browser_of("bob")
        form = self.get(bob, "/+upload").forms["add"]
        form["file"] = [(f"{name}.txt", name.encode(), "text/plain") for name in ("one", "two", "three")]
        answer = form.submit(headers={"Accept": "text/html"})
        page = answer.follow(headers={"Accept": "text/html"})
        self.assertIn("3 files were added", page.html.find(role="status").text)
        names = [link.text for link in page.html.find(role="status").find_all("a")]
        self.assertEqual(names, ["one.txt", "two.txt", "three.txt"])
        self.assertIn("one.txt", page.click("one.txt").html.h1.text)
        query = urlsplit(answer.location).query
        seen = self.get(self.browser_of("cat"), f"/+upload?{query}&added=1&added=x")
        self.assertEqual(seen.status_int, 200)
        programs = {"Authorization": self.basic("bob", GOOD), "Accept": "application/json"}
        answer = bob.post(
            "/+upload",
            upload_files=[("file", "a", b"a"), ("file", "b", b"b")],
            headers=programs,
            params={"csrf_token": form["csrf_token"].value},
        )
        self.assertEqual([file["filename"] for file in answer.json["files"]], ["a", "b"])

    def test_every_list_takes_files(self) -> None:
        bob = self.browser_of("bob")
        for path in ("/files", "/files?list=all", "/+search?q=plan"):
            self.assertEqual(self.get(bob, path).forms["add"]["file"].attrs["multiple"], "", path)
        for path in ("/files", "/+search?q=plan"):
            self.assertNotIn("add", self.get(browser(), path).forms, path)

    def test_filenames_are_escaped(self) -> None:
        page = self.upload(self.browser_of("bob"), restricted=False)
        self.assertIn("plan &lt;b&gt;.txt", page.text)
        self.assertNotIn("<b>", page.text)

    def test_deleting_and_bringing_back(self) -> None:
        bob = self.browser_of("bob")
        page = self.upload(bob, restricted=False)
        url = page.html.find("dd").a["href"]
        page = self.submit(page, "+delete")
        self.assertIn("This file is deleted", page.text)
        self.assertEqual(request("GET", url).status_int, 404)
        self.assertEqual(request("GET", f"{APP}{urlsplit(page.request.url).path[:-7]}").status_int, 410)
        page = self.submit(page, "+undelete")
        self.assertEqual(request("GET", url).body, b"the plan")

    def test_holding(self) -> None:
        page = self.upload(self.browser_of("bob"), restricted=False)
        page = self.submit(page, "+holds", reason="the exhibition")
        self.assertIn("library: the exhibition", page.text)

    def test_without_permission(self) -> None:
        path = urlsplit(self.upload(self.browser_of("bob"), restricted=True).request.url).path
        base = path.removesuffix("/+about")
        for name, headers in (("cat", {"Authorization": self.basic("cat", GOOD)}), ("anonymous", {})):
            for method, view in (
                ("GET", "/+about"),
                ("GET", ""),
                ("GET", "/+md5"),
                ("GET", "/+tokens"),
                ("POST", "/+tokens"),
                ("POST", "/+delete"),
                ("POST", "/+holds"),
            ):
                with self.subTest(f"{name} {method} {view}"):
                    answer = request(method, f"{APP}{base}{view}", headers)
                    self.assertEqual(answer.status_int, 403 if headers else 401)
                    self.assertNotIn("plan", answer.text)
        self.assertEqual(self.get(browser(), "/+upload", 303).location, "/+login?next=/%2Bupload")

    def test_administrators_may(self) -> None:
        path = urlsplit(self.upload(self.browser_of("bob"), restricted=True).request.url).path
        self.assertIn("Make a link", self.get(self.browser_of("amy"), path).text)

    def test_programs(self) -> None:
        path = urlsplit(self.upload(self.browser_of("bob"), restricted=True).request.url).path
        base, auth = f"{APP}{path.removesuffix('/+about')}", {"Authorization": self.basic("bob", GOOD)}
        json = {**auth, "Content-Type": "application/json"}
        made = request("POST", f"{base}/+tokens", json, b'{"lifetime": "15m", "uses": 1}')
        self.assertEqual(made.status_int, 201)
        self.assertEqual(self.download(made.json["url"]).body, b"the plan")
        listed = request("GET", f"{base}/+tokens", auth)
        self.assertEqual(listed.status_int, 200, listed.text)
        (token,) = listed.json
        self.assertEqual((token["uses"], token["max_uses"], token["asked_by"]), (1, 1, "person:bob"))
        self.assertEqual(
            request("POST", f"{base}/+holds", json, b'{"reason": "x"}').json, {"holders": ["library: x"]}
        )
        self.assertEqual(request("DELETE", f"{base}/+holds?reason=x", auth).json, {"holders": []})
        for body in (
            b'{"lifetime": "1 year"}',
            b'{"lifetime": "99d"}',
            b'{"uses": "-1"}',
            b'{"uses": 0}',
            b"[",
            b'{"lifetime": 5}',
            b'{"lifetime": "1h", "until": {}}',
            b'{"lifetime": "1h", "until": "2026-03-02"}',
        ):
            with self.subTest(body):
                self.assertEqual(request("POST", f"{base}/+tokens", json, body).status_int, 400)
        self.assertEqual(request("POST", f"{base}/+revoke", json, b'{"id": "00"}').status_int, 404)
        self.assertIsNone(re.search("token=", request("GET", f"{base}/+about", auth).text))

    def test_the_page_shows_the_file_and_who_added_it(self) -> None:
        page = self.upload(self.browser_of("bob"), restricted=True)
        self.assertEqual(page.html.find("pre", class_="preview").text, "the plan")
        self.assertIn("by Bob", page.text)
        self.assertIn("kept while something refers to it; if nothing does, about a week", page.text)

    def test_a_preview_comes_from_another_origin(self) -> None:
        bob = self.browser_of("bob")
        for restricted, source in ((False, "http://localhost:8000"), (True, "data:")):
            form = self.get(bob, "/+upload").forms[0]
            form["file"], form["restricted"] = [("a.png", b"\x89PNG", "image/png")], restricted
            page = form.submit(headers={"Accept": "text/html"}).follow(headers={"Accept": "text/html"})
            self.assertTrue(page.html.find("img")["src"].startswith(source))
            self.assertIn(f"img-src 'self' {source};", page.headers["Content-Security-Policy"])
            self.assertIn("script-src 'self'", page.headers["Content-Security-Policy"])

    def test_a_restricted_film_and_a_pdf_are_in_a_frame_with_their_own_host(self) -> None:
        bob = self.browser_of("bob")
        for restricted, kind in ((False, "application/pdf"), (True, "application/pdf"), (True, "video/mp4")):
            form = self.get(bob, "/+upload").forms["add"]
            form["file"], form["restricted"] = [("a", b"%PDF", kind)], restricted
            page = form.submit(headers={"Accept": "text/html"}).follow(headers={"Accept": "text/html"})
            frame = page.html.iframe["src"]
            if restricted:
                self.assertTrue(frame.endswith("/+preview"))
                self.assertEqual(page.html.iframe.parent.name, "details")
                self.assertIn("There is no link", page.text)
                frame = self.get(bob, frame, 302).location
                self.assertIn("?token=", frame)
            parts = urlsplit(frame)
            host = (
                f"i{page.request.path.split('/')[2]}."
                + ("restricted." if restricted else "")
                + "localhost:8000"
            )
            self.assertEqual(parts.netloc, host)
            self.assertIn(
                f"frame-src 'self' {parts.scheme}://{host};", page.headers["Content-Security-Policy"]
            )
            shown = self.download(frame)
            self.assertTrue(shown.headers["Content-Disposition"].startswith("inline"), shown.headers)
            self.assertTrue(shown.headers["Content-Security-Policy"].startswith("sandbox;"))

    def test_downloads_are_on_the_page(self) -> None:
        page = self.upload(self.browser_of("bob"), restricted=False)
        self.assertIn("It was not downloaded yet.", page.text)
        transaction.abort()
        alias = getUtility(ILibraryFileAliasSet)[int(page.request.path.split("/")[2])]
        switzerland = getUtility(ICountrySet)["CH"]
        alias.updateDownloadCount(self.world.clock.now().date(), switzerland, 7)
        transaction.commit()
        page = self.get(self.browser_of("bob"), page.request.path)
        self.assertEqual([bar.title.text[-1] for bar in page.html.svg.find_all("rect")], ["7"])
        self.assertIn("Switzerland7", page.html.find("table", class_="numbers").text.replace("\n", ""))

    def test_a_refused_hold_keeps_what_was_typed(self) -> None:
        page = self.upload(self.browser_of("bob"), restricted=False)
        form = next(form for form in page.forms.values() if form.action.endswith("+holds"))
        form["reason"] = "x" * 201
        page = form.submit(headers={"Accept": "text/html"}, status=400)
        self.assertEqual(page.html.find(id="reason")["value"], "x" * 201)
        self.assertEqual(page.html.find(id="reason")["aria-invalid"], "true")

    def test_a_file_stays_until_a_day(self) -> None:
        page = self.upload(self.browser_of("bob"), restricted=True)
        today = self.world.clock.now().date()
        page = self.submit(page, "+expiry", expires="until", until=(today + timedelta(days=3)).isoformat())
        self.assertEqual(page.html.main.find("dt", string="Stays").find_next("dd").text, "expires in 3 days")
        form = next(form for form in page.forms.values() if form.action.endswith("+expiry"))
        chosen = (form["expires"].value, form["until"].value)
        self.assertEqual(chosen, ("until", (today + timedelta(days=3)).isoformat()))
        page = self.submit(page, "+expiry", expires="never")
        self.assertIn("for good", page.html.find("dl").text)

    def test_a_day_that_is_none_is_marked(self) -> None:
        page = self.upload(self.browser_of("bob"), restricted=False)
        today = self.world.clock.now().date()
        for day, reason in (
            ("", "Choose the day."),
            ("soon", "Not a valid date value."),
            ((today - timedelta(days=1)).isoformat(), "This day is over."),
            ("9999-12-31", "Expires is a time (RFC 3339), a day as 2026-11-22, 30d, unreferenced or never."),
        ):
            form = next(form for form in page.forms.values() if form.action.endswith("+expiry"))
            form["expires"], form["until"] = "until", day
            answer = form.submit(headers={"Accept": "text/html"}, status=400)
            again = next(form for form in answer.forms.values() if form.action.endswith("+expiry"))
            self.assertEqual((again["expires"].value, again["until"].value), ("until", day))
            self.assertIn(reason, answer.html.main.text)

    def test_expiry_is_changed_and_a_hold_released(self) -> None:
        page = self.upload(self.browser_of("bob"), restricted=False)
        page = self.submit(page, "+expiry", expires="never")
        self.assertIn("for good", page.html.find("dl").text)
        page = self.submit(page, "+holds", reason="the audit")
        self.assertIn("library: the audit", page.text)
        self.assertIn("No system holds this file", self.submit(page, "+release").text)


class OddLinks(PeopleInTheWorld):
    """What is said of a link is well-formed, or there is none."""

    def setUp(self) -> None:
        super().setUp()
        self.headers = {"Authorization": self.basic("amy", "seven green bottles")}
        put = request("PUT", "http://localhost:9095/f.txt", {}, b"abc")
        self.url = f"http://localhost:6543/files/{put.json['id']}/+tokens"

    def status(self, body: bytes, kind: str = "application/x-www-form-urlencoded") -> int:
        answer = request("POST", self.url, {**self.headers, "Content-Type": kind}, body)
        return int(answer.status_int)

    def test_odd_ones(self) -> None:
        for body in (
            *(f"lifetime={odd}" for odd in ("", "+", "1y", "nan", "inf", "-1h", "0", "1e9d", "1h&lifetime=")),
            *(
                f"uses={odd}"
                for odd in ("0", "-1", "%2B1", "1.0", "1e3", "01", "x", "%D9%A1", "1%202", "1" * 10)
            ),
        ):
            with self.subTest(body=body):
                self.assertEqual(self.status(body.encode()), 400)
        for odd in ('""', "null", "1.5", "true", "[1]", "0", "-1", "1e10"):
            for name in ("uses", "lifetime"):
                if (name, odd) != ("uses", '""'):  # as of a form
                    with self.subTest(name=name, odd=odd):
                        self.assertEqual(
                            self.status(f'{{"{name}": {odd}}}'.encode(), "application/json"), 400
                        )
        self.assertEqual(request("GET", self.url, self.headers).json, [])

    def test_good_ones(self) -> None:
        for body in (b"", b"lifetime=1h", b"lifetime=90s&uses=3", b"lifetime=1d&uses="):
            with self.subTest(body=body):
                self.assertEqual(self.status(body), 201)
        for uses in ("2", "1.0", "1e1"):  # whole numbers of JSON (RFC 8259, section 6)
            body = f'{{"uses": {uses}, "lifetime": "1h"}}'.encode()
            self.assertEqual(self.status(body, "application/json"), 201)


class Search(PeopleInTheWorld):
    def test_a_digest_is_needed_and_one_is_enough(self) -> None:
        good = "a" * 40
        for query in (
            "",
            "?",
            "?digest=",
            "?digest=zz",
            "?digest=" + "g" * 40,
            "?digest=" + "a" * 32,
            "?id=5",
        ):
            for base in ("http://localhost:8000/search", "http://localhost:8005/search"):
                with self.subTest(query=query):
                    self.assertEqual(request("GET", base + query).status_int, 400)
        for query in (f"?digest={good}&digest={good}", f"?digest={good}%20", "?digest=" + "aa " * 13 + "a"):
            self.assertEqual(request("GET", f"http://localhost:8000/search{query}").status_int, 400)
        for query in (f"?digest={good}", f"?digest={'A' * 64}"):
            self.assertEqual(request("GET", f"http://localhost:8000/search{query}").text, "0")
