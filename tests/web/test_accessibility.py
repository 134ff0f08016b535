"""Every page in Chromium before axe-core: by links, by queries, with refused forms, and as strangers see it.

Without axe-core (tools/peers.py fetches it) these are skipped.
"""

import re
import unittest
from collections import Counter
from urllib.parse import urljoin, urlsplit

from selenium.webdriver.common.by import By

from tests.machines.site import PASSWORD
from tests.support.axe import Auditor, missing
from tests.web.furnished import Furnished

LINKS = "return [...document.querySelectorAll('a[href]:not([download])')].map(link => link.href)"
MOST_OF_A_SHAPE = 2  # pages whose paths differ by a name or an id only
BODIES = re.compile(r"/files/\d+|/tree/.*[^/]")  # what leads to a file instead of a page

#: Pages that no plain link leads to; `{letter}` is the id of that file.
ASKED = (
    *(f"/files?list={name}" for name in ("all", "expiring", "held", "deleted")),
    "/files?list=all&sort=name&space=public&type=image",
    *(
        f"/files/{{{name}}}/+about"
        for name in ("picture", "song", "film", "paper", "words", "letter", "deleted")
    ),
    "/files/{words}/+stats?days=90",
    "/+upload?added={words}&added={picture}",
    "/+search?q=wor",
    "/+search?q=no-such-name",
    "/tree/poems/?sort=-size",
    "/tree/poems/ode.txt?history",
    "/tree/poems/?move=ode.txt",
    "/tree/poems/?delete=ode.txt",
    "/mirrors/ubuntu?sort=-freshness",
    "/spool/export/cds",
    "/tracker/tree/d",
    "/tracker/tree/d/a",
    "/+audit?what=tree",
)

OPEN_TO_ALL = ("/", "/files", "/+search?q=wor", "/+login?next=/machines", "/tree/poems/", "/mirrors/ubuntu")

#: A page, one of its forms, what is filled in, and what is marked or said then.
REFUSED: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("/files/{letter}/+about", "form[action$='+tokens']", {"lifetime": "until", "until": ""}),
    ("/files/{letter}/+about", "form[action$='+holds']", {"reason": ""}),
    ("/+upload-links", "#new", {"max_size": "much", "uses": "many"}),
    ("/mirrors/ubuntu/+register", "main form", {"name": "near", "http_base_url": "nonsense"}),
    ("/machines/+imports", "#add", {"name": "emacs", "url": "ext::sh -c id"}),
    ("/machines/+imports/gimp", "#edit", {"update_interval": "no time"}),
    ("/people", "main form", {"name": "No Name"}),
    ("/people/anna", "form[action$='/people/anna']", {"email": "nonsense"}),
    ("/people/anna", "form[action$='+password']", {"new": "x"}),
    ("/people/admins", "form[action$='+members']", {"member": "missing"}),
    ("/people/anna/+tokens", "#new", {"title": ""}),
    ("/webhooks", "#new", {"url": "nonsense"}),
    ("/tree/poems/", "main form:has(#folder)", {"folder": "ode.txt"}),
    ("/tree/poems/?move=ode.txt", "main form", {"move_to": "/poems/README"}),
)
TOLD = "[aria-invalid], [role=alert], .notice"

#: Forms after which a page shows what it shows only once.
TAKEN: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("/files/{letter}/+about", "form[action$='+tokens']", {"lifetime": "1h"}),
    ("/+upload-links", "#new", {"wanted": "Your song"}),
    ("/people/anna/+tokens", "#new", {"title": "a program", "scopes": "files"}),
    ("/webhooks", "#new", {"url": "http://127.0.0.1:9/"}),
)

UNKNOWN = "Element's background color could not be determined because"
SHORT = "Element content is too short"
#: What axe-core cannot tell by itself, by rule and reason, and why each is well.
JUDGED: dict[tuple[str, str], str] = {
    (
        "color-contrast",
        f"{UNKNOWN} it's partially obscured by another element",
    ): "cells of scrolled tables",
    ("color-contrast", f"{UNKNOWN} it partially overlaps other elements"): "buttons in tables that scroll",
    ("color-contrast", f"{UNKNOWN} element contains an image node"): "text of plots: the colours of .quiet",
    ("color-contrast", f"{SHORT} to determine if it is actual text content"): "digits at the axes of plots",
    ("video-caption", "Check that captions are available for the element"): "a file is as its owner made it",
}


