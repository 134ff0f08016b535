"""The short form of `make soak`: two parts of a cluster are killed once each, under load."""

import unittest

from tests.chaos.faults import FAULTS
from tests.chaos.layers import Harmed
from tests.chaos.rounds import RECOVERY_SECONDS, outcome

CLIENTS = 2


class KilledOnce(unittest.TestCase):
    layer = Harmed

    def killed(self, name: str) -> None:
        """Nothing that was acknowledged is lost, no byte is wrong, no answer is 500, and it comes back."""
        fault = next(fault for fault in FAULTS if fault.name == name)
        found = outcome(Harmed.victim, fault, rounds=1, clients=CLIENTS)
        self.assertEqual((found.lost, found.wrong, found.failures), ([], [], []))
        self.assertGreater(found.acknowledged, 0)
        self.assertLess(max(found.recoveries), RECOVERY_SECONDS)

    def test_a_worker(self) -> None:
        self.killed("worker")

    def test_postgresql(self) -> None:
        self.killed("PostgreSQL")
