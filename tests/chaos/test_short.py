"""One round of two faults; `make soak` has ten, of all."""

import unittest

from tests.chaos.rounds import RECOVERY_SECONDS, all_outcomes
from tools.cluster.cluster import missing

FAULTS = ("node", "PostgreSQL")


class Processes:
    """A layer of its own: it wants a machine's memory for a minute."""

    @classmethod
    def missing(cls) -> str | None:
        return missing()


class Short(unittest.TestCase):
    layer = Processes

    def test_what_was_acknowledged_is_there_after_each_fault(self) -> None:
        told: list[str] = []
        outcomes = all_outcomes(1, FAULTS, told.append)
        self.assertEqual([each.name for each in outcomes], list(FAULTS))
        for each in outcomes:
            with self.subTest(each.name):
                self.assertEqual((each.lost, each.wrong, each.failures), ([], [], []))
                self.assertGreater(each.acknowledged, 0)
                self.assertLess(max(each.recoveries), RECOVERY_SECONDS, told)
