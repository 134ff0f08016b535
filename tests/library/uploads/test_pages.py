"""A person's browser sends a large file in pieces, from a form and behind an upload link."""

import hashlib
import json
import os
import tempfile
import unittest
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.server.test_browser import Downloading
from tests.support.layers import Chromium, Server
from tests.support.servers.cutting import CuttingRelay

MB = 1_000_000
PATIENCE_SECONDS = 60
TUS_JS = Path.cwd() / "parts" / "tus-js-client" / "tus.min.js"
JS_UPLOAD = """
const file = document.querySelector("[name=file]").files[0];
new tus.Upload(file, {
  endpoint: location.href + "/+uploads", metadata: {filename: file.name}, retryDelays: Array(50).fill(20),
  onSuccess() { window.ended = "success"; }, onError(error) { window.ended = String(error); },
}).start();
"""


#: A file that is moved over the form, and let go of there: events such as a browser sends.
DRAG = """
window.dragged = new DataTransfer();
dragged.items.add(new File([%s], "rose.txt", {type: "text/plain"}));
window.drag = (kind) => document.forms[0].dispatchEvent(
  new DragEvent(kind, {dataTransfer: dragged, bubbles: true, cancelable: true}));
drag("dragover");
"""
DROP = "drag('drop');"


class Pages(unittest.TestCase):
    layer = Downloading

    def setUp(self) -> None:
        self.browser, self.server = Chromium.browser, Server.server
        folder = tempfile.TemporaryDirectory(prefix="librarian-pages-")
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "large file.bin"
        data = os.urandom(6 * MB)
        self.path.write_bytes(data)
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.browser.messages()  # those of the pages before

    def relay(self, endpoint: str, **options: int) -> CuttingRelay:
        found: CuttingRelay = self.enterContext(CuttingRelay(self.server.urls[endpoint], **options))
        return found

    def link(self, **terms: str) -> str:
        """The path of a new upload link."""
        headers = urllib3.make_headers(basic_auth=f"admin:{self.server.admin_password}")
        url = f"{self.server.urls['app']}+upload-links"
        made = urllib3.request("POST", url, headers=headers, json=terms).json()["url"]
        return urlsplit(made).path.lstrip("/")

    def uploads(self, *, complete: bool = False) -> dict[str, int]:
        """Id and offset of each upload of a file that is called as this test's are."""
        headers = urllib3.make_headers(basic_auth=f"admin:{self.server.admin_password}")
        found = urllib3.request("GET", f"{self.server.urls['app']}+uploads?all", headers=headers).json()
        ours = [each for each in found["uploads"] if each["filename"] == self.path.name]
        return {each["id"]: each["offset"] for each in ours if each["complete"] == complete}

    def choose(self) -> None:
        self.browser.driver.find_element(By.NAME, "file").send_keys(str(self.path))

    def click(self, label: str) -> None:
        self.browser.driver.find_element(
            By.XPATH,
            f"//main//button[normalize-space()='{label}']"
            f"|//body[not(main)]//button[normalize-space()='{label}']",
        ).click()

    def until_told(self, words: str) -> None:
        WebDriverWait(self.browser.driver, PATIENCE_SECONDS, poll_frequency=0.05).until(
            lambda driver: words in self.browser.text("form[data-uploads]"), words
        )

    def arrived(self) -> int:
        """How many files of this content the public endpoint has."""
        answer = urllib3.request("GET", f"{self.server.urls['public']}search?digest={self.sha256}")
        return int(answer.data.splitlines()[0])

    def assert_allowed(self) -> None:
        """The content policy has stopped nothing."""
        told = [line for line in self.browser.messages() if "Content Security Policy" in line]
        self.assertEqual(told, [])

    def test_the_form_of_the_application_over_connections_that_are_cut(self) -> None:
        relay = self.relay("app", cut_after=2 * MB)
        self.browser.open(f"{relay.url}+upload")
        self.browser.fill("name", "admin")
        self.browser.fill("password", self.server.admin_password)
        self.browser.press("Log in")
        box = self.browser.driver.find_element(By.NAME, "restricted")
        self.assertTrue(box.is_selected())  # what is shared is shared on purpose
        box.click()
        self.choose()
        self.click("Add")
        self.until_told("Done, 6.0 MB")
        self.browser.follow("large file.bin")
        self.assertTrue(self.browser.url.endswith("/+about"))
        self.assertEqual(self.browser.text("h1"), "large file.bin")
        self.assertGreaterEqual(relay.cuts, 2)
        self.assertEqual(self.arrived(), 1)
        self.assert_allowed()

    def test_the_page_behind_a_link_pauses_and_goes_on(self) -> None:
        relay = self.relay("public")
        self.browser.open(relay.url + self.link(wanted="Your film", restricted="false", max_size="7MB"))
        self.assertIn("Your film", self.browser.text())
        relay.rate = MB
        self.choose()
        self.click("Send")
        self.until_told(" of 6.0 MB")
        self.click("Pause")
        self.until_told("Paused")
        relay.rate = None
        self.assertEqual(self.arrived(), 0)
        self.click("Go on")
        self.until_told("Thank you: large file.bin has come, 6.0 MB.")
        self.assertEqual(self.arrived(), 1)
        self.assert_allowed()

    @unittest.skipUnless(TUS_JS.is_file(), "tus-js-client was not fetched: tools/peers.py")
    def test_tus_js_client_over_connections_that_are_cut(self) -> None:
        relay = self.relay("public", cut_after=2 * MB)
        self.browser.open(relay.url + self.link(restricted="false"))
        self.choose()
        self.browser.run(TUS_JS.read_text("utf-8"))
        self.browser.run(JS_UPLOAD)
        WebDriverWait(self.browser.driver, PATIENCE_SECONDS).until(
            lambda driver: self.browser.run("return window.ended"), "an end"
        )
        self.assertEqual(self.browser.run("return window.ended"), "success")
        self.assertGreaterEqual(relay.cuts, 2)
        self.assertEqual(self.arrived(), 1)

    def test_a_file_that_the_link_does_not_take(self) -> None:
        self.browser.open(self.server.urls["public"] + self.link(max_size="5MB"))
        self.choose()
        self.until_told("large file.bin is too large: 6.0 MB, and at most 5.0 MB are taken.")
        self.assertEqual(self.browser.text(".sendings"), "")  # it was told when the file was chosen
        self.click("Send")
        self.until_told("at most 5.0 MB are taken")
        self.assertEqual(self.uploads(), {})

    def test_several_files_by_one_link(self) -> None:
        second = self.path.with_name("another.bin")
        second.write_bytes(os.urandom(100))
        self.browser.open(self.server.urls["public"] + self.link(uses="2", restricted="false"))
        chooser = self.browser.driver.find_element(By.NAME, "file")
        chooser.send_keys(f"{self.path}\n{second}")
        self.click("Send")
        for name in (self.path.name, second.name):
            self.until_told(f"Thank you: {name} has come")
        self.assert_allowed()

    def test_an_upload_that_is_given_up_leaves_nothing(self) -> None:
        relay = self.relay("public")
        self.browser.open(relay.url + self.link(restricted="false"))
        relay.rate = MB
        self.choose()
        self.click("Send")
        self.until_told(" of 6.0 MB")
        self.click("Give up")
        self.until_told("It was given up.")
        self.assertEqual((self.uploads(), self.arrived()), ({}, 0))

    def test_a_page_that_is_loaded_anew_goes_on_where_it_was(self) -> None:
        relay, path = self.relay("public"), self.link(restricted="false")
        relay.rate = MB
        self.browser.open(relay.url + path)
        self.choose()
        self.click("Send")
        WebDriverWait(self.browser.driver, PATIENCE_SECONDS).until(
            lambda driver: any(self.uploads().values()), "bytes that have come"
        )
        [begun] = self.uploads()
        self.browser.driver.refresh()
        self.assertEqual(self.browser.text(".sendings"), "")
        relay.rate = None
        self.choose()
        self.click("Send")
        self.until_told("Thank you: large file.bin has come, 6.0 MB.")
        self.assertIn(begun, self.uploads(complete=True))
        self.assertEqual((self.uploads(), self.arrived()), ({}, 1))
        self.assert_allowed()

    def test_a_file_that_is_dropped(self) -> None:
        words = f"a rose {os.urandom(8).hex()} is a rose"
        self.sha256 = hashlib.sha256(words.encode()).hexdigest()
        self.browser.open(self.server.urls["public"] + self.link(restricted="false"))
        self.browser.run(DRAG % json.dumps(words))
        self.assertEqual(self.browser.run("return document.body.className"), "dragged")
        self.browser.run(DROP)
        self.assertEqual(self.browser.run("return document.body.className"), "")
        self.until_told(f"Thank you: rose.txt has come, {len(words)} bytes.")
        self.assertEqual(self.arrived(), 1)
        self.assert_allowed()
