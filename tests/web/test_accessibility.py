"""Every page in Chromium, light, dark and on a phone, before axe-core, an auditor of accessibility.

Without axe-core (tools/peers.py fetches it) these are skipped.
"""

import unittest
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from tests.machines.site import PASSWORD
from tests.machines.views.test_pages import Pages

AXE = Path(__file__).resolve().parents[2] / "parts" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ["violations"], runOnly: {type: "tag", values: arguments[0]}})
  .then(found => done(found.violations.map(each => [each.id, each.nodes.map(node => node.html)])),
        error => done([["axe", [String(error)]]]));
"""
LINKS = "return [...document.querySelectorAll('a[href]')].map(link => link.href)"
WIDER = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
PHONE = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
LOOKS: tuple[tuple[str, str, dict[str, Any] | None], ...] = (
    ("light", "light", None),
    ("dark", "dark", None),
    ("phone", "light", PHONE),
)
MOST_PAGES = 80


@unittest.skipUnless(AXE.is_file(), "axe-core is not there")
class EveryPage(unittest.TestCase):
    """All pages that an administrator reaches by links, of a library with some of everything."""

    layer = Pages

    def setUp(self) -> None:
        self.browser, self.driver = Pages.browser, Pages.browser.driver
        self.app = Pages.site.app
        self.faults: list[str] = []

    def test_no_violation_and_no_scrolling_sideways(self) -> None:
        self.furnish()
        self.browser.open(f"{self.app}/+login")
        self.judge("/+login")
        self.browser.fill("name", "anna")
        self.browser.fill("password", PASSWORD)
        self.browser.press("Log in")
        waiting, seen = ["/", "/files?list=all", "/nothing-here"], set[str]()
        while waiting and len(seen) < MOST_PAGES:
            path = waiting.pop(0)
            if path in seen:
                continue
            seen.add(path)
            self.browser.open(self.app + path)
            if self.driver.execute_script("return document.contentType") != "text/html":
                continue
            waiting.extend(self.links())
            self.judge(path)
        self.assertGreater(len(seen), 25)
        self.assertEqual("\n".join(self.faults), "")

    def test_faults_are_found(self) -> None:
        """Colours too alike in the dark alone, a field without a name, a page that is too wide."""
        self.browser.open(f"{self.app}/+login")
        self.browser.run(
            "document.querySelector('main').insertAdjacentHTML('beforeend', '<input name=bare>');"
            "const wide = document.createElement('p'); wide.textContent = 'wide'; main.append(wide);"
            "wide.style.width = '500px'; wide.style.color = '#333';"
        )
        self.judge("/")
        rules = {" ".join(fault.split()[:3]) for fault in self.faults}
        expected = {f"{look} /: label" for look in ("light", "dark", "phone")}
        self.assertEqual(rules, expected | {"dark /: color-contrast", "phone /: wider"})

    def furnish(self) -> None:
        """A file, a folder with a file, a distribution with a mirror, a tracked file."""
        site, plain = Pages.site, {"Content-Type": "text/plain"}
        for path in ("/tree/poems/ode.txt?parents=true", "/tree/poems/README"):
            headers = {"Authorization": site.basic, **plain}
            answer = site.server.request("PUT", site.app + path, body=b"an ode", headers=headers)
            assert answer.status in (200, 201), answer.data
        site.as_admin("/mirrors", name="ubuntu", display_name="Ubuntu", main_url="http://archive.example/u/")
        site.as_admin(
            "/mirrors/ubuntu/+register", name="near", country="BR", http_base_url="http://near.example/u/"
        )

    def links(self) -> list[str]:
        """The paths of this application that the page leads to, each sort of query once."""
        found = []
        for link in self.driver.execute_script(LINKS):
            parts = urlsplit(urljoin(self.app, link))
            if f"{parts.scheme}://{parts.netloc}" == self.app and not parts.query:
                found.append(parts.path)
        return found

    def judge(self, path: str) -> None:
        """Note what axe-core finds, light, dark and on a phone, and whether the phone scrolls sideways."""
        for name, scheme, metrics in (
            ("light", "light", None),
            ("dark", "dark", None),
            ("phone", "light", PHONE),
        ):
            self.look_as(scheme, metrics)
            self.driver.execute_script(AXE.read_text())
            for rule, nodes in self.driver.execute_async_script(RUN, TAGS):
                self.faults.append(f"{name} {path}: {rule} {nodes[:2]}")
        wider = self.browser.run(WIDER)
        if wider:
            self.faults.append(f"phone {path}: wider by {wider}")
        self.look_as("light", None)

    def look_as(self, scheme: str, metrics: dict[str, Any] | None) -> None:
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        kind = "set" if metrics else "clear"
        self.driver.execute_cdp_cmd(f"Emulation.{kind}DeviceMetricsOverride", metrics or {})
