"""The simulation of commits that take turns."""

import unittest

from benchmarks.one_database import Costs, run
from librarian.tree.together import MOST

LARGE = 10**9


class Simulated(unittest.TestCase):
    def test_an_upload_that_is_alone_takes_what_its_parts_take(self) -> None:
        costs = Costs(commit=3, upload=0.5, work=1)
        found = run(1, 1, LARGE, costs)
        self.assertAlmostEqual(found.median, 4.5)

    def test_what_waits_is_named_together_so_more_is_named_than_one_by_one(self) -> None:
        """One by one it would be 1000 / 24, some 40 a second."""
        self.assertLess(run(1, 200, LARGE, Costs(commit=20, upload=1, work=3)).p99, 500)

    def test_above_the_limit_of_full_transactions_uploads_wait_ever_longer(self) -> None:
        costs = Costs(commit=20, upload=5, work=0)
        self.assertAlmostEqual(costs.limit(), 1000 * MOST / (20 + 5 * MOST))
        self.assertGreater(run(2, 1.5 * costs.limit(), LARGE, costs).median, 1000)

    def test_processes_meet_in_the_buckets_of_a_small_library(self) -> None:
        small, large = (run(4, 400, files, Costs()) for files in (1000, LARGE))
        self.assertGreater(small.conflicts, large.conflicts)
        self.assertEqual(run(1, 400, 1000, Costs(work=0)).conflicts, 0)  # alone it meets none
