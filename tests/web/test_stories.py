"""A first hour with the library, told twice in Chromium: with the keyboard alone, and without JavaScript.

Log in, add a file, find it by a part of its name, make a link that works for an hour, look at the overview.
"""

import os
import tempfile
import time
import unittest
from pathlib import Path

import urllib3
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.server.test_browser import Downloading
from tests.support.browser import PATIENCE_SECONDS, Browser
from tests.support.layers import Chromium, Server

WITHOUT_SCRIPTS = {"profile.managed_default_content_settings.javascript": 2}  # 2: blocked
MOST_STOPS = 80
#: What has the focus, in words; whether it is shown that it has.
FOCUSED = r"""
const at = document.activeElement;
if (at === document.body) return ["", true];
const label = at.getAttribute("aria-label") || (at.labels?.[0] ?? at).textContent;
const shown = getComputedStyle(at).outlineStyle !== "none";
return [label.trim().replace(/\s+/g, " "), shown];
"""


class Story(unittest.TestCase):
    layer = Downloading

    def setUp(self) -> None:
        self.server, self.app = Server.server, Server.server.urls["app"]
        folder = tempfile.TemporaryDirectory(prefix="librarian-stories-")
        self.addCleanup(folder.cleanup)
        self.words = os.urandom(8).hex()
        self.path = Path(folder.name, f"Yearly report {self.words}.txt")
        self.path.write_text("all is well")

    def choose(self, browser: Browser) -> None:
        """As the system's own window for files does, which is no part of the page."""
        browser.driver.find_element(By.NAME, "file").send_keys(str(self.path))

    def wait_until_listed(self) -> None:
        """New files are in the lists within two seconds."""
        headers = urllib3.make_headers(basic_auth=f"admin:{self.server.admin_password}")
        headers["Accept"] = "application/json"
        url = f"{self.app}+search?q={self.words}"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.server.request("GET", url, headers=headers).json()["files"]:
            self.assertLess(time.monotonic(), deadline, "it is not listed")
            time.sleep(0.05)

    def assert_link_for_an_hour(self, browser: Browser) -> None:
        """The page shows the link, and says for how long it works."""
        self.assertRegex(browser.text("#link"), r"\?token=\w+$")
        self.assertIn(browser.text("main tbody td:nth-child(2)"), ("in 59 minutes", "in 1 hour"))


class WithTheKeyboard(Story):
    """Tab, Enter, Space and arrows; each stop on the way shows that it has the focus."""

    def setUp(self) -> None:
        super().setUp()
        self.browser = Chromium.browser

    def go_to(self, label: str) -> None:
        """Press Tab until what is called `label` has the focus."""
        passed = []
        for _stop in range(MOST_STOPS):
            self.browser.keys(Keys.TAB)
            here, shown = self.browser.run(FOCUSED)
            self.assertTrue(shown, f"{here!r} does not show that it has the focus")
            if here == label:
                return
            passed.append(here)
        self.fail(f"no way to {label!r} by {passed}")

    def test_the_first_hour(self) -> None:
        self.browser.open(f"{self.app}+login")
        self.browser.keys("admin", Keys.TAB, self.server.admin_password, Keys.ENTER)
        self.browser.wait_for("header", "Log out")
        self.add()
        self.find()
        self.make_a_link()
        self.go_to("Overview")
        self.browser.keys(Keys.ENTER)
        self.browser.wait_for("h1", "Overview")

    def add(self) -> None:
        self.go_to("Files")
        self.browser.keys(Keys.ENTER)
        self.browser.wait_for("main", "Add files")
        self.go_to("Add files: choose them, or drop them on this page")
        self.browser.keys(Keys.ENTER)
        self.go_to("Choose files, drop them on this page, or paste a picture")
        self.choose(self.browser)
        self.go_to("Add")
        self.browser.keys(Keys.SPACE)
        self.browser.wait_for(".sendings", "Done")

    def find(self) -> None:
        self.wait_until_listed()
        self.browser.open(self.app)
        self.go_to("Search files")
        self.browser.keys(f"rep {self.words[:6]}", Keys.ENTER)
        self.browser.wait_for("main", self.path.name)
        self.go_to(self.path.name)
        self.browser.keys(Keys.ENTER)
        self.browser.wait_for("h1", self.path.name)

    def make_a_link(self) -> None:
        self.go_to("How long it works")
        self.browser.keys(Keys.ARROW_UP)
        self.go_to("Make a link")
        self.browser.keys(Keys.ENTER)
        self.browser.wait_for(".notice", "shown once")
        self.assert_link_for_an_hour(self.browser)


class WithoutScripts(Story):
    """JavaScript is blocked, as by a setting of the browser."""

    def setUp(self) -> None:
        super().setUp()
        self.browser = Browser(WITHOUT_SCRIPTS)
        self.addCleanup(self.browser.close)

    def test_the_first_hour(self) -> None:
        browser = self.browser
        browser.open(f"{self.app}+login?next=/%2Bupload")
        browser.fill("name", "admin")
        browser.fill("password", self.server.admin_password)
        browser.press("Log in")
        self.choose(browser)
        browser.press("Add")
        self.assertEqual(browser.text("h1"), self.path.name)
        self.wait_until_listed()
        browser.fill("q", f"rep {self.words[:6]}")
        browser.press("Search")
        browser.follow(self.path.name)
        Select(browser.driver.find_element(By.NAME, "lifetime")).select_by_visible_text("1 hour")
        browser.press("Make a link")
        self.assert_link_for_an_hour(browser)
        self.assertNotIn("Copy link", browser.text("main"))  # as scripts did not run
        browser.follow("Overview")
        self.assertEqual(browser.text("h1"), "Overview")
