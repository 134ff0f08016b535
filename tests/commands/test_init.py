"""`librarian init`: what it writes is whole, is never written over, and is what examples/ shows."""

import os
import re
import stat
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from click.testing import CliRunner, Result

from librarian.app import read_ini
from librarian.commands.main import librarian
from tests.support.servers.librarian import ServerProcess
from tools.examples import ROOT, examples

HOSTS = ("--files-host", "f.example.net", "--app-host", "a.example.net")
EVERYTHING = (*HOSTS, "--nginx", "--systemd", "--logrotate", "--accel")


class Init(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="librarian-init-")), "new")

    def init(self, *arguments: str) -> Result:
        return CliRunner().invoke(librarian, ["init", str(self.folder), *arguments], prog_name="librarian")

    def texts(self) -> dict[str, str]:
        paths = [path for path in self.folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.folder)): path.read_text() for path in paths}

    def test_the_shipped_files_are_made_of_the_same_templates(self) -> None:
        """Where this fails: bin/py tools/examples.py"""
        for name, text in examples().items():
            with self.subTest(name):
                self.assertEqual(ROOT.joinpath(name).read_text(encoding="utf-8"), text)

    def test_it_is_served(self) -> None:
        done = self.init()
        self.assertEqual(done.exit_code, 0, done.output)
        ini = self.folder / "librarian.ini"
        self.assertEqual(done.output.splitlines()[-1], f"next: librarian serve {ini}")
        # Free ports in place of the usual ones, and folders of its own as they are.
        ini.write_text(re.sub(r"(listen = 127\.0\.0\.1):[0-9]+", r"\1:0", ini.read_text()))
        server = ServerProcess()
        server.ini = ini
        self.addCleanup(server.remove)
        self.addCleanup(server.stop)
        server.start()
        url = server.request("PUT", server.urls["upload"] + "a.txt", body=b"abc").json()["url"]
        self.assertEqual(server.request("GET", url).data, b"abc")
        self.assertIs(self.folder.joinpath("data", "bytes").is_dir(), True)

    def test_names_are_filled_in_everywhere(self) -> None:
        done = self.init(*EVERYTHING, "--user", "keeper", "--data", "/srv/files", "--logs", "/srv/log")
        self.assertEqual(done.exit_code, 0, done.output)
        texts = self.texts()
        self.assertEqual(len(texts), 8)
        whole = "".join(texts.values())
        strange = (
            "files.example.org",
            "library.example.org",
            "/var/lib",
            "/var/log/librarian",
            "CHANGE-ME",
            "/opt/",
            "/etc/librarian",
        )
        for word in strange:
            with self.subTest(word):
                self.assertNotIn(word, whole)
        self.assertIn("User=keeper", texts["systemd/librarian.service"])
        self.assertIn("ReadWritePaths=/srv/files /srv/log", texts["systemd/librarian.service"])
        self.assertIn("alias /srv/files/bytes/;", texts["nginx.conf"])

    def test_server_and_front_end_share_a_secret_of_their_own(self) -> None:
        secrets = set()
        for _installation in range(2):
            self.init(*EVERYTHING)
            secret = read_ini(self.folder / "librarian.ini")["librarian.accel_secret"]
            self.assertEqual(self.texts()["nginx.conf"].count(secret), 2)
            secrets.add(secret)
            self.folder = self.folder.with_name("other")
        self.assertEqual(len(secrets), 2)

    def test_what_may_hold_a_secret_is_private(self) -> None:
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        with mock.patch("os.geteuid", return_value=1000):
            self.init(*EVERYTHING)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in self.folder.iterdir()}
        self.assertEqual(modes["librarian.ini"], 0o600)
        self.assertEqual(modes["nginx.conf"], 0o600)
        self.assertEqual(modes["upkeep.sh"], 0o755)

    def test_nothing_is_written_over(self) -> None:
        self.folder.mkdir()
        self.folder.joinpath("nginx.conf").write_text("mine")
        done = self.init(*EVERYTHING)
        self.assertEqual(done.exit_code, 1)
        self.assertIn("nginx.conf: is there already", done.output)
        self.assertEqual(self.texts(), {"nginx.conf": "mine"})

    def test_calls_that_cannot_be_meant(self) -> None:
        for arguments, words in (
            (HOSTS[:2], "--files-host and --app-host go together"),
            (("--nginx",), "--nginx would have no effect"),
            (("--data", "/srv/x"), "--data would have no effect"),
            (("--files-host", "localhost", *HOSTS[2:]), "no host name"),
            (("--files-host", "f.example.org; evil", *HOSTS[2:]), "no host name"),
            ((*HOSTS, "--user", "a b"), "no name of a user"),
            ((*HOSTS, "--data", "/srv/my files"), "has letters other than"),
            ((*HOSTS, "--data", "/srv/100%"), "has letters other than"),
        ):
            with self.subTest(arguments):
                done = self.init(*arguments)
                self.assertEqual(done.exit_code, 2, done.output)
                self.assertIn(words, done.output)
                self.assertIs(self.folder.exists(), False)
