"""Logging in with a real browser, and what pages of other sites can make that browser do."""

import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.browser import Browser
from tests.support.layers import Chromium
from tests.support.servers.librarian import ServerProcess

NEW = "eight brown bottles"


class Echo(BaseHTTPRequestHandler):
    """Another site: shows whatever page its query holds."""

    def do_GET(self) -> None:
        body = unquote(urlsplit(self.path).query).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Say nothing."""


class TwoSites(Chromium):
    """A server of ours, and another site on the same machine."""

    server: ClassVar[ServerProcess]
    other: ClassVar[ThreadingHTTPServer]

    @classmethod
    def setUp(cls) -> None:
        TwoSites.server = ServerProcess()
        TwoSites.server.start()
        TwoSites.other = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
        threading.Thread(target=TwoSites.other.serve_forever, daemon=True).start()

    @classmethod
    def tearDown(cls) -> None:
        TwoSites.other.shutdown()
        TwoSites.other.server_close()
        TwoSites.server.stop()
        TwoSites.server.remove()


class WithBrowser(unittest.TestCase):
    layer = TwoSites

    def setUp(self) -> None:
        self.browser: Browser = TwoSites.browser
        self.app = TwoSites.server.urls["app"].rstrip("/")
        self.password = TwoSites.server.admin_password

    def log_in(self, password: str | None = None) -> None:
        self.browser.open(f"{self.app}/people")
        self.browser.fill("name", "admin")
        self.browser.fill("password", password or self.password)
        self.browser.press("Log in")

    def name_of_admin(self) -> str:
        self.browser.open(f"{self.app}/people/admin")
        return self.browser.text("h1")


class LoggingIn(WithBrowser):
    def test_log_in_and_out(self) -> None:
        self.log_in("not the password")
        self.assertIn("The name or the password is wrong", self.browser.text())
        self.browser.fill("password", self.password)
        self.browser.press("Log in")
        self.assertEqual(self.browser.url, f"{self.app}/people")
        self.browser.follow("Log out")
        self.browser.press("Log out")
        self.browser.open(f"{self.app}/people")
        self.assertIn("/+login", self.browser.url)

    def test_a_new_password_keeps_this_browser_logged_in(self) -> None:
        self.log_in()
        for before, after in ((self.password, NEW), (NEW, self.password)):
            self.browser.open(f"{self.app}/people/admin")
            self.browser.fill("current", before)
            self.browser.fill("new", after)
            self.browser.press("Set password")
            self.assertEqual(self.browser.url, f"{self.app}/people/admin")

    def test_a_token_is_made_shown_and_revoked(self) -> None:
        self.log_in()
        self.browser.open(f"{self.app}/people/admin/+tokens")
        self.browser.fill("title", "laptop")
        self.browser.driver.find_element(By.CSS_SELECTOR, "[name=scopes][value=read]").click()
        self.browser.press("Make a token")
        self.assertRegex(self.browser.text(".notice code"), r"^lbr_[\w-]{43}$")
        self.browser.press("Revoke")
        self.assertEqual(self.browser.texts(".notice"), [])
        self.assertIn("revoked", self.browser.text("table"))

    def test_a_wide_table_scrolls_by_itself_in_a_narrow_window(self) -> None:
        self.browser.open(f"{self.app}/+login")
        size = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self.browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.addCleanup(self.browser.driver.execute_cdp_cmd, "Emulation.clearDeviceMetricsOverride", {})
        self.browser.run(
            "const table = document.createElement('table');"
            "table.insertRow().insertCell().textContent = 'ftp://publisher@ftp.partner.example'.repeat(9);"
            "document.querySelector('main').append(table)"
        )
        self.assertLessEqual(self.browser.run("return document.documentElement.scrollWidth"), 400)
        self.assertGreater(self.browser.run("return document.querySelector('table').scrollWidth"), 400)

    def test_scripts_see_no_cookie(self) -> None:
        self.log_in()
        self.assertEqual(self.browser.run("return document.cookie"), "")


class OtherSites(WithBrowser):
    """The same host on another port gets our cookies with its forms; another host does not."""

    def setUp(self) -> None:
        super().setUp()
        self.log_in()
        port = TwoSites.other.server_address[1]
        self.sites = [f"http://127.0.0.1:{port}", f"http://localhost:{port}"]

    def show(self, site: str, page: str) -> None:
        self.browser.open(f"{site}/?{page}")

    def test_their_forms_change_nothing(self) -> None:
        form = (
            f"<form method=post action='{self.app}/people/admin'><input name=display_name value=Nasty>"
            "<button>Win a prize</button></form>"
        )
        for site in self.sites:
            self.show(site, form)
            self.browser.press("Win a prize")
            self.assertIn("Another site's page made this request.", self.browser.text())
            self.assertEqual(self.name_of_admin(), "Administrator")

    def test_they_neither_log_in_nor_out(self) -> None:
        for site in self.sites:
            for path, fields in (("+logout", ""), ("+login", "<input name=name value=admin>")):
                form = f"<form method=post action='{self.app}/{path}'>{fields}<button>Go</button></form>"
                self.show(site, form)
                self.browser.press("Go")
                self.assertIn("Another site's page made this request.", self.browser.text())
        self.browser.open(f"{self.app}/people")
        self.assertEqual(self.browser.url, f"{self.app}/people")

    def test_they_upload_nothing(self) -> None:
        upload = TwoSites.server.urls["upload"]
        for site in self.sites:
            self.show(
                site,
                f"<form method=post enctype=text/plain action='{upload}drive-by.txt'>"
                "<input name=a value=b><button>Go</button></form>",
            )
            self.browser.press("Go")
            self.assertIn("Another site's page made this request.", self.browser.text())

    def test_they_read_nothing(self) -> None:
        script = (
            f"return fetch('{self.app}/people/admin', {{credentials: 'include'}})"
            ".then(answer => answer.text(), error => error.name)"
        )
        for site in self.sites:
            self.show(site, "<p>hello")
            self.assertEqual(self.browser.run(script), "TypeError")

    def test_they_frame_nothing(self) -> None:
        for site in self.sites:
            self.show(site, f"<iframe src='{self.app}/people/admin'></iframe>")
            driver = self.browser.driver
            frame = WebDriverWait(driver, 10).until(lambda it: it.find_element(By.TAG_NAME, "iframe"))
            driver.switch_to.frame(frame)
            self.assertEqual(driver.find_elements(By.TAG_NAME, "form"), [])
            driver.switch_to.default_content()
