"""``librarian feature``, and what its rules come to in requests of different people."""

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
from tests.support.documents.library import bug_report, published
from tests.support.documents.people import basic, person
from tests.support.layers import Functional
from tests.support.servers.in_process import request

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

    def test_the_highest_rule_whose_scope_a_request_is_in_decides(self) -> None:
        person("ann", "mirror-admins", password=PASSWORD)
        person("bob", password=PASSWORD)
        aliases = getUtility(ILibraryFileAliasSet)
        secret = aliases.create("a.txt", 4, BytesIO(b"data"), "text/plain", restricted=True)
        transaction.commit()

        def statuses() -> list[int]:
            """Anonymous, Ann and Bob: 200 if the file is streamed, 302 if a link to it is given."""
            headers = [{}, *({"Authorization": basic(name, PASSWORD)} for name in ("ann", "bob"))]
            with published(bug_report({"a.txt": secret.id})) as url:
                return [request("GET", f"{url}/+files/a.txt", each).status_int for each in headers]

        self.assertEqual(statuses(), [200, 200, 200])
        self.run_it("set", FLAG, "on", "--scope", "team:mirror-admins", "--priority", "5")
        self.assertEqual(statuses(), [200, 302, 200])
        self.run_it("set", FLAG, "on", "--scope", "person:bob", "--priority", "5")
        self.run_it("set", FLAG, "off", "--priority", "9")
        self.assertEqual(statuses(), [200, 200, 200])
        self.run_it("set", FLAG, "off", "--priority", "1")
        self.assertEqual(statuses(), [200, 302, 302])
        self.run_it("set", FLAG, "on", "--scope", "team:no-such-team", "--priority", "99")
        self.assertEqual(statuses(), [200, 302, 302])
