"""Which ZCML an installation is made of: the setting librarian.systems, with entry points and without."""

import sys
import tempfile
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zope.component import getUtility

from librarian.app import configure_components, declared_sections
from librarian.interfaces import ISettings, SettingsError
from librarian.site import SYSTEMS, systems_of, zcml_of
from librarian.tree.interfaces import ITree
from tests.support.empty import empty_registry
from tests.support.layers import Host

SETTINGS = """
from dataclasses import dataclass
from zope.interface import provider
from librarian.interfaces import ISettingsSection
from librarian.settings import Section

@provider(ISettingsSection)
@dataclass(frozen=True)
class Cellar(Section):
    prefix = "cellar"
    shelves: int = 3
"""
ZCML = """
<configure xmlns="http://namespaces.zope.org/zope">
  <utility provides="librarian.interfaces.ISettingsSection" component=".settings.Cellar" name="cellar" />
</configure>
"""
ENTRY_POINTS = "[librarian.systems]\nwine = cellar_of_wine\n"


class Systems(unittest.TestCase):
    layer = Host

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(self.installed())
        self.values = {
            "librarian.database_uri": f"file://{self.folder}/Data.fs",
            "librarian.byte_store": f"{self.folder}/bytes",
            "librarian.cellar.shelves": "5",
        }

    @contextmanager
    def installed(self) -> Iterator[None]:
        """The package of a system, with the metadata that pip writes."""
        files = {
            "cellar_of_wine/__init__.py": "",
            "cellar_of_wine/settings.py": SETTINGS,
            "cellar_of_wine/configure.zcml": ZCML,
            "cellar_of_wine-1.dist-info/METADATA": "Name: cellar_of_wine\nVersion: 1\n",
            "cellar_of_wine-1.dist-info/entry_points.txt": ENTRY_POINTS,
        }
        for name, text in files.items():
            self.folder.joinpath(name).parent.mkdir(exist_ok=True)
            self.folder.joinpath(name).write_text(text)
        sys.path.insert(0, str(self.folder))
        try:
            yield
        finally:
            sys.path.remove(str(self.folder))
            for name in [each for each in sys.modules if each.startswith("cellar_of_wine")]:
                del sys.modules[name]

    def test_named_by_its_entry_point_or_by_its_package(self) -> None:
        for name in ("wine", "cellar_of_wine"):
            with self.subTest(name):
                values = {**self.values, SYSTEMS: name}
                section = declared_sections(values)["cellar"]
                with empty_registry():
                    configure_components(values)
                    self.assertEqual(getUtility(ISettings).section(section).shelves, 5)
                    getUtility(ITree).close()

    def test_what_is_not_named_is_not_loaded(self) -> None:
        self.assertNotIn("cellar", declared_sections(self.values))
        with empty_registry(), self.assertRaisesRegex(SettingsError, "librarian.cellar.shelves"):
            configure_components(self.values)

    def test_one_that_is_not_there(self) -> None:
        for name in ("beer", "os.path", "..", "librarian.quantities", "a b"):
            with self.subTest(name), self.assertRaises(SettingsError) as caught:
                systems_of({SYSTEMS: f"wine {name}"})
            self.assertIn("wine", str(caught.exception))
            self.assertIn(SYSTEMS, str(caught.exception))

    def test_without_systems_the_site_is_read_itself(self) -> None:
        with zcml_of({}) as site:
            self.assertEqual(site, "librarian.embedded:site.zcml")
