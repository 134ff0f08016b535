"""What a person does with files, in a real browser: add, look, share, take back, delete and bring back."""

import json
import time
import unittest
from typing import Any, ClassVar

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.library.uploads.test_pages import PATIENCE_SECONDS
from tests.support.browser import Browser
from tests.support.layers import Chromium
from tests.support.servers.cutting import CuttingRelay
from tests.support.servers.librarian import ServerProcess

DROP = """
const transfer = new DataTransfer();
for (const [name, type, text] of arguments) transfer.items.add(new File([text], name, {type}));
for (const kind of ["dragover", "drop"]) {
  document.body.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: transfer}));
}
"""
PASTE = """
const transfer = new DataTransfer();
transfer.items.add(new File(["picture"], "image.png", {type: "image/png"}));
document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true}));
"""
PDF = (
    "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Size 4/Root 1 0 R>>\n%%EOF"
)


class OwnHosts(Chromium):
    """A server whose files have hosts of their own below localhost, which browsers find by themselves."""

    server: ClassVar[ServerProcess]
    relay: ClassVar[CuttingRelay]

    @classmethod
    def setUp(cls) -> None:
        cls.relay = CuttingRelay("http://127.0.0.1:9/")
        port = cls.relay.url.rpartition(":")[2]
        cls.server = ServerProcess(f"librarian.secure_download_url = http://localhost:{port}")
        cls.server.start()
        cls.relay.lead_to(cls.server.urls["public"])
        cls.relay.__enter__()

    @classmethod
    def tearDown(cls) -> None:
        cls.relay.__exit__(None, None, None)
        cls.server.stop()
        cls.server.remove()


class Stories(unittest.TestCase):
    layer = OwnHosts

    def setUp(self) -> None:
        self.browser, self.app = Chromium.browser, OwnHosts.server.urls["app"]
        self.browser.forget()
        self.browser.open(f"{self.app}+login?next=/files")
        self.browser.fill("name", "admin")
        self.browser.fill("password", OwnHosts.server.admin_password)
        self.browser.press("Log in")
        self.browser.messages()

    def tearDown(self) -> None:
        told = [line for line in self.browser.messages() if "Content Security Policy" in line]
        self.assertEqual(told, [])

    def until(self, what: Any, words: str) -> None:
        WebDriverWait(self.browser.driver, PATIENCE_SECONDS, poll_frequency=0.05).until(
            lambda driver: what(), words
        )

    def drop(self, *files: tuple[str, str, str], restricted: bool = False) -> None:
        """Drop files on the list, and wait until they have come."""
        self.browser.open(f"{self.app}files")
        self.browser.driver.find_element(By.TAG_NAME, "summary").click()
        box = self.browser.driver.find_element(By.ID, "restricted")
        if box.is_selected() != restricted:
            box.click()
        self.browser.driver.execute_script(DROP, *files)
        self.until(lambda: self.browser.text(".sendings").count("Done") == len(files), "Done")

    def click(self, label: str) -> None:
        self.browser.driver.find_element(By.XPATH, f"//button[normalize-space()='{label}']").click()

    def test_three_files_are_dropped_and_one_is_found_by_a_part_of_its_name(self) -> None:
        names = ("Minutes of May.txt", "Minutes of June.txt", "Song.txt")
        self.drop(*((name, "text/plain", f"{name} {time.time_ns()}") for name in names))
        self.assertEqual(self.browser.texts(".sendings a"), list(names))
        self.until(lambda: self.search("jun") == ["Minutes of June.txt"], "found")
        self.browser.follow("Minutes of June.txt")
        self.assertEqual(self.browser.text("h1"), "Minutes of June.txt")

    def search(self, words: str) -> list[str]:
        self.browser.open(f"{self.app}+search?q={words}")
        return self.browser.texts(".files td:first-child")

    def test_a_picture_is_pasted(self) -> None:
        self.browser.driver.execute_script(PASTE)
        self.until(lambda: "Done" in self.browser.text(".sendings"), "Done")
        self.assertRegex(self.browser.text(".sendings a"), r"^picture-\d{4}-[\d-]+\.png$")

    def test_a_pdf_is_shown_on_its_own_host(self) -> None:
        for restricted in (False, True):
            name = f"plan {restricted}.pdf"
            self.drop((name, "application/pdf", PDF), restricted=restricted)
            self.browser.follow(name)
            if restricted:
                self.browser.driver.find_element(By.CSS_SELECTOR, "main summary").click()
            host = r"^i\d+\.restricted\.localhost$" if restricted else r"^i\d+\.localhost$"
            self.assertRegex(self.host_of_frame(), host)

    def host_of_frame(self) -> str:
        """The host of the PDF that the frame shows."""
        driver = self.browser.driver
        frame = driver.find_element(By.TAG_NAME, "iframe")
        driver.execute_script("arguments[0].scrollIntoView()", frame)
        driver.switch_to.frame(frame)
        try:
            self.until(lambda: self.browser.run("return document.contentType") == "application/pdf", "a PDF")
            return str(self.browser.run("return location.hostname"))
        finally:
            driver.switch_to.default_content()

    def test_a_link_is_opened_in_a_second_browser_until_it_is_revoked(self) -> None:
        self.drop(("Secret plan.txt", "text/plain", "the plan of the week"), restricted=True)
        self.browser.follow("Secret plan.txt")
        Select(self.browser.driver.find_element(By.NAME, "lifetime")).select_by_visible_text("1 hour")
        self.browser.press("Make a link")
        link = str(self.browser.driver.find_element(By.ID, "link").get_attribute("href"))
        second = Browser()
        self.addCleanup(second.close)
        second.open(link)
        self.assertEqual(second.text(), "the plan of the week")
        second.open(f"{self.app}files")
        self.assertIn("Log in to see your files", second.text())
        self.assertIn("Administrator", self.browser.text("main table"))
        self.browser.press("Revoke")
        second.open(link)
        self.assertNotIn("the plan", second.text())
        self.assertIn("There is no link to this file.", self.browser.text())

    def test_the_trash(self) -> None:
        self.drop(("Old song.txt", "text/plain", json.dumps("la la la")))
        self.browser.follow("Old song.txt")
        self.browser.press("Delete")
        self.assertIn("This file is deleted.", self.browser.text())
        self.until(self.is_in_trash, "in the trash")
        self.browser.press("Bring back")
        self.assertNotIn("This file is deleted.", self.browser.text())
        self.assertIn("la la la", self.browser.text(".preview"))

    def is_in_trash(self) -> bool:
        self.browser.open(f"{self.app}files?list=deleted")
        return "Old song.txt" in self.browser.texts(".files td:first-child")
