"""The library in the ZCML of an application: any order of files, its own parts, and no policy."""

import io
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import transaction
from ZODB.DB import DB
from ZODB.DemoStorage import DemoStorage
from zope.component import getUtility
from zope.configuration import xmlconfig
from zope.configuration.config import ConfigurationConflictError, ConfigurationExecutionError
from zope.interface import implementer
from zope.security.interfaces import Unauthorized
from zope.security.management import getSecurityPolicy, setSecurityPolicy
from zope.security.simplepolicies import ParanoidSecurityPolicy, PermissiveSecurityPolicy

from librarian.app import configure_components
from librarian.interfaces import IClock, ISettings, SettingsError
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.opening import open_library
from librarian.library.settings import LibrarySettings
from librarian.machines.interfaces import ICodeImportMachineSet
from librarian.people.interfaces import IPersonSet
from librarian.security.interaction import acting_as
from librarian.security.principals import ANONYMOUS
from librarian.store.interfaces import IByteStore
from librarian.store.memory import MemoryStore
from librarian.testing.clock import HandMovedClock
from librarian.tree.interfaces import ITree
from librarian.tree.service import Tree
from tests.security.zcml import ConfiguredTestCase

META = '<include package="librarian" file="meta.zcml" />'
ALL = '<include package="librarian" />'
SETTINGS = '<librarian:settings database_uri="file://{0}/Data.fs" byte_store="{0}/bytes" {1} />'
OWN = """
<utility provides="librarian.tree.interfaces.ITree" factory="tests.test_embedded_by_zcml.OwnTree" />
<utility provides="librarian.interfaces.IClock" factory="tests.test_embedded_by_zcml.OwnClock" />
<utility provides="librarian.store.interfaces.IByteStore" factory="tests.test_embedded_by_zcml.own_store" />
"""


class OwnTree(Tree):
    """The application's own database."""

    def __init__(self) -> None:
        super().__init__(DB(DemoStorage()))


@implementer(IClock)
class OwnClock(HandMovedClock):
    """The application's own time."""


def own_store() -> MemoryStore:
    return MemoryStore(getUtility(IClock))


