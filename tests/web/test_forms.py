"""Forms of several systems that are refused: what was typed stays, and what is wrong is marked."""

from typing import Any

import transaction
from zope.component import getUtility

from librarian.countries.interfaces import ICountrySet
from librarian.mirrors.interfaces import IDistributionSet
from tests.web.support import PeopleInTheWorld

PAGE = {"Accept": "text/html"}


def form_with(page: Any, action: str, field: str) -> Any:
    """The form of a page that has this field."""
    return next(form for form in page.forms.values() if form.action.endswith(action) and field in form.fields)


class RefusedForms(PeopleInTheWorld):
    def setUp(self) -> None:
        super().setUp()
        self.log_in("amy")

    def refused(self, path: str, action: str, wrong: str, **fields: str) -> None:
        """Fill the form in, and look at the page that comes back."""
        page = self.bobs.get(path, headers=PAGE)
        form = next(
            form for form in page.forms.values() if form.action.endswith(action) and wrong in form.fields
        )
        for name, value in fields.items():
            form[name] = value
        page = form.submit(headers=PAGE, status="4*")
        field = page.html.find(id=wrong)
        self.assertEqual(field.get("aria-invalid"), "true", page.html.main.text)
        self.assertTrue(field.has_attr("autofocus"))
        self.assertNotEqual(page.html.find(id=f"{wrong}-error").text, "")
        self.assertIn("see the field that is marked", page.html.find(role="alert").text)
        again = next(
            form for form in page.forms.values() if form.action.endswith(action) and wrong in form.fields
        )
        self.assertEqual({name: again[name].value for name in fields}, fields)

    def test_upload_links(self) -> None:
        whole = {"wanted": "Your film", "max_size": "2GB", "uses": "3", "lifetime": "7d", "keep": "30d"}
        for wrong, value in (("max_size", "huge"), ("uses", "0"), ("lifetime", "long"), ("keep", "ever")):
            self.refused("/+upload-links", "+upload-links", wrong, **{**whole, wrong: value})
        self.assertIn("There are no upload links.", self.bobs.get("/+upload-links", headers=PAGE).text)

    def test_quotas(self) -> None:
        for wrong, value in (("bytes", "much"), ("files", "-1")):
            self.refused(
                "/people/bob/+quota", "+quota", wrong, **{"bytes": "10G", "files": "5", wrong: value}
            )

    def test_webhooks(self) -> None:
        self.refused("/webhooks", "/webhooks", "url", url="")

    def test_mirrors(self) -> None:
        owner: Any = getUtility(IDistributionSet)
        owner.new("essays", "Essays", "http://archive.example/")
        transaction.commit()
        code = next(iter(getUtility(ICountrySet))).iso3166code2
        whole = {"name": "near", "country": code, "https_base_url": "https://near.example/essays/"}
        for wrong, value in (
            ("name", "Not A Name"),
            ("country", ""),
            ("https_base_url", "ftp://near.example/"),
        ):
            self.refused("/mirrors/essays/+register", "+register", wrong, **{**whole, wrong: value})

    def test_one_box_of_several_is_enough(self) -> None:
        for path in ("/people/amy/+tokens", "/webhooks"):
            boxes = self.bobs.get(path, headers=PAGE).html.select("fieldset input[type=checkbox]")
            self.assertGreater(len(boxes), 3, path)
            self.assertFalse([box["value"] for box in boxes if box.has_attr("required")], path)

    def test_a_file_where_a_text_is_wanted(self) -> None:
        for path, wanted in (("/people/amy/+tokens", "title"), ("/webhooks", "url")):
            form = form_with(self.bobs.get(path, headers=PAGE), path, wanted)
            others = {"csrf_token": form["csrf_token"].value}
            answer = self.bobs.post(path, others, PAGE, upload_files=[(wanted, "a\tb", b"x")], status=400)
            self.assertIn("aria-invalid", answer.text)
