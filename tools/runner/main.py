"""bin/test: zope.testrunner over `tests/`, with what its own command lacks.

- A layer whose classmethod `missing()` names something the machine lacks is left out: its tests count as
  skipped, and the last lines of the run say so.
- A run in which no test ran fails: a misspelt filter is not a success.
- With more than one process (`-j`) large layers are divided, and their parts run side by side.
- The Total line counts the skipped tests of all layers, also of those that ran in a process of their own.

All options of zope.testrunner work: `-t`, `-m`, `--layer`, `-vv`, `-j`.  Where the package was installed
with pip there is no bin/test: `python -m tools.runner.main` is the same.
"""

import compileall
import os
import sys
import tempfile
import time
import unittest
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from zope.testrunner.feature import Feature
from zope.testrunner.find import Find, name_from_layer
from zope.testrunner.runner import Runner, layer_from_name

from tools.runner.left_out import NOTES, left_out, notes
from tools.runner.spreading import SpreadOut

SKIPPED = "LIBRARIAN_SKIPPED"  # the environment variable that names the file of counts
RESUMED = "--resume-layer"  # the first argument of a process that the runner starts for one layer


def main() -> None:
    checkout = Path.cwd()
    if not (checkout / "tests" / "__init__.py").exists():
        sys.exit(f"there is no tests package in {checkout}; run this from the checkout")
    if RESUMED in sys.argv:
        sys.exit(run(checkout))
    with (
        tempfile.NamedTemporaryFile(prefix="librarian-left-out-") as file,
        tempfile.NamedTemporaryFile(prefix="librarian-skipped-") as counts,
    ):
        os.environ[NOTES] = file.name
        os.environ[SKIPPED] = counts.name
        compile_modules(checkout)
        status = run(checkout)
        for sentence in notes():
            print(sentence)
    sys.exit(status)


def compile_modules(checkout: Path) -> None:
    """Write the bytecode of all modules, also where Python is told to write none (PYTHONDONTWRITEBYTECODE).

    The tests start some hundred servers, each of which would spend half a second of processor time on it.
    """
    for name in ("src", "tests", "tools"):
        compileall.compile_dir(checkout / name, quiet=2)


def run(checkout: Path) -> int:
    """Run what the command line asks for; 0 is success."""
    runner = LibrarianRunner(defaults(checkout), sys.argv[:], script_parts=again(), cwd=str(checkout))
    runner.run()
    if runner.do_run_tests and not runner.ran and not runner.failed:
        print("no test ran")
        return 1
    return int(runner.failed)


def again() -> list[str]:
    """What python is given to run this once more, for one layer: the script, or `-m` with this module."""
    script = Path(sys.argv[0]).resolve()
    return ["-m", "tools.runner.main"] if script == Path(__file__).resolve() else [str(script)]


def defaults(checkout: Path) -> list[str]:
    """Where the tests are.  tests/ mirrors src/, so a test module is known by its own name alone."""
    return [
        *("--path", str(checkout)),
        *("--package-path", str(checkout / "tests"), "tests"),
        *("--tests-pattern", r"^test_\w+$"),
        *("--ignore-new-thread", "verifier|database watch|token-corrections"),  # of a process, not of a test
        "--keepbytecode",
        "--auto-color",
    ]


class LibrarianRunner(Runner):
    """The runner with four features more."""

    def configure(self) -> None:
        super().configure()
        # After the tests were found, before those of other layers are filtered away: a process that was
        # started for one layer must know the stand-in by its name.
        found = next(place for place, feature in enumerate(self.features) if isinstance(feature, Find))
        wanted = [feature for feature in (LeaveOut(self), SpreadOut(self)) if feature.active]
        self.features[found + 1 : found + 1] = wanted
        self.features.append(ClassFixtures(self))
        self.features.append(SumSkipped(self))


class LeaveOut(Feature):
    """Moves the tests of layers that cannot run here to a layer without set-up, where each is skipped."""

    active = True

    def global_setup(self) -> None:
        self.reasons: dict[str, tuple[str, str]] = {}  # stand-in: what is left out, why
        for name in list(self.runner.tests_by_layer_name):
            layer = layer_from_name(name)
            missing = getattr(layer, "missing", None)
            reason = missing() if missing else None
            if reason:
                self.leave_out(name, layer, reason)

    def leave_out(self, name: str, layer: type, reason: str) -> None:
        tests = self.runner.tests_by_layer_name.pop(name)
        for test in tests:
            skip(test, reason)
        stand_in = name_from_layer(type(layer.__name__, (), {"__module__": f"{layer.__module__}.left_out"}))
        self.runner.tests_by_layer_name[stand_in] = tests
        self.reasons[stand_in] = (f"layer {layer.__name__}", reason)

    def late_setup(self) -> None:
        """Note those that this run would have included."""
        for stand_in in self.runner.tests_by_layer_name:
            if stand_in in self.reasons:
                left_out(*self.reasons[stand_in])


class ClassFixtures(Feature):
    """Runs setUpClass and tearDownClass, which are lost when zope.testrunner takes suites apart."""

    def __init__(self, runner: Runner) -> None:
        super().__init__(runner)
        # A post-mortem wants single tests.
        self.active = not runner.options.post_mortem

    def late_setup(self) -> None:
        for name, tests in self.runner.tests_by_layer_name.items():
            self.runner.tests_by_layer_name[name] = unittest.TestSuite(grouped(tests))


class SumSkipped(Feature):
    """Adds the skipped tests of other processes to the Total; zope.testrunner is told only of their failures.

    A process that ran one layer appends its count, a line of digits, to a file that all of the run share.
    """

    active = True

    def global_teardown(self) -> None:
        counts = Path(os.environ[SKIPPED])
        if self.runner.options.resume_layer:
            with counts.open("a", encoding="ascii") as file:
                file.write(f"{len(self.runner.skipped)}\n")
        else:
            elsewhere = sum(map(int, counts.read_text(encoding="ascii").split()))
            self.runner.skipped.extend([(None, "skipped in another process")] * elsewhere)


def grouped(tests: Iterable[unittest.TestCase]) -> Iterator[unittest.TestCase | unittest.TestSuite]:
    """The tests in the same order, those of a class with fixtures as a suite, which knows how to run them."""
    for kind, members in groupby(tests, type):
        if kind.setUpClass.__func__ is unittest.TestCase.setUpClass.__func__:  # type: ignore[attr-defined]
            yield from members
        else:
            yield ClassSuite(members)


class ClassSuite(unittest.TestSuite):
    def run(self, result: unittest.TestResult, debug: bool = False) -> unittest.TestResult:
        # zope.testrunner times an error from the start of a test, and setUpClass may fail before any.
        result._start_time = time.time()  # type: ignore[attr-defined]
        return super().run(result, debug)


def skip(test: unittest.TestCase, reason: str) -> None:
    """Make this one test, of whatever class, report itself as skipped.  (unittest looks at its method.)"""
    setattr(test, test._testMethodName, unittest.skip(reason)(lambda: None))


if __name__ == "__main__":
    main()
