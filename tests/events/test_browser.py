"""A browser's EventSource hears of what happens, and after a break of what it has missed."""

import os
import unittest
from typing import Any

import urllib3
from selenium.webdriver.support.ui import WebDriverWait

from tests.server.test_browser import Downloading
from tests.support.layers import Chromium, Server
from tests.support.servers.cutting import CuttingRelay

PATIENCE_SECONDS = 60
LISTEN = """
window.heard = []; window.opened = 0; window.broken = 0;
window.source = new EventSource("/events?kinds=file.added");
source.onopen = () => { opened += 1; };
source.onerror = () => { broken += 1; };
source.onmessage = (told) => { heard.push([JSON.parse(told.data).data.filename, told.lastEventId]); };
"""


class Source(unittest.TestCase):
    layer = Downloading

    def setUp(self) -> None:
        self.browser, self.server = Chromium.browser, Server.server
        self.relay = self.enterContext(CuttingRelay(self.server.urls["app"]))
        self.browser.messages()  # those of the pages before

    def add(self) -> str:
        """The name of a new file."""
        name = f"{os.urandom(8).hex()}.txt"
        answer = urllib3.request("PUT", f"{self.server.urls['upload']}{name}", body=name.encode())
        self.assertEqual(answer.status, 201)
        return name

    def until(self, expression: str) -> Any:
        return WebDriverWait(self.browser.driver, PATIENCE_SECONDS, poll_frequency=0.05).until(
            lambda driver: self.browser.run(f"return {expression}"), expression
        )

    def heard(self, *names: str) -> list[str]:
        """The names of files of which the page has heard, as far as they are among `names`."""
        return [name for name, _id in self.browser.run("return heard") if name in names]

    def test_it_goes_on_where_it_was(self) -> None:
        self.browser.open(f"{self.relay.url}+upload")
        self.browser.fill("name", "admin")
        self.browser.fill("password", self.server.admin_password)
        self.browser.press("Log in")
        self.browser.run(LISTEN)
        self.addCleanup(self.browser.run, "source.close()")
        self.until("opened === 1")
        first = self.add()
        self.until(f"heard.some(([name, id]) => name === '{first}')")
        self.relay.cut()
        self.until("broken > 0")
        missed = self.add()
        self.relay.is_cut = False
        self.until(f"heard.some(([name, id]) => name === '{missed}')")
        later = self.add()
        self.until(f"heard.some(([name, id]) => name === '{later}')")
        names = (first, missed, later)
        self.assertEqual(self.heard(*names), list(names))
        self.assertGreaterEqual(self.browser.run("return opened"), 2)
        told = [line for line in self.browser.messages() if "Content Security Policy" in line]
        self.assertEqual(told, [])
