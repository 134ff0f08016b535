"""The table is complete, and what it says is so: each test passes, and fails once something is removed."""

import unittest
from collections.abc import Callable
from typing import Any, ClassVar

from tests.support.layers import Functional
from tests.switches import removing, table
from tests.switches.removing import Switch
from tools.mutants.running import Known, forked, passes

MOST_SECONDS = 120.0  # of a check


class Switches(unittest.TestCase):
    layer = Functional
    passing: ClassVar[set[str]] = set()  # checks that were seen to pass while nothing was removed

    def test_permissions(self) -> None:
        rows = ((name, check) for check, names in table.PERMISSIONS.items() for name in names.split())
        self.found({f"librarian.{name}": check for name, check in rows}, list(removing.permissions()))

    def test_locks_and_conflict_checks(self) -> None:
        self.found(table.CALLS, list(removing.calls()))

    def test_requirements(self) -> None:
        """Those of ZCML, in this process: what they guard is looked at and not changed."""
        classes, utilities = (named(check).test for check in table.REQUIREMENTS)
        self.addCleanup(classes.doCleanups)
        classes.setUp()
        checks = [getattr(each, each._testMethodName) for each in (classes, utilities)]
        self.assertFalse(any(map(fails, checks)))
        for name, opened in removing.requirements():
            with self.subTest(name), opened:
                self.assertTrue(any(map(fails, checks)))

    def found(self, checks: dict[str, str], switches: list[Switch]) -> None:
        """Assert that each has a check, which passes, and fails once it is removed."""
        self.assertEqual(sorted(one.place for one in switches), sorted(checks))
        for one in switches:
            with self.subTest(one.place):
                self.one_found(checks[one.place], one)

    def one_found(self, check: str, switch: Switch) -> None:
        known = named(check)

        def work(say: Callable[[Any], None]) -> None:
            Functional.testTearDown()  # of this test; in the fork the check has the layer
            if check not in self.passing:
                say(passes(known))
            switch.remove()
            say(passes(known))

        expected = [False] if check in self.passing else [True, False]
        self.assertEqual(list(forked(work, MOST_SECONDS)), expected, check)
        self.passing.add(check)


def fails(check: Callable[[], object]) -> bool:
    """Whether a test that is set up fails."""
    try:
        check()
    except AssertionError:
        return True
    return False


def named(check: str) -> Known:
    """A test by its name below `tests`."""
    (test,) = unittest.defaultTestLoader.loadTestsFromName(f"tests.{check}")
    return Known(test, getattr(test, "layer", None))
