"""A large file over connections that are cut, in flat memory, and its webhook; `make soak` has one of 5 GB.

LIBRARIAN_LARGE is the size in MB.  A file of that size is written, and the server keeps it once more.
"""

import hashlib
import json
import os
import tempfile
import unittest
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from tusclient.client import TusClient

from tests.support.layers import Chromium
from tests.support.servers.cutting import CuttingRelay
from tests.support.servers.keep_alive import KeepAlive
from tests.support.servers.librarian import ServerProcess

MB = 1_000_000
SIZE = int(os.environ.get("LIBRARIAN_LARGE", "40")) * MB
CUT_AFTER = SIZE // 25  # of 5 GB: 200 MB
PIECE = CUT_AFTER * 5 // 4  # no connection carries a whole one
GROWTH_KIB = 40 << 10  # of each process, whatever the size of the file
PATIENCE_SECONDS = 60 + SIZE // MB
BLOCK = 1 << 20  # bytes


class Large(unittest.TestCase):
    """A server in an interpreter of its own, an upload link, a file, and what is true in the end."""

    def setUp(self) -> None:
        self.receiver = KeepAlive(204, b"")
        self.addCleanup(self.receiver.close)
        self.server = ServerProcess("librarian.events.allowed_networks = 127.0.0.0/8", forked=False)
        self.addCleanup(self.server.remove)
        self.addCleanup(self.server.stop)
        self.server.start()
        self.ask("webhooks", url=self.receiver.url, kinds=["upload.received"], everything=True)
        url = self.ask("+upload-links", restricted="false")["url"]
        self.link = urlsplit(url).path.lstrip("/")
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="librarian-large-"))
        self.path = Path(folder) / "large.bin"
        self.sha256 = self.fill()
        self.before = self.peaks()

    def ask(self, path: str, **fields: Any) -> Any:
        headers = urllib3.make_headers(basic_auth=f"admin:{self.server.admin_password}")
        answer = urllib3.request("POST", self.server.urls["app"] + path, headers=headers, json=fields)
        self.assertEqual(answer.status, 201, answer.data)
        return answer.json()

    def fill(self) -> str:
        """Write the file, of blocks that are each another; its sha256."""
        block, digest, left = os.urandom(BLOCK), hashlib.sha256(), SIZE
        with self.path.open("wb") as file:
            while left:
                data = (left.to_bytes(8, "big") + block[8:])[:left]
                file.write(data)
                digest.update(data)
                left -= len(data)
        return digest.hexdigest()

    def peaks(self) -> list[int]:
        """The most memory that each process of the server has had, in KiB."""
        pids = (self.server.pid, *self.server.worker_pids)
        statuses = (Path(f"/proc/{pid}/status").read_text().splitlines() for pid in pids)
        return [int(line.split()[1]) for lines in statuses for line in lines if line.startswith("VmHWM")]

    def cutting(self) -> CuttingRelay:
        found: CuttingRelay = self.enterContext(CuttingRelay(self.server.urls["public"], cut_after=CUT_AFTER))
        return found

    def assert_arrived(self) -> None:
        """The file is there once, the memory has not grown with it, and the webhook is told once."""
        grown = [after - before for before, after in zip(self.before, self.peaks(), strict=True)]
        self.assertLess(max(grown), GROWTH_KIB)
        answer = urllib3.request("GET", f"{self.server.urls['public']}search?digest={self.sha256}")
        self.assertEqual(answer.data.decode().splitlines()[0], "1")
        sent = [self.server.command("send-events") for _each in range(2)]
        self.assertEqual([done.stdout.strip() for done in sent], ["1", "0"], sent)
        [event] = map(json.loads, self.receiver.bodies)
        self.assertEqual((event["type"], event["data"]["filename"]), ("upload.received", "large.bin"))


class ByTuspy(Large):
    def test_over_connections_that_are_cut(self) -> None:
        relay = self.cutting()
        with self.path.open("rb") as file:
            uploader = TusClient(f"{relay.url}{self.link}/+uploads").uploader(
                file_stream=file,
                metadata={"filename": self.path.name},
                chunk_size=PIECE,
                retries=1000,
                retry_delay=0,
            )
            uploader.upload()
        self.assertGreaterEqual(relay.cuts, 15)
        last: Any = uploader.request
        told = json.loads(last.response_content)
        self.assertEqual((told["sha256"], told["size"]), (self.sha256, SIZE))
        self.assert_arrived()


class ByThePage(Large):
    layer = Chromium

    def test_over_connections_that_are_cut(self) -> None:
        relay, driver = self.cutting(), Chromium.browser.driver
        Chromium.browser.open(relay.url + self.link)
        driver.find_element(By.NAME, "file").send_keys(str(self.path))
        driver.find_element(By.XPATH, "//button[normalize-space()='Send']").click()
        WebDriverWait(driver, PATIENCE_SECONDS).until(
            lambda driver: "Thank you" in Chromium.browser.text(".sendings"), "the end"
        )
        self.assertGreaterEqual(relay.cuts, 15)
        self.assert_arrived()
