"""Keys of digest and generation, searched through: no order of events loses an acknowledged upload."""

import unittest

from tests.store.s3.model import WITHOUT, Rules, State, Sweep, Writer, explore


class Model(unittest.TestCase):
    def test_the_design_is_safe(self) -> None:
        number, loss = explore(Rules())
        self.assertIsNone(loss)
        self.assertGreater(number, 10_000)

    def test_three_sweeps_beside_one_upload(self) -> None:
        start = State(writers=(Writer(attempts=3),), sweeps=(Sweep(),) * 3, drops=2)
        number, loss = explore(Rules(), start)
        self.assertIsNone(loss)
        self.assertGreater(number, 1_000)

    def test_each_part_of_the_design_is_needed(self) -> None:
        for name, rules in WITHOUT.items():
            with self.subTest(without=name):
                _number, loss = explore(rules)
                assert loss is not None
                self.assertTrue(loss.named)
                self.assertNotIn(loss.generation, loss.keys)
