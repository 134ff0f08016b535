"""Files that would like to be pages, opened in a real browser."""

import unittest
from typing import Any

from tests.support import browser
from tests.support.layers import Server
from tools.runner.left_out import left_out

SCRIPT = "document.title = 'ran'; fetch('{app}steal?' + document.cookie)"

PAGES = {
    "page.html": ("text/html", "<!DOCTYPE html><title>still</title><script>{script}</script><p>hello</p>"),
    "page.xhtml": (
        "application/xhtml+xml",
        '<html xmlns="http://www.w3.org/1999/xhtml"><head><script>{script}</script></head><body/></html>',
    ),
    "page.svg": (
        "image/svg+xml",
        '<svg xmlns="http://www.w3.org/2000/svg"><title>still</title><script>{script}</script></svg>',
    ),
    "page.xml": (
        "text/xml",
        '<x xmlns:h="http://www.w3.org/1999/xhtml"><h:title>still</h:title><h:script>{script}</h:script></x>',
    ),
    "sniffed.txt": ("text/plain", "<!DOCTYPE html><title>still</title><script>{script}</script>"),
    "unnamed": ("application/octet-stream", "<!DOCTYPE html><script>{script}</script>"),
    "paper.pdf": ("application/pdf", "%PDF-1.4 not much of one"),
}


class InChromium(unittest.TestCase):
    layer = Server

    def setUp(self) -> None:
        if reason := browser.missing():
            raise unittest.SkipTest(left_out("files in Chromium", reason))
        self.browser = browser.Browser()
        self.addCleanup(self.browser.close)
        self.server = self.layer.server

    def put(self, name: str, mimetype: str, text: str) -> Any:
        url = self.server.urls["upload"] + name
        return self.server.request("PUT", url, body=text.encode(), headers={"Content-Type": mimetype}).json()

    def test_nothing_runs(self) -> None:
        """Neither where files usually are, nor on a host of their own, where they may be shown."""
        app = self.server.urls["app"]
        self.browser.open(app)  # so that there is an origin to be robbed
        self.browser.run("document.cookie = 'mine=1; path=/'")
        for name, (mimetype, text) in PAGES.items():
            added = self.put(name, mimetype, text.replace("{script}", SCRIPT.replace("{app}", app)))
            own_host = added["url"].replace("127.0.0.1", f"i{added['id']}.localhost")
            for url in (added["url"], own_host):
                with self.subTest(name, url=url):
                    self.browser.open("about:blank")
                    self.browser.open(url)
                    self.assertNotEqual(self.browser.run("return document.title"), "ran")
                    self.assertIn(self.browser.run("return self.origin"), ("null", None))

    def test_text_is_shown(self) -> None:
        added = self.put("note.txt", "text/plain", "hello from the library")
        self.browser.open(added["url"])
        self.assertEqual(self.browser.text(), "hello from the library")
