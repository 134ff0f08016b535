"""The windows of freshness, at their edges."""

import unittest
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from librarian.mirrors.enums import MirrorStatus
from librarian.mirrors.freshness import STATUS_HOURS, as_utc, choose_by_window, overall, status_for_lag

NOW = datetime(2026, 1, 10, tzinfo=UTC)


def choose(*ages_hours: float) -> dict[str, float]:
    """What is chosen among publications of these ages, by the name of the status."""
    dates = sorted(NOW - timedelta(hours=age) for age in ages_hours)

    def newest(start: datetime | None, end: datetime) -> float | None:
        found = [date for date in dates if (start is None or date >= start) and date <= end]
        return (NOW - found[-1]).total_seconds() / 3600 if found else None

    return {status.name: age for status, age in choose_by_window(newest, NOW).items()}


class Windows(unittest.TestCase):
    def test_each_window_takes_its_older_edge(self) -> None:
        for status, hours in STATUS_HOURS:
            self.assertEqual(choose(hours), {status.name: hours})

    def test_one_of_each(self) -> None:
        names = [status.name for status, _ in STATUS_HOURS]
        self.assertEqual(list(choose(0, 1, 2, 4, 20, 40, 100, 500)), names)

    def test_the_newest_of_a_window(self) -> None:
        self.assertEqual(choose(0.1, 0.2, 30, 40), {"UP": 0.1, "TWODAYSBEHIND": 30})

    def test_nothing_recent(self) -> None:
        self.assertEqual(choose(169, 5000), {"UP": 169})

    def test_nothing_at_all_and_nothing_but_the_future(self) -> None:
        self.assertEqual(choose(), {})
        self.assertEqual(choose(-1), {})

    @given(st.lists(st.integers(-600, 24_000).map(lambda minutes: minutes / 60), max_size=30))
    def test_every_choice_lies_in_its_window(self, ages: list[float]) -> None:
        chosen = choose(*ages)
        past = [age for age in ages if age >= 0]
        self.assertEqual(bool(chosen), bool(past))
        if any(age <= 168.5 for age in past):
            for name, age in chosen.items():
                self.assertEqual(status_for_lag(timedelta(hours=age)).name, name)


class Lag(unittest.TestCase):
    def test_beyond_a_week_nothing_is_known(self) -> None:
        self.assertIs(status_for_lag(timedelta(days=30)), MirrorStatus.UNKNOWN)

    def test_overall_is_the_worst_known(self) -> None:
        up, day, unknown = MirrorStatus.UP, MirrorStatus.ONEDAYBEHIND, MirrorStatus.UNKNOWN
        self.assertIs(overall([up, day, unknown]), day)
        self.assertIs(overall([unknown]), unknown)
        self.assertIs(overall([]), unknown)

    def test_naive_is_utc(self) -> None:
        self.assertEqual(as_utc(NOW.replace(tzinfo=None)), NOW)
