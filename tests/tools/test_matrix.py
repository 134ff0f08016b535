"""tools.matrix finds interpreters, copies a checkout, and says what came of each version."""

import os
import tempfile
import time
import unittest
from pathlib import Path
from unittest.mock import patch

from tools import matrix


class Matrix(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def test_what_is_asked_for(self) -> None:
        self.assertEqual(matrix.chosen([]), ((11, 12, 13, 14), list(matrix.USUAL)))
        self.assertEqual(matrix.chosen(["--all"]), ((11, 12, 13, 14), []))
        self.assertEqual(matrix.chosen(["only=3.12,3.14", "-t", "tokens"]), ((12, 14), ["-t", "tokens"]))

    def test_of_pyenvs_the_newest_is_taken(self) -> None:
        for version in ("3.13.2", "3.13.10", "3.12.11"):
            program = self.folder / "versions" / version / "bin" / f"python3.{version.split('.')[1]}"
            program.parent.mkdir(parents=True)
            program.touch()
        with patch("shutil.which", return_value=None):
            found = matrix.interpreter(13, self.folder)
            self.assertEqual(found, self.folder / "versions/3.13.10/bin/python3.13")
            self.assertIsNone(matrix.interpreter(14, self.folder))

    def test_one_on_the_path_that_does_not_run_is_none(self) -> None:
        program = self.folder / "python3.14"
        program.write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
        program.chmod(0o755)
        with patch.dict(os.environ, {"PATH": f"{self.folder}:{os.environ['PATH']}"}):
            self.assertIsNone(matrix.interpreter(14, self.folder / "pyenv"))
            program.write_text("#!/bin/sh\nexit 0\n")
            self.assertEqual(matrix.interpreter(14, self.folder / "pyenv"), program)

    def test_one_that_is_absent_is_no_failure(self) -> None:
        with patch.object(matrix, "interpreter", return_value=None):
            tried = matrix.try_version(14, [])
        self.assertEqual((tried.status, str(tried)), (None, "3.14   absent"))

    def test_the_last_total_is_told(self) -> None:
        one = "  Ran 3 tests with 0 failures, 0 errors and 0 skipped in 0.1 seconds.\n"
        total = "Total: 9 tests, 1 failures, 0 errors and 0 skipped in 2 seconds.\n"
        self.assertEqual(matrix.last_total(one + total), total.strip())
        self.assertEqual(matrix.last_total(one), one.strip())
        self.assertEqual(matrix.last_total("nothing"), "no test ran")

    def test_the_copy_follows_the_checkout(self) -> None:
        checkout, copy = self.folder / "checkout", self.folder / "copy"
        (checkout / "src").mkdir(parents=True)
        for name in ("src/a.py", "b.py"):
            checkout.joinpath(name).write_text(name)
        with patch.object(matrix, "CHECKOUT", checkout):
            self.listed("src/a.py\0b.py\0", copy)
            built = copy / "built"
            built.touch()
            checkout.joinpath("src/a.py").write_text("another")
            os.utime(checkout / "src/a.py", (time.time() + 9, time.time() + 9))
            self.listed("src/a.py\0", copy)
        self.assertEqual((copy / "src/a.py").read_text(), "another")
        self.assertFalse((copy / "b.py").exists())
        self.assertTrue(built.exists())

    def listed(self, names: str, copy: Path) -> None:
        """Copy the files that git would list."""
        with patch("subprocess.run") as run:
            run.return_value.stdout = names
            copy.mkdir(exist_ok=True)
            matrix.copy_files(copy)
