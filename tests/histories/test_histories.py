"""Operations on FileStorage and ZEO, with kills, new starts and moved clocks; `make soak` has PostgreSQL."""

import os
import tempfile
import unittest
from pathlib import Path

from tests.histories.faults import ENGINES, Site, running
from tests.histories.models import MODELS
from tests.histories.rounds import run_round
from tools.runner.left_out import left_out

SEED = os.environ.get("LIBRARIAN_SEED", "1")
OPERATIONS = {"FileStorage": 1000, "ZEO": 1000}


class Linearizable(unittest.TestCase):
    def site_on(self, name: str, first: str = "") -> Site:
        engine = next(each for each in ENGINES if each.name == name)
        if why := engine.missing():
            self.skipTest(left_out(f"histories on {name}", why))
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        return self.enterContext(running(engine, folder, first))

    def judge(self, name: str) -> None:
        found = run_round(self.site_on(name), OPERATIONS[name], SEED)
        self.assertEqual(([str(each) for each in found.violations], found.troubles), ([], []))
        self.assertGreaterEqual(found.operations.total(), OPERATIONS[name])
        self.assertEqual(set(found.operations), set(MODELS))

    def test_on_filestorage_with_two_workers(self) -> None:
        self.judge("FileStorage")

    def test_on_zeo_with_two_nodes(self) -> None:
        self.judge("ZEO")
