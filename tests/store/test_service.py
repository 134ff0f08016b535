"""The stores that a site can choose, as its settings describe them."""

import os
import sys
import tempfile
import unittest
from io import BytesIO
from pathlib import Path
from unittest import mock

from zope.component import getGlobalSiteManager, getUtility
from zope.configuration import xmlconfig

from librarian.interfaces import IClock, ISettings, ISettingsSection, SettingsError
from librarian.settings import Settings
from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import IByteStore, StoreFull, StoreUnavailable
from librarian.store.memory import MemoryStore
from librarian.store.s3.address import parse_address
from librarian.store.s3.service import make_store
from librarian.store.service import configured_store
from librarian.store.settings import StoreSettings
from tests.store.support import HandClock
from tests.support.object_store import MemoryGenerations

SITE = """
  <configure xmlns="http://namespaces.zope.org/zope">
    <include package="zope.component" file="meta.zcml" />
    <include package="librarian.store" />
    <utility provides="librarian.store.interfaces.IByteStore" factory="librarian.store.service.{}" />
  </configure>
"""


class Choice(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name) / "bytes"
        self.register(HandClock(), IClock)

    def register(self, component: object, provided: type) -> None:
        registry = getGlobalSiteManager()
        registry.registerUtility(component, provided)
        self.addCleanup(registry.unregisterUtility, component, provided)

    def chosen(self, factory: str, settings: str = "") -> IByteStore:
        """The store of a site that names a factory, as components find it."""
        values = dict(line.split(" = ") for line in settings.splitlines())
        self.register(Settings({"librarian.byte_store": str(self.root), **values}), ISettings)
        xmlconfig.string(SITE.format(factory))
        store = getUtility(IByteStore)
        self.addCleanup(getGlobalSiteManager().unregisterUtility, store, IByteStore)
        self.addCleanup(getGlobalSiteManager().unregisterUtility, StoreSettings, ISettingsSection, "store")
        return store

    def test_disk(self) -> None:
        store = self.chosen("disk_store")
        self.assertIsInstance(store, DiskStore)
        sha256 = store.put(BytesIO(b"hello")).sha256
        self.assertEqual(b"hello", (self.root / sha256[:2] / sha256[2:4] / sha256).read_bytes())

    def test_memory(self) -> None:
        self.assertIsInstance(self.chosen("memory_store"), MemoryStore)
        self.assertFalse(self.root.exists())

    def test_quota(self) -> None:
        for factory in ("disk_store", "memory_store"):
            store = self.chosen(factory, "librarian.byte_store_quota = 4")
            store.put(BytesIO(b"1234"))
            self.assertRaises(StoreFull, store.put, BytesIO(b"5"))

    def test_room_for_the_database(self) -> None:
        store = self.chosen("disk_store", "librarian.byte_store_keep_free = 900T")
        self.assertRaises(StoreFull, store.put, BytesIO(b"hello"))

    def test_the_setting_chooses(self) -> None:
        self.assertIsInstance(self.chosen("configured_store"), DiskStore)

    def test_a_bucket(self) -> None:
        url = f"s3://bucket/some/prefix?endpoint=http://127.0.0.1:9&folder={self.root}&part_size=16MiB&timeout=2s"
        address = parse_address(url)
        self.assertEqual(("bucket", "some/prefix/"), (address.bucket, address.prefix))
        self.assertEqual((16 << 20, 2.0, self.root), (address.part_size, address.timeout, address.folder))
        with mock.patch.dict(os.environ, {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}):
            store = make_store(address, HandClock(), MemoryGenerations())
        self.assertRaises(StoreUnavailable, store.check)

    def test_addresses_that_are_none(self) -> None:
        for address, why in (
            ("s3://", "is not of the form s3://bucket/prefix?endpoint=https://..."),
            ("s3://key:secret@bucket", "credentials do not belong here"),
            ("s3://b?endpoint=https://key:secret@host", "option 'endpoint': is not the URL of a server"),
            ("s3://b?endpont=https://host", "no option 'endpont'; there are ca_file"),
            ("s3://b?part_size=1MiB", "option 'part_size': a part has 5 MiB at least"),
            ("s3://b?parallel=0", "option 'parallel': 0 is less than 1"),
            ("s3://b?timeout=soon", "option 'timeout': 'soon' is no duration"),
            ("s3://b?region=a&region=b", "option 'region' twice"),
        ):
            with self.subTest(address), self.assertRaises(SettingsError) as caught:
                parse_address(address)
            self.assertIn(f"setting librarian.byte_store: {why}", str(caught.exception))
            self.assertNotIn("secret", str(caught.exception))

    def test_a_bucket_without_its_client_or_with_a_quota(self) -> None:
        with mock.patch.dict(sys.modules, {"boto3.session": None}):
            for name in ("service", "client"):
                del sys.modules[f"librarian.store.s3.{name}"]
            self.assert_refused("s3://b", "", "s3:// needs boto3, which `pip install librarian[s3]` installs")
        self.assert_refused("s3://b", "librarian.byte_store_quota = 1", "set the bucket's where it is")

    def assert_refused(self, address: str, more: str, why: str) -> None:
        values = dict(line.split(" = ") for line in more.splitlines())
        self.register(Settings({"librarian.byte_store": address, **values}), ISettings)
        with self.assertRaises(SettingsError) as caught:
            configured_store()
        self.assertIn(why, str(caught.exception))

    def test_nonsense(self) -> None:
        with self.assertRaises(SettingsError) as caught:
            self.register(Settings({"librarian.byte_store_quota": "lots"}), ISettings)
            getUtility(ISettings).section(StoreSettings)
        self.assertEqual("librarian.byte_store_quota", caught.exception.key)
