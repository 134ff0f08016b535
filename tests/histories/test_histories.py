"""Planted faults, one for each kind of object, which the checker of histories has to find."""

import os
import tempfile
import unittest
from collections import Counter
from pathlib import Path

from tests.histories.bugs import BUGS, PLANT
from tests.histories.faults import ALONE, running
from tests.histories.rounds import run_round

SEED = os.environ.get("LIBRARIAN_SEED", "1")
OPERATIONS = 600
MOST_ROUNDS = 8  # until each of the planted faults has to be found


class Histories:
    """Nothing is set up: a test has an installation of its own."""


class Planted(unittest.TestCase):
    layer = Histories

    def test_a_planted_fault_of_each_kind_is_found(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        site, kinds = self.enterContext(running(ALONE, folder, PLANT)), Counter[str]()
        for number in range(MOST_ROUNDS):
            found = run_round(site, OPERATIONS, f"{SEED} {number}", faults=False, keep=False)
            kinds.update(each.operation.kind for each in found.violations)
            if set(kinds) == set(BUGS):
                break
        self.assertEqual(set(kinds), set(BUGS))
