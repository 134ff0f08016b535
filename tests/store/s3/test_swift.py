"""The store on a real one: OpenStack Swift, also behind TLS, whose parts stop and come back."""

import doctest
import os
import tempfile
import time
import unittest
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest import mock

from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import BytesDamaged, BytesNotFound, IByteStore, StoreUnavailable
from librarian.store.s3.address import parse_address
from librarian.store.s3.service import make_store
from librarian.store.s3.store import S3Store
from librarian.testing.clock import HandMovedClock
from tests.store.support import MIB, pattern
from tests.support.layers import Swift
from tests.support.object_store import MemoryGenerations
from tests.support.servers.certificates import Authority
from tests.support.servers.swift import SwiftServer, swift_missing
from tests.test_documents import DOCUMENTS, OPTIONS

SECONDS = 5.0  # in which a store that is away, or back, must be noticed


class SwiftTestCase(unittest.TestCase):
    layer: Any = Swift

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.clock = HandMovedClock()
        self.server = self.its_server()
        environment = mock.patch.dict(os.environ, self.server.settings())
        environment.start()
        self.addCleanup(environment.stop)
        self.store = self.make()

    def its_server(self) -> SwiftServer:
        return Swift.swift

    def make(self, options: str = "") -> S3Store:
        """A store below a prefix of its own."""
        self.server.make_bucket("librarian")
        prefix = self.id().rpartition(".")[2]
        url = f"s3://librarian/{prefix}?endpoint={self.server.url}&folder={self.folder}/s3&part_size=5MiB{options}"
        return make_store(parse_address(url), self.clock, MemoryGenerations())

    def put(self, data: bytes) -> str:
        sha256: str = self.store.put(BytesIO(data)).sha256
        return sha256

    def read(self, sha256: str) -> bytes:
        with self.store.open(sha256) as file:
            return file.read()


class OnSwift(SwiftTestCase):
    def test_the_document_of_byte_stores(self) -> None:
        on_disk = DiskStore(self.folder / "disk", self.clock)
        for store in (self.store, on_disk):
            with self.subTest(type(store).__name__):
                self.clock = HandMovedClock()
                store._clock = self.clock
                self.run_document(store)

    def run_document(self, store: Any) -> None:
        def utility(interface: object) -> object:
            assert interface is IByteStore
            return store

        path = DOCUMENTS / "store" / "byte-store.rst"
        names = {"getUtility": utility, "BytesIO": BytesIO, "clock": self.clock}
        failed, tried = doctest.testfile(str(path), module_relative=False, globs=names, optionflags=OPTIONS)
        self.assertGreater(tried, 40)
        self.assertEqual(0, failed)

    def test_parts_beside_one_another(self) -> None:
        data = pattern(11 * MIB + 1)
        sha256 = self.put(data)
        self.assertEqual(data, self.read(sha256))
        self.assertEqual(data[MIB : 6 * MIB], b"".join(self.store.objects.get(sha256, MIB, 6 * MIB)))
        self.assertEqual(len(data), self.store.verify(sha256))
        self.assertTrue(self.store.remove(sha256))
        self.assertEqual([], list(self.store))

    def test_damage_on_the_device(self) -> None:
        before = set(self.server.objects())
        sha256 = self.put(b"A rose is a rose.")
        (path,) = (
            path for path in set(self.server.objects()) - before if path.read_bytes() == b"A rose is a rose."
        )
        path.write_bytes(b"A nose is a rose.")
        with self.assertRaises((BytesDamaged, BytesNotFound)):
            self.read(sha256)
        self.assertEqual(sha256, self.put(b"A rose is a rose."))
        self.assertEqual(b"A rose is a rose.", self.read(sha256))

    def test_each_part_away_is_told_soon_and_comes_back_by_itself(self) -> None:
        sha256 = self.put(b"here")
        for part in ("proxy", "object"):
            with self.subTest(part):
                with self.server.without(part):
                    for _attempt in range(4):
                        self.assert_away(sha256)
                    began = time.monotonic()
                    self.assert_away(sha256)
                    self.assertLess(time.monotonic() - began, 0.1)  # without asking
                began = time.monotonic()
                while True:
                    try:
                        self.assertEqual(b"here", self.read(sha256))
                        break
                    except StoreUnavailable:
                        self.assertLess(time.monotonic() - began, 6 * SECONDS)
                        time.sleep(0.05)

    def assert_away(self, sha256: str) -> None:
        began = time.monotonic()
        with self.assertRaises(StoreUnavailable):
            self.read(sha256)
        with self.assertRaises(StoreUnavailable):
            self.store.put(BytesIO(b"more"))
        self.assertLess(time.monotonic() - began, 6 * SECONDS)

    def test_a_silent_store_is_given_up(self) -> None:
        sha256 = self.put(b"here")
        self.store = self.make("&timeout=1s")
        with self.server.frozen("proxy"):
            self.assert_away(sha256)
        self.assertEqual(b"here", self.read(sha256))

    def test_a_wrong_bucket_is_no_loss(self) -> None:
        url = f"s3://nothing-here?endpoint={self.server.url}&folder={self.folder}/s3"
        store = make_store(parse_address(url), self.clock, MemoryGenerations())
        for method in (store.open, store.size, store.verify, store.remove):
            with self.assertRaises(StoreUnavailable):
                method("0" * 64)

    def test_wrong_credentials_are_no_loss_and_are_not_shown(self) -> None:
        with mock.patch.dict(os.environ, {"AWS_SECRET_ACCESS_KEY": "not-the-secret"}):
            store = self.make()
            with self.assertLogs(level="DEBUG") as logged, self.assertRaises(StoreUnavailable) as caught:
                store.put(BytesIO(b"data"))
        self.assertNotIn("not-the-secret", f"{caught.exception} {logged.output}")


class OnSwiftWithTls(SwiftTestCase):
    """Checksums in trailers, and removals without Content-MD5, are refused there."""

    layer = Swift

    def its_server(self) -> SwiftServer:
        if swift_missing():
            self.skipTest(str(swift_missing()))
        authority = Authority(self.folder)
        server = SwiftServer(authority.leaf("127.0.0.1"))
        stack = ExitStack()
        self.addCleanup(stack.close)
        stack.callback(server.remove)
        stack.callback(server.stop)
        server.start()
        self.ca_file = authority.ca_file
        return server

    def make(self, options: str = "") -> S3Store:
        return super().make(f"&ca_file={self.ca_file}{options}")

    def test_put_in_one_and_in_parts_and_remove_several_at_once(self) -> None:
        for data in (b"", b"small", pattern(6 * MIB)):
            sha256 = self.put(data)
            self.clock.move(days=1)
            self.put(data)  # makes an object of its age
            self.assertEqual(data, self.read(sha256))
            self.assertTrue(self.store.remove(sha256))
        self.assertEqual([], list(self.store))
        self.assertEqual([], [batch for batch in self.store.objects.walk("ages") if batch])
