"""The stores that a site can choose, as its settings describe them."""

import tempfile
import unittest
from io import BytesIO
from pathlib import Path

from zope.component import getGlobalSiteManager, getUtility
from zope.configuration import xmlconfig

from librarian.interfaces import IClock, ISettings, ISettingsSection, SettingsError
from librarian.settings import Settings
from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import IByteStore, StoreFull
from librarian.store.memory import MemoryStore
from librarian.store.settings import StoreSettings
from tests.store.support import HandClock

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
        store = self.chosen("disk_store", f"librarian.byte_store_keep_free = {1 << 60}")
        self.assertRaises(StoreFull, store.put, BytesIO(b"hello"))

    def test_nonsense(self) -> None:
        with self.assertRaises(SettingsError) as caught:
            self.register(Settings({"librarian.byte_store_quota": "lots"}), ISettings)
            getUtility(ISettings).section(StoreSettings)
        self.assertEqual("librarian.byte_store_quota", caught.exception.key)
