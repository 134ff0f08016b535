"""``librarian link``: upload links made, listed and revoked from the machine itself."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import transaction
from click.testing import CliRunner
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.commands.main import librarian
from librarian.library.opening import open_library
from librarian.people.interfaces import IPersonSet
from tests.support.servers.in_process import request
from tests.web.support import PeopleInTheWorld


class Commands(PeopleInTheWorld):
    """On the world's site instead of one that an ini file names."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(
            mock.patch("librarian.commands.files.links.opened_site", lambda ini: open_library())
        )
        self.ini = Path(self.enterContext(TemporaryDirectory())) / "site.ini"
        self.ini.touch()

    def run_it(self, *arguments: str, status: int = 0) -> str:
        transaction.abort()  # a process of its own would see what others have committed; then so do we
        done = CliRunner().invoke(librarian, ["link", *arguments], env={"LIBRARIAN_INI": str(self.ini)})
        transaction.abort()
        self.assertEqual(done.exit_code, status, done.output)
        return (done.stderr if status else done.stdout).strip()

    def sent(self, url: str, name: str, data: bytes = b"x") -> int:
        return int(request("PUT", f"{url}/{name}", {}, data).status_int)

    def test_a_link_as_the_options_say(self) -> None:
        options = "--max-size 1kB --type text/* --uses 2 --lifetime 1h --public --keep 30d --owner bob"
        url = self.run_it("upload", "--wanted", "Your logs", *options.split())
        self.assertEqual([self.sent(url, "a.txt", b"x" * 1001), self.sent(url, "a.png")], [413, 415])
        self.assertEqual([self.sent(url, f"{name}.txt") for name in "abc"], [201, 201, 404])
        transaction.begin()
        owners = {alias.owner for alias in self.world.tree.subtree("library").aliases.values()}
        self.assertEqual(owners, {"person:bob"})
        [facts] = map(json.loads, self.run_it("list", "--json").splitlines())
        self.assertEqual((facts["uses"], facts["keep"], facts["restricted"]), (2, 30 * 86400, False))
        self.assertEqual(self.run_it("list").split("\t")[1:3], ["2", "2"])

    def test_any_number_of_files_until_it_is_revoked(self) -> None:
        url = self.run_it("upload", "--uses", "0")
        self.assertEqual([self.sent(url, f"{number}.txt") for number in range(3)], [201] * 3)
        [facts] = map(json.loads, self.run_it("list", "--json").splitlines())
        self.assertEqual(self.run_it("revoke", facts["id"]), "revoked 1")
        self.assertEqual((self.sent(url, "a.txt"), self.run_it("list")), (404, ""))

    def test_what_makes_no_sense(self) -> None:
        for line, told in {
            "upload --max-size much": "size",
            "upload --lifetime soon": "duration",
            "upload --uses -1": "uses",
        }.items():
            self.assertIn(told, self.run_it(*line.split(), status=2))
        for line, told in {
            "upload --lifetime 100d": "at most",
            "upload --owner nemo": "nemo",
            "upload --folder /nowhere": "nowhere",
            f"revoke {'0' * 16}": "Not Found",
        }.items():
            self.assertIn(told, self.run_it(*line.split(), status=1))

    def test_a_disabled_person_owns_no_link(self) -> None:
        removeSecurityProxy(getUtility(IPersonSet))["bob"].active = False
        transaction.commit()
        self.assertIn("disabled", self.run_it("upload", "--owner", "bob", status=1))
