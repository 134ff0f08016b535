"""What probes mean."""

import unittest
from datetime import UTC, datetime, timedelta

from librarian.mirrors.probing.verdict import BatchGuard, HistoryEntry, score

NOW = datetime(2026, 1, 10, tzinfo=UTC)


class Guard(unittest.TestCase):
    def test_table(self) -> None:
        for unreached, probed, offline in (
            (1, 1, False),  # one mirror is no batch
            (3, 3, False),
            (4, 4, True),
            (2, 4, False),  # half is not most
            (3, 4, True),
            (500, 1000, False),
            (501, 1000, True),
            (0, 0, False),
        ):
            self.assertEqual(BatchGuard().prober_is_offline(unreached, probed), offline, (unreached, probed))


class Scores(unittest.TestCase):
    def entry(self, good: bool = True, seconds: float = 1.0, lag_hours: float = 2.0) -> HistoryEntry:
        return HistoryEntry(NOW + timedelta(hours=1), good, seconds, lag_hours)

    def test_steady(self) -> None:
        self.assertEqual(score([self.entry()] * 4).value, 3.0)

    def test_half_of_the_time_doubles_it(self) -> None:
        self.assertEqual(score([self.entry(), self.entry(good=False, seconds=99)]).value, 6.0)

    def test_uneven_answers_count(self) -> None:
        self.assertEqual(score([self.entry(seconds=1), self.entry(seconds=3)]).value, 2 + 2 + 1)

    def test_never_up(self) -> None:
        self.assertIsNone(score([self.entry(good=False)]).value)
        self.assertIsNone(score([]).value)
