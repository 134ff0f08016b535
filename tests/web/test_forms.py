"""Forms of several systems that are refused: what was typed stays, and what is wrong is marked."""

from typing import Any

import transaction
from webtest.forms import Checkbox
from zope.component import getUtility

from librarian.countries.interfaces import ICountrySet
from librarian.machines.enums import CodeImportReviewStatus, RevisionControlSystem
from librarian.machines.interfaces import ICodeImportSet
from librarian.machines.scheduler.interfaces import ICodeImportScheduler
from librarian.mirrors.enums import MirrorContent, MirrorPulseType, MirrorSpeed
from librarian.mirrors.interfaces import IDistributionSet
from librarian.people.interfaces import IPersonSet
from tests.web.support import PeopleInTheWorld

PAGE = {"Accept": "text/html"}


def form_with(page: Any, action: str, field: str) -> Any:
    """The form of a page that has this field."""
    return next(form for form in page.forms.values() if form.action.endswith(action) and field in form.fields)


def kept(field: Any) -> Any:
    """What a field has; True for a box that is ticked, and None for another."""
    return field.checked or None if isinstance(field, Checkbox) else field.value


class RefusedForms(PeopleInTheWorld):
    def setUp(self) -> None:
        super().setUp()
        self.log_in("amy")

    def refused(self, path: str, action: str, wrong: str, **fields: Any) -> None:
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
        self.assertEqual({name: kept(again[name]) for name in fields}, fields)

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
        found: Any = getUtility(IDistributionSet)
        found.new("essays", "Essays", "http://archive.example/")
        transaction.commit()
        code = next(iter(getUtility(ICountrySet))).iso3166code2
        whole = {"name": "near", "country": code, "https_base_url": "https://near.example/essays/"}
        for wrong, value in (
            ("name", "Not A Name"),
            ("country", ""),
            ("https_base_url", "ftp://near.example/"),
        ):
            self.refused("/mirrors/essays/+register", "+register", wrong, **{**whole, wrong: value})

    def test_distributions_and_releases(self) -> None:
        whole = {"name": "essays", "display_name": "Essays", "main_url": "http://archive.example/"}
        for wrong, value in (("name", "Not A Name"), ("display_name", " "), ("main_url", "nonsense")):
            self.refused("/mirrors", "/mirrors", wrong, **{**whole, wrong: value})
        self.new_mirror()
        self.refused("/mirrors", "/mirrors", "name", **whole)
        release = {"new_release": "Not A Name", "version": "5"}
        self.refused("/mirrors/essays", "/mirrors/essays", "new_release", **release)

    def test_a_mirror(self) -> None:
        self.new_mirror()
        whole = {
            "display_name": "Near",
            "https_base_url": "https://near.example/essays/",
            "http_base_url": "http://near.example/essays/",
        }
        for wrong, value in (
            ("display_name", ""),
            ("https_base_url", "ftp://near.example/"),
            ("http_base_url", "nonsense"),
        ):
            changed = {**whole, wrong: value}
            self.refused("/mirrors/essays/near", "/mirrors/essays/near", wrong, **changed)
        page = self.bobs.get("/mirrors/essays/near", headers=PAGE)
        form = form_with(page, "/mirrors/essays/near", "https_base_url")
        form["http_base_url"] = ""
        page = form.submit(headers=PAGE, status=422)
        self.assertIn("at least one", page.html.find(role="alert").text)

    def new_mirror(self) -> None:
        """A distribution with one mirror, amy's."""
        found: Any = getUtility(IDistributionSet)
        essays = found.new("essays", "Essays", "http://archive.example/")
        country = next(iter(getUtility(ICountrySet)))
        amy = getUtility(IPersonSet)["amy"]
        kinds = MirrorSpeed.S1G, country, MirrorContent.ARCHIVE, MirrorPulseType.PULL
        essays.newMirror(amy, "near", *kinds, http_base_url="http://near.example/")
        transaction.commit()

    def test_imports(self) -> None:
        whole = {
            "name": "gimp",
            "rcs_type": "SVN",
            "url": "https://example.com/gimp",
            "update_interval": "90m",
            "private": True,
            "review_status": None,
        }
        for wrong, value in (("name", "Not A Name"), ("url", "ext::sh -c id"), ("update_interval", "soon")):
            self.refused("/machines/+imports", "", wrong, **{**whole, wrong: value})
        self.new_import()
        self.refused("/machines/+imports", "", "name", **whole)

    def test_an_import(self) -> None:
        self.new_import()
        whole = {
            "url": "https://example.com/gimp.git",
            "owner": "bob",
            "assignee": "cat",
            "update_interval": "90m",
            "review_status": "SUSPENDED",
        }
        for wrong, value in (("url", ""), ("url", "file:etc"), ("owner", ""), ("update_interval", "1s")):
            self.refused("/machines/+imports/gimp", "", wrong, **{**whole, wrong: value})
        form = form_with(self.bobs.get("/machines/+imports/gimp", headers=PAGE), "", "owner")
        self.assertEqual((form["update_interval"].value, form["review_status"].value), ("6h", "REVIEWED"))

    def new_import(self) -> None:
        """The import gimp."""
        found: Any = getUtility(ICodeImportSet)
        url, reviewed = "https://example.com/gimp.git", CodeImportReviewStatus.REVIEWED
        found.new("gimp", RevisionControlSystem.GIT, url, "amy", review_status=reviewed)
        transaction.commit()

    def test_a_machine(self) -> None:
        scheduler: Any = getUtility(ICodeImportScheduler)
        scheduler.arrive("apollo")
        transaction.commit()
        self.refused("/machines/apollo", "+cordon", "reason", reason=" ")
        self.refused("/machines/apollo", "/machines/apollo", "message", message="x" * 501)

    def test_a_machine_that_has_another_state_by_now(self) -> None:
        scheduler: Any = getUtility(ICodeImportScheduler)
        scheduler.arrive("apollo")
        transaction.commit()
        form = form_with(self.bobs.get("/machines/apollo", headers=PAGE), "/machines/apollo", "message")
        form["message"] = "kernel update"
        scheduler.leave("apollo")
        transaction.commit()
        page = form.submit("state", value="QUIESCING", headers=PAGE, status=409)
        self.assertIn(
            "apollo is Offline by now and was not set Quiescing.", page.html.find(role="alert").text
        )
        self.assertEqual(page.html.find(id="message")["value"], "kernel update")

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
