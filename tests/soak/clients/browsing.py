"""A person with a browser: Chromium looks at pages, and adds files by dropping them on one."""

import time

from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.soak.clients.base import Client, digest
from tests.soak.ledger import Key
from tests.soak.watch import Unexpected, Wrong
from tests.support.browser import PATIENCE_SECONDS, Browser

PAGES = (
    "files",
    "files?list=all",
    "+overview",
    "tree/",
    "people",
    "tracker/tree",
    "+search?q=browser",
    "+audit",
)
DROP = """
const transfer = new DataTransfer();
transfer.items.add(new File([arguments[1]], arguments[0], {type: "text/plain"}));
for (const kind of ["dragover", "drop"]) {
  document.body.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: transfer}));
}
"""
STATUS = "return performance.getEntriesByType('navigation')[0].responseStatus"


class Browsing(Client):
    """Pages, uploads and deletions in a browser, which logs in by itself."""

    kind = "browser"
    rate = 0.12
    deeds = {"look": 5, "upload": 4, "delete": 1}  # noqa: RUF012  # constant

    def begin(self) -> None:
        self.browser = Browser()
        self.added: list[
            tuple[str, str]
        ] = []  # the URL of the page below the application's, and the file's path

    def end(self) -> None:
        self.browser.close()

    def _open(self, path: str) -> None:
        app = self.world.urls["app"]
        self.browser.open(f"{app}{path}")
        if "/+login" in self.browser.url or "Log in to" in self.browser.text():
            self.browser.open(f"{app}+login?next=/{path}")
            self.browser.fill("name", "admin")
            self.browser.fill("password", self.world.server.admin_password)
            self.browser.press("Log in")
        status = int(self.browser.run(STATUS))
        if not status:  # Chromium's own page, which says that there is none
            raise WebDriverException(self.browser.text()[:200])
        if status != 200:
            raise Unexpected(status, f"{path} {self.browser.text()[:200]}")

    def look(self) -> None:
        self._open(self.chance.choice(PAGES))
        if not self.browser.text("h1"):
            raise Wrong(f"a page without a heading: {self.browser.url}")

    def upload(self) -> None:
        name, text = (
            f"{self.new_name()}.txt",
            f"{self.chance.getrandbits(64)}\n" * self.chance.randrange(1, 2000),
        )
        begun = time.monotonic()
        self._open("files")
        self.browser.driver.find_element(By.TAG_NAME, "summary").click()
        self.browser.driver.find_element(By.ID, "restricted").click()  # what all may read is compared
        self.browser.driver.execute_script(DROP, name, text)
        WebDriverWait(self.browser.driver, PATIENCE_SECONDS).until(
            lambda _driver: "Done" in self.browser.text(".sendings"), "an upload is not done"
        )
        link = self.browser.driver.find_element(By.CSS_SELECTOR, ".sendings a").get_attribute("href")
        page = str(link).removeprefix(self.world.urls["app"])
        path = f"/{page.split('/')[1]}/{name}"
        self.world.ledger.add(Key("public", path), digest(text.encode()), begun)
        self.added.append((page, path))

    def delete(self) -> None:
        """By the button on the file's page."""
        if not self.added:
            return
        page, path = self.added.pop()
        self._open(page)
        with self.world.ledger.changing((Key("public", path), "")):
            self.browser.press("Delete")
            if "This file is deleted." not in self.browser.text():
                raise Unexpected(0, f"no word of a deletion: {self.browser.text()[:200]}")
