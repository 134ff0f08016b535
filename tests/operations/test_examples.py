"""The files an operator copies name settings and commands that are there."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from zope.component import getUtilitiesFor

from librarian.app import read_ini
from librarian.commands.main import COMMANDS
from librarian.interfaces import ISettingsSection
from librarian.settings import Settings
from librarian.site import SITE
from tests.support.layers import Functional

UPKEEP = Path("examples/upkeep.sh").absolute()


class Examples(unittest.TestCase):
    layer = Functional

    def test_settings(self) -> None:
        for name in ("production.ini", "development.ini"):
            with self.subTest(name=name):
                values = read_ini(name)
                self.assertTrue(Path(values.pop(SITE)).is_file())
                sections = [section for _name, section in getUtilitiesFor(ISettingsSection)]
                Settings(values).check_names(sections)

    def test_the_examples_have_no_secret(self) -> None:
        """A secret that is published with the examples would protect nothing."""
        values = read_ini("production.ini")
        self.assertNotIn("librarian.accel_secret", values)
        self.assertNotIn("librarian.accel_redirect", values)

    def test_units(self) -> None:
        units = sorted(Path("examples/systemd").glob("*.service"))
        text = "".join(unit.read_text(encoding="utf-8") for unit in units)
        started = re.findall(r"^ExecStart=(\S+)/(librarian\S*)(?: (\S+))?", text, re.MULTILINE)
        self.assertNotIn("ExecStart=-", text)  # would hide a failure
        self.assertEqual([part for part in started if part[1] == "librarian" and part[2] not in COMMANDS], [])
        self.assertIn(("/opt/librarian/bin", "librarian-upkeep", ""), started)

    def test_steps_of_the_upkeep(self) -> None:
        steps = re.findall(r"^ *step (\S+)", UPKEEP.read_text(encoding="utf-8"), re.MULTILINE)
        self.assertEqual(set(steps) - set(COMMANDS), set())
        self.assertLessEqual({"gc", "pack", "backup", "scrub"}, set(steps))


class Upkeep(unittest.TestCase):
    """The script that runs at night, with a command that fails on request."""

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        command = self.folder / "librarian"
        command.write_text(
            '#!/bin/sh\necho "$@" >> "$(dirname "$0")/done"\ncase " $FAILING " in *" $1 "*) exit 1;; esac\n'
        )
        command.chmod(0o700)

    def run_upkeep(self, failing: str = "") -> tuple[int, str, list[str]]:
        environ = {
            **os.environ,
            "LIBRARIAN": str(self.folder / "librarian"),
            "BACKUP": str(self.folder / "backup"),
            "ACCESS_LOG": str(self.folder / "access.log"),
            "FAILING": failing,
        }
        done = subprocess.run([str(UPKEEP)], env=environ, capture_output=True, text=True, check=False)
        lines = (self.folder / "done").read_text().splitlines()
        (self.folder / "done").unlink()
        return done.returncode, done.stderr, lines

    def test_every_step_succeeds(self) -> None:
        status, output, steps = self.run_upkeep()
        self.assertEqual((status, output), (0, ""))
        names = [step.split()[0] for step in steps]
        self.assertEqual(names, ["count-downloads", "gc", "pack", "backup", "scrub"])

    def test_a_failure_is_reported_though_later_steps_succeed(self) -> None:
        for failing in ("count-downloads", "gc", "pack", "backup", "scrub", "gc backup"):
            with self.subTest(failing=failing):
                status, output, steps = self.run_upkeep(failing)
                self.assertEqual((status, output), (1, f"librarian upkeep failed: {failing}\n"))
                self.assertEqual(len(steps), 5)

    def test_steps_use_the_log_and_the_backup_that_exist(self) -> None:
        (self.folder / "access.log.1").touch()
        (self.folder / "backup" / "bytes").mkdir(parents=True)
        steps = self.run_upkeep()[2]
        self.assertEqual(len(steps[0].split()), 3)
        self.assertIn("--repair-from", steps[-1])
