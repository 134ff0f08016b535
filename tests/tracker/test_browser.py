"""The tracker's pages in a real browser, and a token from a person's page to a worker machine."""

import json
import tempfile
import unittest
from pathlib import Path
from typing import Any, ClassVar

import urllib3

from librarian.tracker.client import Client, RemoteError
from librarian.tracker.client.stores.remote import RemoteDataStore
from tests.support.browser import Browser
from tests.support.layers import Chromium
from tests.support.servers.librarian import ServerProcess

HOSTILE = "<img src=x onerror=document.title='pwned'>"
NETWORKS = "librarian.tracker.write_networks = 10.0.0.0/8\nlibrarian.tracker.read_networks = 10.0.0.0/8\n"


class Pages(Chromium):
    """A server whose tracker wants tokens, the browser, and some files."""

    server: ClassVar[ServerProcess]
    token: ClassVar[str]

    @classmethod
    def setUp(cls) -> None:
        Pages.server = ServerProcess(NETWORKS)
        Pages.server.start()
        Pages.token = new_token("tracker:read", "tracker:write")
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "source")
            store = RemoteDataStore(Pages.server.urls["tracker"], token=Pages.token)
            for name, version in (("/d/a@5", 5), ("/d/a@6", 6), ("/d/e/f@7", 7), (f"/{HOSTILE}@8", 8)):
                source.write_bytes(b"%d" % version)
                store.add_file(name, str(source))

    @classmethod
    def tearDown(cls) -> None:
        Pages.server.stop()
        Pages.server.remove()


def new_token(*scopes: str) -> str:
    """A token of the first administrator's."""
    server = Pages.server
    headers = urllib3.make_headers(basic_auth=f"admin:{server.admin_password}")
    headers |= {"Content-Type": "application/json", "Accept": "application/json"}
    body = json.dumps({"title": "test", "scopes": list(scopes)})
    url = f"{server.urls['app']}people/admin/+tokens"
    answer: Any = server.request("POST", url, body=body, headers=headers)
    return str(answer.json()["token"])


class BrowserTests(unittest.TestCase):
    layer = Pages

    def setUp(self) -> None:
        self.browser: Browser = Pages.browser
        self.browser.forget()
        self.app = Pages.server.urls["app"].rstrip("/")

    def test_log_in_browse_and_read_an_old_version(self) -> None:
        self.browser.open(f"{self.app}/tracker/tree/d")
        self.assertIn("/+login", self.browser.url)
        self.browser.fill("name", "admin")
        self.browser.fill("password", Pages.server.admin_password)
        self.browser.press("Log in")
        self.assertEqual(self.browser.texts("tbody td:first-child"), ["a", "e/"])
        self.browser.follow("tracker")
        self.assertIn(HOSTILE, self.browser.texts("tbody td:first-child"))
        self.assertNotEqual(self.browser.run("return document.title"), "pwned")
        self.browser.follow("d/")
        self.browser.follow("a")
        self.assertEqual(self.browser.texts("tbody td:first-child"), ["6", "5"])
        self.assertEqual(self.browser.texts("tbody td:nth-child(6)"), ["present", "replaced"])
        links = self.browser.run("return [...document.querySelectorAll('tbody a')].map(a => a.href)")
        self.assertEqual(
            self.browser.run(f"return fetch({json.dumps(links[1])}).then(answer => answer.text())"), "5"
        )

    def test_a_worker_with_a_token_for_one_directory(self) -> None:
        token = new_token("tracker:read:/d")
        with tempfile.TemporaryDirectory() as folder:
            client = Client(cache_dir=f"{folder}/c", remote_url=Pages.server.urls["tracker"], token=token)
            self.assertEqual(client.get_file("/d/a@5", f"{folder}/out"), "/d/a@5")
            self.assertEqual(client.list_remote_files(subpath="/d"), ["a", "e/f"])
            for call in (client.list_remote_files, lambda: client.put_file("/d/a", f"{folder}/out")):
                with self.assertRaisesRegex(RemoteError, "HTTP/403: .* token"):
                    call()
            stranger = Client(cache_dir=f"{folder}/s", remote_url=Pages.server.urls["tracker"])
            with self.assertRaisesRegex(RemoteError, "HTTP/401: a token is needed for this"):
                stranger.get_file("/d/a", f"{folder}/none")
