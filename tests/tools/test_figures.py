"""The table of `make bench`: which rows are chosen, medians, and what is left out."""

import io
import unittest
from contextlib import redirect_stdout
from typing import Any

from benchmarks import figures
from benchmarks.figures.rows import Figures, Row, show
from benchmarks.figures.sites import Missing


class Tables(unittest.TestCase):
    def shown(self, *rows: Row) -> list[list[str]]:
        sites: Any = None
        with redirect_stdout(io.StringIO()) as printed:
            show(rows, sites)
        lines = printed.getvalue().splitlines()
        return [line.split() for line in lines if line.startswith("GET")]

    def test_rows_are_chosen_by_the_words_in_their_names(self) -> None:
        self.assertEqual(len(figures.ROWS), len(figures.chosen([])))
        for word in ("get", "put", "Data.fs", "nginx", "tracker", "workers", "zeo"):
            self.assertTrue(figures.chosen([word]), word)
        self.assertTrue(all("PUT" in row.title for row in figures.chosen(["put"])))  # and no throughput alone
        with self.assertRaises(SystemExit):
            figures.chosen(["nonesuch"])

    def test_the_median_is_shown_and_marked_where_it_is_not_as_wanted(self) -> None:
        turns = iter([1.0, 9.0, 2.0, 3.0, 2.5] * 2)
        one = Row("GET", "<= 2.5", lambda sites: Figures(next(turns), (7.0,)), "{:.0f} us")
        other = Row("GET", ">= 2.6", lambda sites: Figures(next(turns)))
        self.assertEqual(
            [["GET", "2.50", "<=", "2.5", "7", "us"], ["GET", "2.50", ">=", "2.6", "*"]],
            self.shown(one, other),
        )

    def test_a_row_of_one_turn_says_so(self) -> None:
        one = Row("GET", "<= 2", lambda sites: Figures(1.0), turns=1)
        self.assertEqual(["GET", "1.00", "<=", "2", "of", "one", "turn"], self.shown(one)[0])

    def test_a_row_without_its_peer_says_so(self) -> None:
        def turn(sites: Any) -> Figures:
            raise Missing("nginx is not installed")

        self.assertIn("nginx is not installed", " ".join(self.shown(Row("GET", "<= 1", turn))[0]))

    def test_a_row_that_fails_says_why_and_the_others_are_shown(self) -> None:
        def turn(sites: Any) -> Figures:
            raise RuntimeError("answered 500")

        first, second = self.shown(Row("GET", "<= 1", turn), Row("GET", "<= 1", lambda sites: Figures(1.0)))
        self.assertIn("failed: RuntimeError('answered 500')", " ".join(first))
        self.assertEqual(second[:2], ["GET", "1.00"])
