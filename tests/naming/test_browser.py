"""Folders in a real browser: files that are dropped on the page, and the page on a phone."""

import unittest
from io import BytesIO
from zipfile import ZipFile

import urllib3
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.server.test_browser import Downloading
from tests.support.layers import Chromium, Server
from tests.support.servers.cutting import CuttingRelay

MB = 1_000_000
PATIENCE_SECONDS = 60
PHONE = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}

DROP = """
const transfer = new DataTransfer();
for (const [name, size] of arguments) {
  transfer.items.add(new File([new Uint8Array(size).fill(size % 251)], name, {type: "text/plain"}));
}
for (const kind of ["dragover", "drop"]) {
  document.body.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: transfer}));
}
"""


class Folders(unittest.TestCase):
    layer = Downloading

    def setUp(self) -> None:
        self.browser, self.server = Chromium.browser, Server.server
        self.browser.forget()
        self.browser.messages()  # those of the pages before

    def open(self, url: str, folder: str) -> None:
        """Log in, and make a folder."""
        self.browser.open(f"{url}+login?next=/tree/")
        self.browser.fill("name", "admin")
        self.browser.fill("password", self.server.admin_password)
        self.browser.press("Log in")
        self.browser.fill("folder", folder)
        self.browser.press("Make")

    def names(self) -> list[str]:
        return self.browser.texts("table.files td:first-child")

    def until_listed(self, names: list[str]) -> None:
        try:
            WebDriverWait(self.browser.driver, PATIENCE_SECONDS, poll_frequency=0.05).until(
                lambda driver: self.names() == names
            )
        except TimeoutException:
            self.fail(self.browser.text("main"))  # as it is now

    def test_dropped_files_have_their_paths_though_connections_are_cut(self) -> None:
        with CuttingRelay(self.server.urls["app"], cut_after=2 * MB) as relay:
            self.open(relay.url, "dropped")
            self.browser.driver.execute_script(DROP, ["one.txt", 3 * MB], ["two.txt", 10], ["three.txt", 0])
            self.until_listed(["one.txt", "three.txt", "two.txt"])
            self.assertGreaterEqual(relay.cuts, 1)
        answer = urllib3.request("GET", f"{self.server.urls['app']}tree/dropped/?zip")
        zipped = ZipFile(BytesIO(answer.data))
        self.assertEqual(len(answer.data), int(answer.headers["Content-Length"]))
        self.assertEqual([each.file_size for each in zipped.infolist()], [0, 3 * MB, 0, 10])
        self.assertIsNone(zipped.testzip())
        told = [line for line in self.browser.messages() if "Content Security Policy" in line]
        self.assertEqual(told, [])

    def test_what_is_refused_says_why_and_stays(self) -> None:
        self.open(self.server.urls["app"], "taken")
        self.browser.fill("folder", "inner")
        self.browser.press("Make")
        self.browser.open(f"{self.server.urls['app']}tree/taken/")
        self.browser.driver.execute_script(DROP, ["inner", 10])
        WebDriverWait(self.browser.driver, PATIENCE_SECONDS).until(
            lambda driver: "the name is taken" in self.browser.text(".sendings"), self.browser.text("main")
        )
        self.assertIn("Not all files are here.", self.browser.text("output"))

    def test_nothing_is_wider_than_a_phone(self) -> None:
        driver = self.browser.driver
        self.open(self.server.urls["app"], "a-folder-with-a-rather-long-name-that-breaks-nowhere-by-itself")
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
        self.addCleanup(driver.execute_cdp_cmd, "Emulation.clearDeviceMetricsOverride", {})
        for path in (
            "",
            "tree/",
            "files",
            "+overview",
            "+audit",
            "+upload",
            "machines/+imports",
            "mirrors",
            "people",
        ):
            with self.subTest(path):
                self.browser.open(f"{self.server.urls['app']}{path}")
                root = "document.documentElement"
                wider = self.browser.run(f"return {root}.scrollWidth - {root}.clientWidth")
                self.assertEqual(wider, 0)

    def test_the_first_stop_of_the_keyboard_leads_past_the_header(self) -> None:
        self.open(self.server.urls["app"], "keyboard")
        body = self.browser.driver.find_element(By.TAG_NAME, "body")
        body.send_keys("\ue004")  # Tab
        self.assertEqual(self.browser.run("return document.activeElement.textContent"), "Skip to the content")
