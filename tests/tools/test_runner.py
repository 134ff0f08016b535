"""The runner's own promises, on small checkouts made for the purpose."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from textwrap import dedent
from unittest import TestCase

PASSING = """
    from unittest import TestCase

    class Passing(TestCase):
        def test_it(self):
            pass
"""

LAYERED = """
    from unittest import SkipTest, TestCase
    from tools.runner.left_out import left_out

    class Present:
        @classmethod
        def setUp(cls):
            print("Present is set up")

        @classmethod
        def tearDown(cls):
            raise NotImplementedError  # so that the next layer runs in a process of its own

    class Absent:
        @classmethod
        def missing(cls):
            return "no such engine is installed"

        @classmethod
        def setUp(cls):
            raise AssertionError("this layer must not be set up")

    class AboveAbsent(Absent):
        pass

    class Second:
        pass

    class InPresent(TestCase):
        layer = Present

        def test_it(self):
            pass

    class InAbsent(TestCase):
        layer = Absent

        def test_it(self):
            raise AssertionError

    class InAboveAbsent(InAbsent):
        layer = AboveAbsent

    class InSecond(TestCase):
        layer = Second

        def test_it(self):
            raise SkipTest(left_out("Chromium", "chromedriver is not installed"))
"""

COUNTED = """
    from pathlib import Path
    from unittest import TestCase
    from tests import Shared

    class Counted(TestCase):
        layer = Shared

        def test_it(self):
            with Path("ran").open("a") as file:
                file.write(f"{__name__}\\n")
"""

SHARED = """
    from pathlib import Path

    class Shared:
        @classmethod
        def setUp(cls):
            with Path("ran").open("a") as file:
                file.write("set-up\\n")

        @classmethod
        def tearDown(cls):
            pass
"""

FIXTURES = """
    from unittest import TestCase

    class WithFixtures(TestCase):
        @classmethod
        def setUpClass(cls):
            print("opened")
            cls.shared = 1

        @classmethod
        def tearDownClass(cls):
            print("closed")

        def test_one(self):
            self.assertEqual(self.shared, 1)

        def test_two(self):
            self.assertEqual(self.shared, 1)
