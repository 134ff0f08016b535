"""The files an operator copies name settings and commands that are there."""

import re
import unittest
from pathlib import Path

from zope.component import getUtilitiesFor

from librarian.app import SITE, read_ini
from librarian.commands.main import COMMANDS
from librarian.settings import ISettingsSection, Settings
from librarian.testing.layers import Functional


class Examples(unittest.TestCase):
    layer = Functional

    def test_settings(self) -> None:
        for name in ("production.ini", "development.ini"):
            with self.subTest(name=name):
                values = read_ini(name)
                self.assertTrue(Path(values.pop(SITE)).is_file())
                sections = [section for _name, section in getUtilitiesFor(ISettingsSection)]
                Settings(values).check_names(sections)

    def test_nobody_else_knows_the_secret(self) -> None:
        """A secret that everybody can read in an example would prove nothing."""
        values = read_ini("production.ini")
        self.assertNotIn("librarian.accel_secret", values)
        self.assertNotIn("librarian.accel_redirect", values)

    def test_units(self) -> None:
        units = sorted(Path("examples/systemd").glob("*.service"))
        text = "".join(unit.read_text(encoding="utf-8") for unit in units)
        started = re.findall(r"^ExecStart=-?\S+/librarian (\S+)", text, re.MULTILINE)
        self.assertEqual(set(started) - set(COMMANDS), set())
        self.assertIn("scrub", started)
