"""The pages and forms of folders and of versions."""

from typing import Any

import transaction
from webtest import TestApp

from librarian.naming.views.changing import CHANGES
from tests.naming.support import TreeCase
from tests.support.documents.people import bearer, person
from tests.support.servers.in_process import browser


class PageCase(TreeCase):
    def setUp(self) -> None:
        super().setUp()
        self.app: TestApp = browser()
        self.app.extra_environ["HTTP_AUTHORIZATION"] = self.token

    def names(self, page: Any) -> list[str]:
        return [row.td.a.text.strip() for row in page.html.select("table.files tbody tr")]

    def form(self, page: Any, field: str) -> Any:
        return next(form for form in page.forms.values() if field in form.fields)


class Folders(PageCase):
    def test_a_folder_as_a_page(self) -> None:
        app = browser()
        page = app.get("/+login")
        page.form["name"], page.form["password"] = "ada", "correct horse battery"
        page.form.submit()
        page = app.get("/tree/ada/")
        form = self.form(page, "file")
        form["file"] = [("<b>.txt", b"bold")]
        page = form.submit().follow()
        make = self.form(page, "folder")
        make["folder"] = "inner"
        app.get(make.submit().location)
        page = app.get("/tree/ada/")
        self.assertEqual(self.names(page), ["<b>.txt", "inner/"])
        page = page.click("Delete", index=0)
        page = self.form(page, "delete").submit().follow()
        self.assertEqual(self.names(page), ["inner/"])

    def test_forms_are_for_those_who_may_change_the_folder(self) -> None:
        page = browser().get("/tree/ada/")
        self.assertEqual([form for form in page.forms.values() if form.method.lower() == "post"], [])
        self.assertNotIn("Delete", page.text)

    def test_several_files_at_once(self) -> None:
        form = self.form(self.app.get("/tree/ada/"), "file")
        form["file"] = [("a.txt", b"a"), ("b.txt", b"b")]
        self.assertEqual(self.names(form.submit().follow()), ["a.txt", "b.txt"])

    def test_where_a_script_sends_files_to(self) -> None:
        for path, folder in (("/tree/ada/", "/ada"), ("/tree/", "")):
            self.app.extra_environ["HTTP_AUTHORIZATION"] = bearer(person("eve" + folder[1:], "admins"), "all")
            form = self.app.get(path).html.select_one("form[data-uploads]")
            self.assertEqual((form["data-uploads"], form["data-folder"]), ("/+uploads", folder))

    def test_restricted_files_and_folders(self) -> None:
        page = self.app.get("/tree/ada/")
        form = self.form(page, "file")
        form["file"], form["restricted"] = [("secret.txt", b"s")], True
        form.submit()
        form = self.form(page, "folder")
        form["folder"], form["restricted"] = "closed", True
        form.submit()
        transaction.abort()
        self.assertTrue(self.tree["/ada/secret.txt"].restricted)
        self.assertTrue(self.tree["/ada/closed"].restricted)
        self.assertEqual(self.names(browser().get("/tree/ada/")), [])

    def test_sorted_by_size_and_by_date(self) -> None:
        for name, size in (("b", 1), ("a", 3), ("c", 2)):
            self.put(f"/ada/{name}", b"x" * size)
        page = self.app.get("/tree/ada/")
        self.assertEqual(self.names(page), ["a", "b", "c"])
        page = page.click("^Size$")
        self.assertEqual(self.names(page), ["b", "c", "a"])
        self.assertEqual(page.html.find("th", attrs={"aria-sort": True})["aria-sort"], "ascending")
        self.assertEqual(self.names(page.click("^Size$")), ["a", "c", "b"])
        for sort in ("colour", ""):
            self.assertEqual(self.ask("GET", f"/ada/?sort={sort}").status_int, 400)

    def test_breadcrumbs(self) -> None:
        self.ask("PUT", "/ada/deep/er/x?parents=true", b"x")
        page = self.app.get("/tree/ada/deep/er/")
        self.assertEqual([each.text for each in page.html.select(".trail li")], ["Tree", "ada", "deep", "er"])
        self.assertEqual(page.click("^deep$").html.h1.text, "deep")

    def test_a_name_that_is_taken_stays_in_the_form(self) -> None:
        self.put("/ada/x")
        form = self.form(self.app.get("/tree/ada/"), "folder")
        form["folder"] = "x"
        page = form.submit(status=409)
        self.assertEqual(self.form(page, "folder")["folder"].value, "x")
        self.assertIn("the name is taken", page.html.find(role="alert").text)
        self.assertEqual(page.html.find(id="folder")["aria-invalid"], "true")

    def test_a_path_of_a_file_is_no_folder(self) -> None:
        self.put("/ada/x")
        for field in (b"folder=y", b"delete=y", b"place=1"):
            with self.subTest(field):
                answer = self.ask("POST", "/ada/x", field, Content_Type="application/x-www-form-urlencoded")
                self.assertEqual(answer.status_int, 409)


class Forms(PageCase):
    def test_each_asks_for_one_change(self) -> None:
        """As a POST of several is refused."""
        self.put("/ada/x", b"first")
        self.put("/ada/x", b"second")
        self.ask("PUT", "/ada/full/y?parents=true", b"y")
        found = set()
        for path in ("/tree/ada/", "/tree/ada/?delete=full", "/tree/ada/?move=x", "/tree/ada/x?history"):
            for form in self.app.get(path).forms.values():
                if form.method.upper() == "POST":
                    self.assertTrue(form.action.startswith("/tree/ada"), form.action)
                    (change,) = set(form.fields) & {*CHANGES, "file"}
                    found.add(change)
        self.assertEqual(found, {*CHANGES, "file"} - {"place"})  # which has no form


