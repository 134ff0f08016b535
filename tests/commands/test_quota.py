"""``librarian quota`` on the world's site."""

import json
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import transaction
from click.testing import CliRunner

from librarian.commands.main import librarian
from librarian.library.opening import open_library
from librarian.library.operations import Library
from tests.support.documents.library import keep
from tests.support.documents.people import person
from tests.support.layers import Functional


class Quota(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.enterContext(mock.patch("librarian.commands.quota.opened_site", lambda ini: open_library()))
        self.ini = Path(self.enterContext(TemporaryDirectory())) / "site.ini"
        self.ini.touch()
        person("ada")
        keep(Library(), b"poem", owner="person:ada")

    def run_it(self, *arguments: str, status: int = 0) -> str:
        transaction.begin()
        done = CliRunner().invoke(librarian, ("quota", *arguments), env={"LIBRARIAN_INI": str(self.ini)})
        self.assertEqual(done.exit_code, status, done.output)
        return str((done.stderr if status else done.stdout).strip())

    def miscount(self) -> None:
        quotas = Library().subtree.quotas
        assert quotas is not None
        quotas.uses["person:ada"].change(1, 1)

    def test_set_show_list_count(self) -> None:
        said = "person\tada\tnot counted of any number of bytes\tnot counted of any number of files"
        self.assertEqual(self.run_it("show", "ada"), said)
        said = "person\tada\t4 of 5000 bytes\t1 of any number of files"
        self.assertEqual(self.run_it("set", "ada", "--bytes", "5K"), said)
        self.assertEqual(self.run_it("list"), said)
        shown = json.loads(self.run_it("show", "ada", "--json"))
        self.assertEqual((shown["limit"], shown["default"]), ({"bytes": 5000, "files": None}, False))
        Library().tree.run(self.miscount)
        self.assertEqual([self.run_it("count"), self.run_it("count")], ["1", "0"])
        self.assertIn("4 of any number of bytes", self.run_it("set", "ada", "--bytes", "none"))

    def test_refusals(self) -> None:
        self.assertIn("'nobody'", self.run_it("show", "nobody", status=1))
        self.assertIn("neither a size", self.run_it("set", "ada", "--bytes", "lots", status=1))
        self.assertIn("neither a number", self.run_it("set", "ada", "--files", "-1", status=1))