class Applications(ConfiguredTestCase):
    def setUp(self) -> None:
        self.start_afresh()
        setSecurityPolicy(ParanoidSecurityPolicy)
        folder = tempfile.TemporaryDirectory(prefix="librarian-zcml-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def load(self, *parts: str, settings: str = "") -> None:
        """Configure the process with an application's file of these parts."""
        text = " ".join(parts).replace("SETTINGS", SETTINGS.format(self.folder, settings))
        xmlconfig.string(
            '<configure xmlns="http://namespaces.zope.org/zope"'
            f' xmlns:librarian="http://namespaces.zope.org/librarian">{text}</configure>'
        )
        self.addCleanup(getUtility(ITree).close)

    def keep_a_file(self) -> Any:
        with open_library() as library:
            alias = library.create("a.txt", 3, io.BytesIO(b"abc"), "text/plain")
            transaction.commit()
            return alias.id

    def test_settings_may_stand_anywhere(self) -> None:
        for parts in ((META, "SETTINGS", ALL), (META, ALL, "SETTINGS")):
            with self.subTest(parts):
                self.load(*parts, settings='token_lifetime="2h"')
                self.assertGreater(self.keep_a_file(), 0)
                self.assertEqual(getUtility(ISettings).section(LibrarySettings).token_lifetime.seconds, 7200)
                self.assertIs(Path(self.folder, "Data.fs").is_file(), True)
                getUtility(ITree).close()

    def test_every_system_is_there(self) -> None:
        self.load(META, ALL, "SETTINGS")
        with open_library():
            self.assertEqual(list(getUtility(ICodeImportMachineSet).getAll()), [])
            self.assertEqual(len(list(getUtility(IPersonSet))), 0)

    def test_the_applications_own_parts_win_in_any_order(self) -> None:
        for parts in ((META, OWN, ALL, "SETTINGS"), (META, ALL, OWN, "SETTINGS")):
            with self.subTest(parts):
                self.load(*parts)
                self.keep_a_file()
                self.assertIsInstance(getUtility(ITree), OwnTree)
                self.assertIsInstance(getUtility(IByteStore), MemoryStore)
                self.assertEqual(list(Path(self.folder).iterdir()), [])
                getUtility(ITree).close()

    def test_no_policy_is_set_and_the_library_is_guarded(self) -> None:
        setSecurityPolicy(PermissiveSecurityPolicy)
        self.load(META, ALL, "SETTINGS")
        self.assertIs(getSecurityPolicy(), PermissiveSecurityPolicy)
        alias_id = self.keep_a_file()
        with open_library(ANONYMOUS) as library:
            self.assertEqual(library[alias_id].filename, "a.txt")
            with self.assertRaises(Unauthorized):
                library[alias_id].delete()
        with acting_as(ANONYMOUS), open_library(ANONYMOUS), self.assertRaises(Unauthorized):
            getUtility(IPersonSet).new("eve", "Eve", "eve@example.com")

    def test_an_ini_file_and_attributes_over_it(self) -> None:
        ini = Path(self.folder, "shop.ini")
        ini.write_text("[app:main]\nlibrarian.token_lifetime = 3h\nlibrarian.byte_store = /nowhere\n")
        self.load(META, ALL, "SETTINGS", settings=f'ini="{ini}"')
        self.assertEqual(getUtility(ISettings).section(LibrarySettings).token_lifetime.seconds, 10800)
        self.keep_a_file()

    def test_an_unknown_setting_is_refused_by_its_name(self) -> None:
        with self.assertRaises(ConfigurationExecutionError) as caught:
            self.load(META, ALL, "SETTINGS", settings='tokn_lifetime="2h"')
        self.assertIsInstance(caught.exception.evalue, SettingsError)
        self.assertIn("librarian.tokn_lifetime", str(caught.exception))
        getUtility(ITree).close()

    def test_two_settings_are_a_conflict(self) -> None:
        with self.assertRaises(ConfigurationConflictError):
            self.load(META, ALL, "SETTINGS", "SETTINGS")

    def test_the_alias_set_needs_no_more(self) -> None:
        self.load(META, ALL, "SETTINGS")
        self.assertIsNotNone(getUtility(ILibraryFileAliasSet))


PARTS = """
from tests.test_embedded_by_zcml import OwnTree
"""
SITE = f"""
<configure xmlns="http://namespaces.zope.org/zope">
{META}{ALL}<utility provides="librarian.tree.interfaces.ITree" factory=".parts.OwnTree" />
</configure>
"""


class SitesInPackages(ConfiguredTestCase):
    """``librarian.site = package:file``: names in the file may be relative to the package."""

    def setUp(self) -> None:
        self.start_afresh()
        folder = tempfile.TemporaryDirectory(prefix="librarian-site-")
        self.addCleanup(folder.cleanup)
        package = Path(folder.name, "ownsite")
        package.mkdir()
        for name, text in (("__init__.py", ""), ("parts.py", PARTS), ("site.zcml", SITE)):
            package.joinpath(name).write_text(text)
        self.enterContext(mock.patch.object(sys, "path", [folder.name, *sys.path]))
        self.enterContext(mock.patch.dict(sys.modules))
        self.bytes = Path(folder.name, "bytes")

    def configure_site(self, site: str) -> None:
        configure_components({"librarian.site": site, "librarian.byte_store": str(self.bytes)})

    def test_the_file_may_name_what_its_package_has(self) -> None:
        self.configure_site("ownsite:site.zcml")
        self.addCleanup(getUtility(ITree).close)
        self.assertIsInstance(getUtility(ITree), OwnTree)

    def test_what_is_not_there_is_refused(self) -> None:
        for site in ("ownsite:other.zcml", "nopackage:site.zcml"):
            with self.subTest(site), self.assertRaisesRegex(SettingsError, "there is no such file"):
                self.configure_site(site)
