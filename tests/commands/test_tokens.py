"""``librarian tokens``: links made, listed, revoked and forgotten from the machine itself."""

import json
import unittest
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import transaction
from click.testing import CliRunner
from zope.component import getUtility

from librarian.commands.main import librarian
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.opening import open_library
from tests.support.layers import Functional
from tests.support.servers.in_process import request


class Commands(unittest.TestCase):
    """On the world's site instead of one that an ini file names."""

    layer = Functional

    def setUp(self) -> None:
        self.enterContext(
            mock.patch("librarian.commands.files.tokens.opened_site", lambda ini: open_library())
        )
        self.ini = Path(self.enterContext(TemporaryDirectory())) / "site.ini"
        self.ini.touch()
        self.ids = [self.add(name, True) for name in ("a.txt", "b.txt")]

    def add(self, name: str, restricted: bool) -> int:
        aliases = getUtility(ILibraryFileAliasSet)
        alias_id: int = aliases.create(name, 4, BytesIO(b"data"), "text/plain", restricted=restricted).id
        transaction.commit()
        return alias_id

    def run_it(self, *arguments: object, status: int = 0) -> str:
        line = ["tokens", *map(str, arguments)]
        transaction.abort()  # a process of its own would see what others have committed; then so do we
        done = CliRunner().invoke(librarian, line, env={"LIBRARIAN_INI": str(self.ini)})
        transaction.abort()
        self.assertEqual(done.exit_code, status, done.output)
        return (done.stderr if status else done.stdout).strip()

    def listed(self, *arguments: object) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.run_it("list", "--json", *arguments).splitlines()]

    def opens(self, link: str) -> bool:
        return bool(request("GET", link.replace("https:", "http:", 1)).status_int == 200)

    def test_a_link_lives_as_long_as_it_was_told(self) -> None:
        link = self.run_it("create", self.ids[0], "--lifetime", "1h", "--uses", 3)
        self.assertTrue(self.opens(link))
        [token] = self.listed()
        self.assertEqual((token["alias_id"], token["max_uses"], token["uses"]), (self.ids[0], 3, 1))
        self.assertNotIn(link.partition("token=")[2], str(token))
        Functional.world.clock.move(hours=1)
        self.assertFalse(self.opens(link))

    def test_one_is_revoked_or_those_of_a_file_or_all(self) -> None:
        a, other, b = (self.run_it("create", alias_id) for alias_id in (*self.ids[:1] * 2, self.ids[1]))
        first = self.listed("--alias", self.ids[0])[0]["id"]
        self.assertEqual(self.run_it("revoke", first), "revoked 1")
        self.assertEqual(sorted(map(self.opens, (a, other))), [False, True])
        self.assertEqual(self.run_it("revoke", "--alias", self.ids[0]), "revoked 1")
        self.assertEqual([self.opens(link) for link in (a, other, b)], [False, False, True])
        self.assertEqual(self.run_it("revoke", "--all"), "revoked 1")
        self.assertFalse(self.opens(b))
        self.assertEqual(self.run_it("list"), "")

    def test_a_list_for_people_has_a_line_for_each(self) -> None:
        self.run_it("create", self.ids[0])
        fields = self.run_it("list").split("\t")
        self.assertEqual(fields[1:3], [str(self.ids[0]), f"/{self.ids[0]}/a.txt"])
        self.assertEqual(fields[-1], "-")

    def test_dead_ones_are_forgotten(self) -> None:
        self.run_it("create", self.ids[0])
        self.assertEqual(self.run_it("purge"), "purged 0")
        Functional.world.clock.move(days=1)
        self.assertEqual(self.run_it("purge"), "purged 1")

    def test_what_makes_no_sense(self) -> None:
        public = self.add("p.txt", False)
        self.assertIn("no restricted file", self.run_it("create", public, status=1))
        self.assertIn("no alias has the id 7", self.run_it("create", 7, status=1))
        self.assertIn(
            "at most 7 days, not 8 days", self.run_it("create", self.ids[0], "--lifetime", "8d", status=1)
        )
        self.assertIn("no duration", self.run_it("create", self.ids[0], "--lifetime", "soon", status=2))
        self.assertIn("no token has the id", self.run_it("revoke", "0" * 16, status=1))
        for arguments in ((), ("0" * 16, "--all"), ("--all", "--alias", 7)):
            self.assertIn("name token ids", self.run_it("revoke", *arguments, status=2))
