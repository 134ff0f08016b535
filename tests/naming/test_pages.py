"""The pages and forms of folders."""

from tests.naming.support import TreeCase
from tests.support.servers.in_process import browser


class Browser(TreeCase):
    def test_a_folder_as_a_page(self) -> None:
        app = browser()
        page = app.get("/+login")
        page.form["name"], page.form["password"] = "ada", "correct horse battery"
        page.form.submit()
        page = app.get("/tree/ada/")
        upload, make = page.forms[len(page.forms) // 2 - 1], None
        forms = [form for form in page.forms.values() if "file" in form.fields]
        upload = forms[0]
        upload["file"] = ("<b>.txt", b"bold")
        page = upload.submit().follow()
        make = next(form for form in page.forms.values() if "folder" in form.fields)
        make["folder"] = "inner"
        app.get(make.submit().location)
        page = app.get("/tree/ada/")
        cells = [row.td.text.strip() for row in page.html.tbody.find_all("tr")]
        self.assertEqual(cells, ["<b>.txt", "inner/"])
        delete = next(form for form in page.forms.values() if "delete" in form.fields)
        page = delete.submit().follow()
        self.assertEqual([row.td.text.strip() for row in page.html.tbody.find_all("tr")], ["inner/"])

    def test_forms_are_for_those_who_may_change_the_folder(self) -> None:
        page = browser().get("/tree/ada/")
        self.assertEqual([form for form in page.forms.values() if form.method.lower() == "post"], [])