class Removing(PageCase):
    def test_a_full_folder_is_asked_for(self) -> None:
        self.ask("PUT", "/ada/full/x?parents=true", b"x")
        page = self.app.get("/tree/ada/").click("^Delete$")
        self.assertIn("not empty", page.text)
        self.assertEqual(self.names(self.form(page, "delete").submit().follow()), [])

    def test_it_is_not_asked_of_strangers(self) -> None:
        self.put("/ada/x")
        self.assertEqual(self.ask("GET", "/ada/?delete=x", who=None).status_int, 401)
        self.assertEqual(self.ask("GET", "/ada/?move=x", who=None).status_int, 401)
        self.assertEqual(self.ask("GET", "/ada/?delete=y").status_int, 404)


class Moving(PageCase):
    def test_renamed_and_moved(self) -> None:
        self.put("/ada/old.txt")
        page = self.app.get("/tree/ada/").click("^Move$")
        form = self.form(page, "move_to")
        self.assertEqual(form["move_to"].value, "/ada/old.txt")
        form["move_to"] = "/ada/new.txt"
        self.assertEqual(self.names(form.submit().follow()), ["new.txt"])

    def test_what_was_typed_stays_where_it_cannot_be(self) -> None:
        self.put("/ada/old.txt")
        form = self.form(self.app.get("/tree/ada/?move=old.txt"), "move_to")
        form["move_to"] = "/ada/none/old.txt"
        page = form.submit(status=409)
        self.assertEqual(self.form(page, "move_to")["move_to"].value, "/ada/none/old.txt")
        self.assertIn("no such folder", page.html.find(role="alert").text)


class Versions(PageCase):
    def test_an_old_one_becomes_the_current_one(self) -> None:
        self.put("/ada/x", b"first")
        self.put("/ada/x", b"second")
        page = self.app.get("/tree/ada/").click("^2$")
        rows = [row.td.get_text(" ", strip=True) for row in page.html.select("tbody tr")]
        self.assertEqual(rows, ["2 current", "1"])
        page = self.form(page, "current").submit().follow()
        rows = [row.td.get_text(" ", strip=True) for row in page.html.select("tbody tr")]
        self.assertEqual(rows, ["3 current", "2", "1"])
        transaction.abort()
        self.assertEqual(self.tree["/ada/x"].alias().read(), b"first")

    def test_it_has_the_name_of_today(self) -> None:
        self.put("/ada/x", b"first")
        self.put("/ada/x", b"second")
        self.tree.move("/ada/x", "/ada/y")
        self.tree["/ada"].make_current("y", 1)
        self.assertEqual(self.tree["/ada/y"].alias().filename, "y")
        self.assertEqual(self.tree["/ada/y"].version, 3)

    def test_refusals(self) -> None:
        self.put("/ada/x", b"first")
        kind = "application/x-www-form-urlencoded"
        for path, field, status in (
            ("/ada/x", b"current=7", 404),
            ("/ada/x", b"current=first", 400),
            ("/ada/none", b"current=1", 404),
            ("/", b"current=1", 403),
        ):
            with self.subTest(path=path, field=field):
                self.assertEqual(self.ask("POST", path, field, Content_Type=kind).status_int, status)
        self.assertEqual(self.ask("POST", "/ada/x", b"current=1", None, Content_Type=kind).status_int, 401)


class Placing(PageCase):
    """A file that is in the library already gets a name."""

    def place(self, path: str, alias_id: int) -> int:
        kind = "application/x-www-form-urlencoded"
        status: int = self.ask("POST", path, f"place={alias_id}".encode(), Content_Type=kind).status_int
        return status

    def uploaded(self, restricted: bool = False) -> int:
        page = self.app.get("/+upload")
        form = self.form(page, "file")
        form["file"], form["restricted"] = [("new.txt", b"new")], restricted
        location = form.submit().location
        transaction.abort()
        return int(location.split("/")[-2])

    def test_a_file_gets_its_name(self) -> None:
        self.app.extra_environ["HTTP_AUTHORIZATION"] = self.all_scopes()
        alias_id = self.uploaded()
        self.assertEqual(self.place("/ada", alias_id), 201)
        self.assertEqual(self.tree["/ada/new.txt"].alias_id, alias_id)
        self.assertEqual(self.place("/ada", 17), 404)

    def test_a_public_file_does_not_replace_a_restricted_one(self) -> None:
        self.app.extra_environ["HTTP_AUTHORIZATION"] = self.all_scopes()
        self.ask("PUT", "/ada/new.txt?restricted=true", b"secret")
        self.assertEqual(self.place("/ada", self.uploaded()), 409)
        self.assertEqual(self.place("/ada", self.uploaded(restricted=True)), 201)

    def all_scopes(self) -> str:
        self.token = bearer(self.ada, "all")
        transaction.commit()
        return self.token


class Readme(PageCase):
    def test_it_stands_under_the_list(self) -> None:
        self.put("/ada/README.md", b"# Drafts <b>only</b>")
        self.assertEqual(
            self.app.get("/tree/ada/").html.select(".readme pre")[0].text, "# Drafts <b>only</b>"
        )

    def test_bytes_are_no_text(self) -> None:
        self.put("/ada/README", b"\0\1")
        self.assertEqual(self.app.get("/tree/ada/").html.select(".readme"), [])

    def test_a_restricted_one_is_for_those_who_see_it(self) -> None:
        self.ask("PUT", "/ada/README?restricted=true", b"secret")
        self.assertNotIn("secret", browser().get("/tree/ada/").text)
        self.assertIn("secret", self.app.get("/tree/ada/").text)
