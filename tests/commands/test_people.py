"""``librarian person`` and ``librarian team``, and the first start of a server."""

import json
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import urllib3
from click.testing import CliRunner

from librarian.commands.main import librarian
from librarian.library.opening import open_library
from tests.support.layers import Functional, Server
from tests.support.servers.librarian import ServerProcess

GOOD = "seven green bottles"


class Commands(unittest.TestCase):
    """The commands as they are, on the world's site instead of one that an ini file names."""

    layer = Functional

    def setUp(self) -> None:
        for module in ("directory", "persons", "teams", "tokens"):
            opened_site = f"librarian.commands.people.{module}.opened_site"
            self.enterContext(mock.patch(opened_site, lambda ini: open_library()))
        self.folder = Path(self.enterContext(TemporaryDirectory()))
        self.ini = self.folder / "site.ini"
        self.ini.touch()

    def run_it(self, *arguments: str, status: int = 0, **environ: str) -> str:
        done = CliRunner().invoke(librarian, arguments, env={"LIBRARIAN_INI": str(self.ini), **environ})
        self.assertEqual(done.exit_code, status, done.output)
        return str((done.stderr if status else done.stdout).strip())

    def show(self, *arguments: str) -> Any:
        return json.loads(self.run_it(*arguments, "--json"))

    def test_people_and_teams(self) -> None:
        password = self.run_it("person", "add", "bob", "--generate", "--email", "bob@example.com")
        self.assertEqual(len(password), 16)
        self.run_it("person", "add", "robot", "--no-password")
        self.run_it("team", "add", "crew", "--owner", "bob")
        self.run_it("team", "join", "crew", "robot")
        self.run_it("team", "join", "mirror-admins", "crew")
        self.assertEqual(
            self.show("person", "show", "bob"),
            {
                "name": "bob",
                "display_name": "bob",
                "email": "bob@example.com",
                "active": True,
                "has_password": True,
                "teams": [],
            },
        )
        self.assertEqual(self.show("team", "show", "mirror-admins")["people"], ["robot"])
        self.assertFalse(self.show("person", "show", "robot")["has_password"])
        self.run_it("person", "disable", "robot")
        self.run_it("team", "leave", "mirror-admins", "crew")
        self.assertEqual(self.show("team", "show", "mirror-admins")["members"], [])
        self.assertEqual([one["name"] for one in self.show("person", "list")], ["bob", "robot"])

    def test_tokens(self) -> None:
        self.run_it("person", "add", "robot", "--no-password")
        add = ("person", "add-token", "robot", "--title", "nightly")
        self.assertRegex(self.run_it(*add, "--scope", "upload", "--scope", "read"), r"^lbr_[\w-]{43}$")
        (token,) = self.show("person", "tokens", "robot")
        self.assertEqual(
            (token["title"], token["scopes"], token["state"]), ("nightly", "upload read", "usable")
        )
        self.run_it("person", "revoke-token", "robot", token["id"])
        self.assertEqual(self.show("person", "tokens", "robot")[0]["state"], "revoked")

    def test_refusals_are_one_line_and_change_nothing(self) -> None:
        for arguments, reason in {
            ("person", "show", "missing"): "there is no 'missing'",
            ("person", "add", "Bob", "--no-password"): "'Bob' is no name",
            ("person", "add", "bob", "--no-password", "--team", "nosuch"): "there is no 'nosuch'",
            ("team", "join", "admins", "admins"): "'admins' cannot join 'admins'",
        }.items():
            with self.subTest(arguments):
                said = self.run_it(*arguments, status=1)
                self.assertIn(f"Error: {reason}", said)
                self.assertNotIn("Traceback", said)
        self.assertEqual(self.show("person", "list"), [])
        self.run_it("person", "add", "bob", "--password", GOOD, status=2)

    def test_where_a_password_comes_from(self) -> None:
        file = self.folder / "password"
        file.write_text(f"{GOOD}\nand a second line\n")
        self.run_it("person", "add", "amy", LIBRARIAN_PASSWORD=GOOD)
        self.run_it("person", "add", "bob", "--password-file", str(file))
        self.run_it("person", "set-password", "amy", "--password-file", str(file))
        self.assertIn(
            "at least 12", self.run_it("person", "add", "cyd", status=1, LIBRARIAN_PASSWORD="short")
        )
        self.assertEqual([one["name"] for one in self.show("person", "list")], ["amy", "bob"])


class FirstStart(unittest.TestCase):
    """A server of its own, since the layer's has had its first start."""

    layer = Server

    def test_the_password_of_admin_is_told_once_and_works(self) -> None:
        server = ServerProcess()
        self.addCleanup(server.remove)
        server.start()
        self.addCleanup(server.stop)
        password = server.admin_password
        self.assertEqual(len(password), 16)
        self.assertNotIn(password, server.log.read_text())
        self.assertEqual(self.status(server, password), 200)
        server.stop()
        server.admin_password = ""
        server.start()
        self.assertEqual(server.admin_password, "")
        self.assertEqual(self.status(server, password), 200)
        server.stop()
        added = server.command("person", "add", "bob", "--generate")
        listed = server.command("person", "list", "--json")
        self.assertEqual((len(added.stdout.strip()), added.returncode), (16, 0))
        self.assertEqual([one["name"] for one in json.loads(listed.stdout)], ["admin", "bob"])

    def status(self, server: ServerProcess, password: str) -> int:
        headers = urllib3.make_headers(basic_auth=f"admin:{password}")
        return int(server.request("GET", f"{server.urls['app']}people", headers=headers).status)
