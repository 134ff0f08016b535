"""``librarian feature``, and what its rules come to in requests of different people."""

import json
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import transaction
from click.testing import CliRunner

from librarian.commands.main import librarian
from librarian.library.opening import open_library
from tests.support.layers import Functional

FLAG = "publicrestrictedlibrarian"
PASSWORD = "seven green bottles"


class Features(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.enterContext(mock.patch("librarian.commands.features.opened_site", lambda ini: open_library()))
        self.ini = Path(self.enterContext(TemporaryDirectory())) / "site.ini"
        self.ini.touch()

    def run_it(self, *arguments: str, status: int = 0) -> str:
        line = ["feature", *arguments]
        done = CliRunner().invoke(librarian, line, env={"LIBRARIAN_INI": str(self.ini)})
        transaction.abort()
        self.assertEqual(done.exit_code, status, done.output)
        return (done.stderr if status else done.stdout).strip()

    def test_rules_are_set_replaced_and_unset(self) -> None:
        self.run_it("set", FLAG, "on")
        self.run_it("set", FLAG, "off", "--priority", "3")
        self.run_it("set", "other", "x", "--scope", "team:admins")
        self.assertEqual(self.run_it("list").split("\n")[1], "publicrestrictedlibrarian\tdefault\t3\toff")
        rules = [json.loads(line) for line in self.run_it("list", "--json").splitlines()]
        self.assertEqual([(rule["flag"], rule["value"]) for rule in rules], [("other", "x"), (FLAG, "off")])
        self.run_it("unset", FLAG)
        self.assertIn("no rule for", self.run_it("unset", FLAG, status=1))
        self.assertIn("no rule for other in default", self.run_it("unset", "other", status=1))
