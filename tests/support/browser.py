"""A real browser for tests: Debian's Chromium, without a window, led by its own chromedriver."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.folders import remove_folder

CHROMIUM, CHROMEDRIVER = "chromium", "chromedriver"
PATIENCE_SECONDS = 30

ARGUMENTS = (
    "--headless=new",
    # Tests may run as root in a container, where Chromium's own sandbox cannot be set up.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    # Nothing but loopback is to be asked for anything.
    "--no-proxy-server",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

SUBMIT = """
const [form, values] = arguments;
for (const [name, value] of Object.entries(values)) {
  for (const field of form.querySelectorAll(`[name="${name}"]`)) {
    if (field.type === "checkbox") field.checked = field.value === value;
    else field.value = value;
  }
}
form.noValidate = true;
form.requestSubmit(form.querySelector("button"));
"""


def missing() -> str | None:
    """Why there is no browser here; None if there is one."""
    absent = [program for program in (CHROMIUM, CHROMEDRIVER) if shutil.which(program) is None]
    return f"{' and '.join(absent)} not installed" if absent else None


class Browser:
    """One Chromium with a profile of its own, in which `preferences` are set; close() ends it."""

    def __init__(self, preferences: Mapping[str, Any] | None = None) -> None:
        self._profile = Path(tempfile.mkdtemp(prefix="librarian-chromium-"))
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which(CHROMIUM) or CHROMIUM
        for argument in (*ARGUMENTS, f"--user-data-dir={self._profile}"):
            options.add_argument(argument)
        options.add_experimental_option("prefs", dict(preferences or {}))
        os.environ["SE_OFFLINE"] = "true"  # selenium is not to look for a driver to download
        self.driver = webdriver.Chrome(options, Service(shutil.which(CHROMEDRIVER)))
        self.driver.set_page_load_timeout(PATIENCE_SECONDS)

    def close(self) -> None:
        self.driver.quit()
        remove_folder(self._profile)

    def forget(self) -> None:
        """Log out everywhere: drop every cookie of every site."""
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})

    def open(self, url: str) -> None:
        self.driver.get(url)

    @property
    def url(self) -> str:
        return str(self.driver.current_url)

    def text(self, css: str = "body") -> str:
        """The text a person sees in the first element that `css` selects."""
        return str(self.driver.find_element(By.CSS_SELECTOR, css).text)

    def texts(self, css: str) -> list[str]:
        """The text of every element that `css` selects."""
        return [str(element.text) for element in self.driver.find_elements(By.CSS_SELECTOR, css)]

    def fill(self, name: str, value: str) -> None:
        """Type into the form field called `name`."""
        field = self.driver.find_element(By.NAME, name)
        field.clear()
        field.send_keys(value)

    def press(self, label: str) -> None:
        """Press the button that says `label`, and wait for the next page."""
        button = self.driver.find_element(By.XPATH, f"//button[normalize-space()='{label}']")
        self._leave(button.click, button)

    def submit(self, css: str, **values: str) -> None:
        """Fill in the form that `css` selects, without the browser's own checks, and press its first button.

        A value for boxes to tick is that of the one that is ticked.
        """
        form = self.driver.find_element(By.CSS_SELECTOR, css)
        self._leave(lambda: self.driver.execute_script(SUBMIT, form, values), form)

    def keys(self, *keys: str) -> None:
        """Type on the keyboard, wherever the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def follow(self, label: str) -> None:
        """Follow the link that says `label`, and wait for the next page."""
        link = self.driver.find_element(By.LINK_TEXT, label)
        self._leave(link.click, link)

    def run(self, script: str) -> Any:
        """What `script`, which may say ``return``, gives in the page that is shown."""
        return self.driver.execute_script(script)

    def wait_for(self, css: str, text: str) -> None:
        """Wait until the first element that `css` selects has the text, without leaving the page."""
        waiting = WebDriverWait(self.driver, PATIENCE_SECONDS, ignored_exceptions=[WebDriverException])
        waiting.until(lambda driver: text in self.text(css), f"no {text!r} in {css}")

    def messages(self) -> list[str]:
        """What the browser has written into its log since it was asked before."""
        driver: Any = self.driver
        return [str(entry["message"]) for entry in driver.get_log("browser")]

    def _leave(self, act: Any, element: Any) -> None:
        act()
        WebDriverWait(self.driver, PATIENCE_SECONDS).until(lambda driver: _is_gone(element))


def _is_gone(element: Any) -> bool:
    try:
        element.is_enabled()
    except WebDriverException:  # it is stale, or there is no page at all at this moment
        return True
    return False
