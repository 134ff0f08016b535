"""The pace of work that may take only so many bytes a second."""

import unittest

from librarian.clock import Pace


class TestPace(unittest.TestCase):
    def test_rate(self) -> None:
        now = 100.0

        def sleep(seconds: float) -> None:
            nonlocal now
            now += seconds

        pace = Pace(1000, sleep, lambda: now)
        for _ in range(10):
            pace.spend(pace.piece(1 << 16))
        self.assertAlmostEqual(now - 100, 10 * 1024 / 1000)

    def test_idle_time_is_not_saved_up(self) -> None:
        now = 100.0
        slept: list[float] = []
        pace = Pace(1000, slept.append, lambda: now)
        pace.spend(1000)
        now = 500
        for _ in range(3):
            pace.spend(1000)
        self.assertEqual(slept, [1, 1, 1], "one block was free, and no more")

    def test_sending_takes_time_too(self) -> None:
        moments = iter([100, 102.5, 103.5])
        slept: list[float] = []
        pace = Pace(1000, slept.append, lambda: next(moments))
        for _ in range(3):
            pace.spend(1000)
        self.assertEqual(slept, [1])

    def test_no_limit(self) -> None:
        Pace(None, self.fail).spend(10**12)
