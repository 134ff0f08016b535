"""``/files`` and the search, in browsers of a stranger, an owner, another person and an administrator."""

import re
from io import BytesIO
from typing import Any

import transaction
from zope.component import getUtility

from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.naming.interfaces import INamedTree
from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.people.interfaces import IPersonSet
from librarian.security.interaction import acting_as
from tests.support.servers.in_process import browser, request
from tests.web.support import APP, GOOD, PeopleInTheWorld


def filters(page: Any) -> Any:
    """The form of a list that narrows it down."""
    return next(form for form in page.forms.values() if "type" in form.fields)


class Lists(PeopleInTheWorld):
    def setUp(self) -> None:
        super().setUp()
        self.add("bob", "Q3 report.txt", restricted=True)
        self.alias_id = self.add("bob", "logo.png", mimetype="image/png")
        self.add("cat", "zebra <b>.txt")
        self.world.index()

    def add(self, owner: str, name: str, mimetype: str = "text/plain", **options: Any) -> int:
        with acting_as(PersonPrincipal(getUtility(IPersonSet)[owner])):
            data = name.encode()
            alias = getUtility(ILibraryFileAliasSet).create(
                name, len(data), BytesIO(data), mimetype, **options
            )
            alias_id: int = alias.id
        transaction.commit()
        self.world.clock.move(seconds=1)
        return alias_id

    def visitor(self, name: str) -> Any:
        app = browser()
        form = app.get("/+login").form
        form["name"], form["password"] = name, GOOD
        form.submit()
        transaction.abort()
        return app

    def names(self, page: Any) -> list[str]:
        return [row.find("td").find("a").text for row in page.html.select("table.files tbody tr")]

    def json(self, who: str, path: str, status: int = 200) -> Any:
        answer = request("GET", APP + path, {"Authorization": self.basic(who, GOOD)})
        self.assertEqual(answer.status_int, status, answer.text)
        return answer.json

    def test_each_sees_their_own_first_and_then_what_they_may(self) -> None:
        bob = self.visitor("bob")
        page = bob.get("/files")
        self.assertEqual(self.names(page), ["logo.png", "Q3 report.txt"])
        self.assertEqual(page.html.select_one(".tabs a[aria-current]").text, "My files")
        page = page.click("All, by name")
        self.assertEqual(self.names(page), ["logo.png", "Q3 report.txt", "zebra <b>.txt"])
        self.assertEqual(self.names(page.click("Name")), ["zebra <b>.txt", "Q3 report.txt", "logo.png"])
        self.assertEqual(
            self.names(self.visitor("cat").get("/files?list=all")), ["zebra <b>.txt", "logo.png"]
        )
        self.assertEqual(len(self.names(self.visitor("amy").get("/files?list=all"))), 3)

    def test_a_stranger_is_told_what_to_do(self) -> None:
        page = browser().get("/files")
        self.assertIn("Log in to see your files", page.text)
        self.assertEqual(self.names(page), [])
        self.assertEqual(request("GET", f"{APP}/files").status_int, 401)

    def test_a_page_goes_on_and_back(self) -> None:
        amy = self.visitor("amy")
        page = amy.get("/files?list=all&size=2&sort=name")
        self.assertEqual(self.names(page), ["logo.png", "Q3 report.txt"])
        page = page.click("Next")
        self.assertEqual(self.names(page), ["zebra <b>.txt"])
        self.assertNotIn("Next", [link.text for link in page.html.select("main a")])
        self.assertEqual(self.names(page.click("Previous")), ["logo.png", "Q3 report.txt"])
        self.assertEqual(self.names(page.click("First page")), ["logo.png", "Q3 report.txt"])

    def test_filters(self) -> None:
        amy = self.visitor("amy")
        form = filters(amy.get("/files?list=all"))
        form["type"] = "image"
        self.assertEqual(self.names(form.submit()), ["logo.png"])
        form["type"], form["owner"], form["space"] = "", "bob", "restricted"
        page = form.submit()
        self.assertEqual(self.names(page), ["Q3 report.txt"])
        self.assertEqual(filters(page)["owner"].value, "bob")
        self.assertNotIn("owner", filters(self.visitor("bob").get("/files?list=all")).fields)

    def test_what_was_deleted_is_brought_back(self) -> None:
        bob = self.visitor("bob")
        page = bob.get(f"/files/{self.alias_id}/+about")
        next(form for form in page.forms.values() if "+delete" in form.action).submit()
        self.world.index()
        self.assertEqual(self.names(bob.get("/files")), ["Q3 report.txt"])
        page = bob.get("/files").click("Deleted")
        self.assertEqual(self.names(page), ["logo.png"])
        next(form for form in page.forms.values() if form.action.endswith("+undelete")).submit()
        self.world.index()
        self.assertEqual(self.names(bob.get("/files")), ["logo.png", "Q3 report.txt"])

    def test_the_same_as_json(self) -> None:
        found = self.json("bob", "/files?size=1")
        self.assertEqual([file["filename"] for file in found["files"]], ["logo.png"])
        self.assertEqual(found["files"][0]["owner_name"], "Bob")
        self.assertEqual(found["files"][0]["downloads"], 0)
        self.assertIsNone(found["previous"])
        self.assertEqual(self.json("bob", found["next"])["files"][0]["filename"], "Q3 report.txt")

    def test_what_cannot_be_asked_is_one_line(self) -> None:
        for query in (
            "list=x",
            "sort=x",
            "size=x",
            "size=0",
            "size=9999",
            "after=%25",
            "space=x",
            "owner=amy",
        ):
            self.assertTrue(self.json("bob", f"/files?{query}", 400)["error"], query)
        self.assertTrue(self.json("bob", "/+search?q=a&after=%25", 400)["error"])

    def test_the_search_of_every_page(self) -> None:
        bob = self.visitor("bob")
        form = bob.get("/people").html.find("form", id="search")
        self.assertEqual((form["action"], form.find("input")["name"]), ("/+search", "q"))
        page = bob.get("/+search?q=REP")
        self.assertEqual(self.names(page), ["Q3 report.txt"])
        self.assertEqual(page.html.select("td")[1].text, "name")
        self.assertIn("Nothing was found", self.visitor("cat").get("/+search?q=report").text)
        self.assertEqual(self.names(browser().get("/+search?q=logo")), [])
        self.assertEqual(self.names(browser().get(f"/+search?q={self.alias_id}")), ["logo.png"])
        found = self.json("bob", "/+search?q=logo")
        self.assertEqual(
            [(one["filename"], one["matched"]) for one in found["files"]], [("logo.png", "name")]
        )

    def test_the_search_by_path(self) -> None:
        tree = getUtility(INamedTree)
        tree.make_folder("/art")
        tree.put("/art/sign.png", getUtility(ILibraryFileAliasSet)[self.alias_id])
        transaction.commit()
        for path in ("/art/sign.png", "art/sign.png", "/art/", "/tree/art/sign.png"):
            found = self.json("bob", f"/+search?q={path}")
            matched = [(one["filename"], one["matched"]) for one in found["files"]]
            self.assertIn(("logo.png", "path"), matched, path)

    def test_names_are_text(self) -> None:
        page = self.visitor("cat").get("/files")
        self.assertTrue(re.search(r"zebra &lt;b&gt;\.txt", page.text))
