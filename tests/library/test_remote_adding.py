"""``remoteAddFile`` over a real connection: a wrong size costs nothing but its own call."""

import unittest
from io import BytesIO
from time import monotonic

from zope.component import getUtility, provideUtility

from librarian.interfaces import IFetcher
from librarian.library.client import LibrarianClient
from librarian.library.interfaces import UploadFailed
from librarian.net.service import UrllibFetcher
from librarian.store.interfaces import SizeMismatch
from tests.support.layers import Functional
from tests.support.servers.keep_alive import KeepAlive
from tests.support.world import overlay

SMUGGLED = b"PUT /smuggled.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nevil"


class WrongSizes(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.peer = KeepAlive(body=b'{"url": "http://localhost:8000/5/a"}')
        self.addCleanup(self.peer.close)
        self.addCleanup(provideUtility, getUtility(IFetcher), IFetcher)
        provideUtility(UrllibFetcher(timeout_seconds=10), IFetcher)
        self.enterContext(overlay(f"[librarian]\nupload_url = {self.peer.url}"))
        self.client = LibrarianClient()

    def add(self, size: int, data: bytes) -> str:
        return self.client.remoteAddFile("a", size, BytesIO(data), "text/plain")

    def test_more_bytes_than_declared_are_not_the_next_request(self) -> None:
        with self.assertRaises(SizeMismatch) as caught:
            self.add(5, b"12345" + SMUGGLED)
        self.assertIsInstance(caught.exception, AssertionError)
        self.assertEqual(self.add(4, b"next"), "http://localhost:8000/5/a")
        self.assertEqual(self.peer.bodies, [b"next"])
        self.assertNotIn("PUT /smuggled.txt", self.peer.heard)

    def test_fewer_bytes_than_declared_are_reported_at_once(self) -> None:
        began = monotonic()
        self.assertRaises(SizeMismatch, self.add, 10, b"12345")
        self.assertLess(monotonic() - began, 5)
        self.assertEqual(self.peer.bodies, [])

    def test_a_file_that_cannot_be_read(self) -> None:
        class Broken(BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                raise OSError(5, "Input/output error")

        with self.assertRaisesRegex(UploadFailed, "Input/output error"):
            self.client.remoteAddFile("a", 10, Broken(), "text/plain")
        self.assertEqual(self.add(4, b"next"), "http://localhost:8000/5/a")
        self.assertEqual(self.peer.bodies, [b"next"])
