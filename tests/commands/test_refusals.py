"""Whatever the project refuses is one line of a command, and no traceback."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import click
from click.testing import CliRunner

from librarian.commands.main import librarian
from librarian.commands.tracker.files import tracker

NOWHERE = "librarian.site = /nowhere/configure.zcml"
SITE = "[app:main]\nuse = egg:librarian\n{}\n[server:main]\nuse = egg:librarian#endpoints\n"
INI_FILES: dict[str, str | bytes] = {
    "no section": "rubbish\nand more\n",
    "no UTF-8": b"[app:main]\na = \xff\n",
    "a variable that is not there": SITE.format("a = %(nowhere)s"),
    "no ZCML file": SITE.format(NOWHERE),
    "no package of the ZCML file": SITE.format("librarian.site = nowhere:configure.zcml"),
    "no file in the package": SITE.format("librarian.site = librarian:nowhere.zcml"),
    "no handler": SITE.format(NOWHERE) + "[loggers]\nkeys=root\n[handlers]\nkeys=none\n[formatters]\nkeys=\n",
}


class TestIniFiles(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.ini = Path(directory.name) / "site.ini"

    def check(self, command: click.Command, *arguments: str) -> None:
        for name, text in INI_FILES.items():
            with self.subTest(" ".join(arguments), ini=name):
                self.ini.write_bytes(text if isinstance(text, bytes) else text.encode())
                done = CliRunner().invoke(command, [*arguments, str(self.ini)])
                self.assertIsInstance(done.exception, SystemExit)
                self.assertIn(done.exit_code, (1, 2))
                error = done.stderr.partition("Error: ")[2]
                self.assertEqual((error.count("\n"), error[-1:]), (1, "\n"), done.stderr)

    def test_librarian(self) -> None:
        for arguments in (["serve"], ["sweep", "-c"], ["export", "-c"]):
            self.check(librarian, *arguments)

    def test_filetracker(self) -> None:
        for arguments in (["serve"], ["prune", "-c"]):
            self.check(tracker, *arguments)

    def test_filetracker_within_librarian(self) -> None:
        self.check(librarian, "tracker", "prune", "-c")


class Output(unittest.TestCase):
    def test_a_reader_that_has_enough_ends_a_command_in_silence(self) -> None:
        code = "from librarian.commands.main import main; main()"
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", code, "completion", "bash"],
                stdout=pipe,
                stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                check=False,
            )
        self.assertEqual((done.returncode, done.stderr), (1, b""))