@unittest.skipIf(missing(), "axe-core is not there")
class EveryPage(unittest.TestCase):
    """What an administrator sees of a library with some of everything, and what a stranger sees."""

    layer = Furnished

    def setUp(self) -> None:
        self.browser, self.app = Furnished.browser, Furnished.site.app
        self.auditor = Auditor(self.browser)
        self.addCleanup(self.auditor.close)

    def test_pages_that_links_lead_to(self) -> None:
        self.log_in()
        waiting, seen, shapes = ["/"], set[str](), Counter[tuple[str, ...]]()
        while waiting:
            path = waiting.pop(0)
            if path in seen or shapes[shape(path)] == MOST_OF_A_SHAPE:
                continue
            seen.add(path)
            shapes[shape(path)] += 1
            if self.shows(path):
                self.auditor.judge(path)
                waiting.extend(self.links())
        self.assertGreater(len(self.auditor.pages), 25)
        self.assert_well()

    def test_pages_that_are_asked_for(self) -> None:
        self.log_in()
        for path in ASKED:
            self.assertTrue(self.shows(path), path)
            self.assertNotIn("Status 4", self.browser.text("main"), path)
            self.auditor.judge(path)
        self.shows("/nothing-here")
        self.auditor.judge("/nothing-here")
        self.assert_well()

    def test_forms_that_are_refused_and_forms_that_are_taken(self) -> None:
        self.log_in()
        for path, form, values in (*REFUSED, *TAKEN):
            self.assertTrue(self.shows(path), path)
            self.browser.submit(form, **values)
            if (path, form, values) in REFUSED:
                self.assertTrue(self.browser.texts(TOLD), path)
            self.auditor.judge(f"{path} {values}")
        self.assert_well()

    def test_what_a_stranger_sees(self) -> None:
        for path in (
            "/",
            "/files",
            "/+search?q=wor",
            "/+login?next=/machines",
            "/tree/poems/",
            "/mirrors/ubuntu",
        ):
            self.assertTrue(self.shows(path), path)
            self.auditor.judge(f"{path} of a stranger")
        self.shows("/+login")
        self.browser.submit("main form", name="anna", password="wrong")
        self.auditor.judge("/+login refused")
        self.browser.open(Furnished.drop)
        self.auditor.judge("an upload link")
        field = self.browser.driver.find_element(By.NAME, "file")
        field.send_keys(__file__)
        self.browser.driver.find_element(By.CSS_SELECTOR, "form button").click()
        self.browser.wait_for("form", "Thank you")
        self.auditor.judge("an upload link with a file that has come")
        field.send_keys(__file__)
        self.browser.run("document.forms[0].submit()")
        self.browser.wait_for("h1", "Thank you")
        self.auditor.judge("what an upload link says without scripts")
        self.assert_well()

    def test_faults_are_found(self) -> None:
        """Colours too alike in the dark alone, a field without a name, small targets, a page too wide."""
        self.browser.open(f"{self.app}/+login")
        self.browser.run(
            "document.querySelector('main').insertAdjacentHTML('beforeend', '<input name=bare>');"
            "const wide = document.createElement('p'); wide.textContent = 'wide'; main.append(wide);"
            "wide.style.width = '500px'; wide.style.color = '#333';"
            "const close = document.createElement('p'); main.append(close);"
            "close.innerHTML = '<span tabindex=0 role=button>a</span><span tabindex=0 role=button>b</span>';"
        )
        self.auditor.judge("/")
        rules = {" ".join(fault.split()[:3]) for fault in self.auditor.faults}
        small = {"light /: target-size", "phone /: target-size"}
        self.assertEqual(rules, {"light /: label", "dark /: color-contrast", "phone /: wider"} | small)

    def log_in(self) -> None:
        self.browser.open(f"{self.app}/+login")
        self.browser.fill("name", "anna")
        self.browser.fill("password", PASSWORD)
        self.browser.press("Log in")

    def shows(self, path: str) -> bool:
        """Open a path of the application; whether a page is there."""
        self.browser.open(self.app + path.format_map(Furnished.ids))
        return bool(self.browser.run("return document.contentType") == "text/html")

    def links(self) -> list[str]:
        """The paths of pages of this application that the page leads to, without queries."""
        found = []
        for link in self.browser.run(LINKS):
            parts = urlsplit(urljoin(self.app, link))
            if f"{parts.scheme}://{parts.netloc}" == self.app and not BODIES.fullmatch(parts.path):
                found += [] if parts.query else [parts.path]
        return found

    def assert_well(self) -> None:
        """No fault, and nothing that axe-core leaves to people and that was not judged."""
        unsure = self.auditor.unsure.items()
        unjudged = [f"{why}: {len(pages)} {sorted(pages)[:2]}" for why, pages in unsure if why not in JUDGED]
        self.assertEqual("\n".join([*self.auditor.faults, *unjudged]), "")


def shape(path: str) -> tuple[str, ...]:
    """A path without the names and ids in it: those of two persons, or of two files, are of one shape."""
    first, *others = path.strip("/").split("/")
    return (first, *(segment if segment.startswith("+") else "*" for segment in others))
