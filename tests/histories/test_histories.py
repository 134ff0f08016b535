"""A short round on each engine, with kills, new starts and moved clocks; and planted faults."""

import os
import tempfile
import unittest
from collections import Counter
from pathlib import Path

from tests.histories.bugs import BUGS, PLANT
from tests.histories.faults import ALONE, ENGINES, Engine, Site, running
from tests.histories.models import MODELS
from tests.histories.rounds import run_round
from tools.runner.left_out import left_out

SEED = os.environ.get("LIBRARIAN_SEED", "1")
OPERATIONS = {"FileStorage": 400, "ZEO": 400, "PostgreSQL": 400}  # about 10 ms of processor time each
MOST_ROUNDS = 8  # until each of the planted faults has to be found


class Histories:
    """Nothing is set up: each test has an installation of its own."""


class Linearizable(unittest.TestCase):
    layer = Histories

    def site_on(self, engine: Engine, first: str = "") -> Site:
        if why := engine.missing():
            self.skipTest(left_out(f"histories on {engine.name}", why))
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        return self.enterContext(running(engine, folder, first))

    def judge(self, name: str) -> None:
        engine = next(each for each in ENGINES if each.name == name)
        found = run_round(self.site_on(engine), OPERATIONS[name], SEED)
        self.assertEqual(([str(each) for each in found.violations], found.troubles), ([], []))
        self.assertGreaterEqual(found.operations.total(), OPERATIONS[name])
        self.assertEqual(set(found.operations), set(MODELS))

    def test_on_filestorage_with_two_workers(self) -> None:
        self.judge("FileStorage")

    def test_on_zeo_with_two_nodes(self) -> None:
        self.judge("ZEO")

    def test_on_postgresql_with_two_nodes(self) -> None:
        self.judge("PostgreSQL")

    def test_a_planted_fault_of_each_kind_is_found(self) -> None:
        site, kinds = self.site_on(ALONE, PLANT), Counter[str]()
        for number in range(MOST_ROUNDS):
            found = run_round(site, 600, f"{SEED} {number}", faults=False, keep=False)
            kinds.update(each.operation.kind for each in found.violations)
            if set(kinds) == set(BUGS):
                break
        self.assertEqual(set(kinds), set(BUGS))