"""


class Runs(TestCase):
    """Each test makes a checkout with one tests package and runs the runner there."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="librarian-runner-")
        self.addCleanup(folder.cleanup)
        self.checkout = Path(folder.name)
        (self.checkout / "tests" / "deep").mkdir(parents=True)
        (self.checkout / "tests" / "__init__.py").write_text(dedent(SHARED))
        (self.checkout / "tests" / "deep" / "__init__.py").touch()

    def write(self, name: str, text: str) -> None:
        (self.checkout / "tests" / name).write_text(dedent(text))

    def run_tests(self, *options: str) -> tuple[int, str]:
        """Exit status and everything that was printed."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
        environment.pop("LIBRARIAN_LEFT_OUT", None)
        done = subprocess.run(
            [sys.executable, "-m", "tools.runner.main", *options],
            cwd=self.checkout,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def test_modules_are_found_at_any_depth(self) -> None:
        self.write("test_top.py", PASSING)
        self.write("deep/test_down.py", PASSING)
        status, output = self.run_tests()
        self.assertIn("Ran 2 tests with 0 failures, 0 errors", output)
        self.assertEqual(status, 0)

    def test_a_failure_is_a_failure(self) -> None:
        self.write("test_top.py", PASSING.replace("pass", "self.fail()"))
        status, output = self.run_tests()
        self.assertIn("Ran 1 tests with 1 failures", output)
        self.assertEqual(status, 1)

    def test_a_module_that_cannot_be_imported_is_a_failure(self) -> None:
        self.write("test_top.py", PASSING)
        self.write("deep/test_broken.py", "import no_such_module")
        status, output = self.run_tests()
        self.assertIn("tests.deep.test_broken", output)
        self.assertEqual(status, 1)

    def test_a_run_without_tests_is_a_failure(self) -> None:
        self.write("test_top.py", PASSING)
        status, output = self.run_tests("-t", "misspelt")
        self.assertTrue(output.endswith("no test ran\n"), output)
        self.assertEqual(status, 1)

    def test_listing_runs_nothing_and_is_no_failure(self) -> None:
        self.write("test_top.py", PASSING)
        status, output = self.run_tests("--list-tests")
        self.assertIn("test_it (tests.test_top.Passing", output)
        self.assertEqual(status, 0)

    def test_what_the_machine_lacks_is_skipped_and_named_at_the_end(self) -> None:
        self.write("test_layers.py", LAYERED)
        status, output = self.run_tests("-vv")
        self.assertEqual(status, 0, output)
        self.assertIn("Running in a subprocess", output)
        self.assertEqual(
            sorted(output.splitlines()[-3:]),
            [
                "Chromium was left out: chromedriver is not installed",
                "layer AboveAbsent was left out: no such engine is installed",
                "layer Absent was left out: no such engine is installed",
            ],
        )

    def test_layers_spread_over_processes(self) -> None:
        self.write("test_layers.py", LAYERED)
        status, output = self.run_tests("-j2")
        self.assertEqual(status, 0, output)
        self.assertEqual(output.count("layer Absent was left out"), 1)

    def test_the_total_counts_what_was_skipped_in_other_processes(self) -> None:
        self.write("test_layers.py", LAYERED)
        for processes in ("-j1", "-j2"):
            with self.subTest(processes):
                status, output = self.run_tests(processes)
                self.assertEqual(status, 0, output)
                self.assertIn("Total: 4 tests, 0 failures, 0 errors and 3 skipped", output)

    def test_a_large_layer_is_divided_and_every_test_runs_once(self) -> None:
        for number in range(20):
            self.write(f"test_{number:02}.py", COUNTED)
        for processes in ("-j1", "-j3"):
            with self.subTest(processes):
                (self.checkout / "ran").write_text("")
                status, output = self.run_tests(processes)
                self.assertEqual(status, 0, output)
                told = (self.checkout / "ran").read_text().split()
                modules = sorted(line for line in told if line != "set-up")
                self.assertEqual(modules, [f"tests.test_{number:02}" for number in range(20)])
                self.assertEqual(told.count("set-up"), 1 if processes == "-j1" else 4)

    def test_a_failure_in_a_part_is_a_failure(self) -> None:
        for number in range(20):
            self.write(f"test_{number:02}.py", PASSING if number else PASSING.replace("pass", "self.fail()"))
        status, output = self.run_tests("-j2")
        self.assertIn("Total: 20 tests, 1 failures, 0 errors and 0 skipped", output)
        self.assertEqual(status, 1)

    def test_an_unselected_layer_is_not_called_left_out(self) -> None:
        self.write("test_layers.py", LAYERED)
        status, output = self.run_tests("--layer", "Present")
        self.assertEqual(status, 0, output)
        self.assertNotIn("left out", output)

    def test_class_fixtures_run_once(self) -> None:
        self.write("test_fixtures.py", FIXTURES)
        status, output = self.run_tests()
        self.assertEqual(status, 0, output)
        self.assertEqual(output.count("opened"), 1)
        self.assertLess(output.index("opened"), output.index("closed"))
        self.assertIn("Ran 2 tests", output)

    def test_a_class_fixture_that_fails_is_a_failure(self) -> None:
        self.write("test_fixtures.py", FIXTURES.replace('print("opened")', "1 / 0"))
        self.write("test_top.py", PASSING)
        status, output = self.run_tests()
        self.assertIn("ZeroDivisionError", output)
        self.assertIn("Ran 1 tests with 0 failures, 1 errors", output)
        self.assertEqual(status, 1)

    def test_outside_a_checkout_it_says_so(self) -> None:
        (self.checkout / "tests" / "__init__.py").unlink()
        status, output = self.run_tests()
        self.assertIn("run this from the checkout", output)
        self.assertEqual(status, 1)
