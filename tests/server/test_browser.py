"""A person's browser downloads a file."""

import os
import tempfile
import time
import unittest
from pathlib import Path

from tests.support.layers import Chromium, Server

PATIENCE_SECONDS = 30.0


class Downloading(Chromium, Server):
    """The browser and the server for it to look at; there is nothing else to set up."""

    @classmethod
    def setUp(cls) -> None:
        """Not that of the browser's layer once more."""

    @classmethod
    def tearDown(cls) -> None:
        """As above."""


class Downloads(unittest.TestCase):
    layer = Downloading

    def test_a_file_arrives_whole_under_its_own_name(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="librarian-browser-")
        self.addCleanup(folder.cleanup)
        allow = {"behavior": "allow", "downloadPath": folder.name}
        Chromium.browser.driver.execute_cdp_cmd("Browser.setDownloadBehavior", allow)
        data = os.urandom(2_000_000)
        upload = Server.server.urls["upload"]
        answer = Server.server.request("PUT", upload + "caf%C3%A9%20menu.bin", body=data)
        Chromium.browser.open(Server.server.urls["app"])
        Chromium.browser.run(f"window.location = {answer.json()['url']!r}")
        target = Path(folder.name) / "café menu.bin"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not target.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(target.read_bytes(), data)

    def test_a_text_is_shown(self) -> None:
        upload = Server.server.urls["upload"]
        answer = Server.server.request(
            "PUT", upload + "note.txt", body=b"just words", headers={"Content-Type": "text/plain"}
        )
        Chromium.browser.open(answer.json()["url"])
        self.assertEqual(Chromium.browser.text(), "just words")
