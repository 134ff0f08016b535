"""A hundred power cuts, and the syncs without which they would lose something."""

import os
import unittest
from functools import cache

from tests.crash import recording
from tests.crash.exploring import Explorer, Report, kinds_of
from tests.crash.scenes import SCENES, Scene
from tests.crash.syncs import NEEDED
from tests.support.layers import Functional
from tools.runner.left_out import left_out

STATES = 100
SEED = os.environ.get("LIBRARIAN_SEED", "1")
MOST = 60  # states until a sync that does nothing has to be noticed


@cache
def explorer(scene: type[Scene]) -> Explorer:
    """One recording serves all tests."""
    return Explorer.of(scene)


class PowerCuts(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        if why := recording.missing():
            self.skipTest(left_out("power cuts", why))
        Functional.world.end()  # this thread's tree is the one in the folder

    def test_nothing_acknowledged_is_lost(self) -> None:
        report = Report()
        for number, scene in enumerate(SCENES):
            share = STATES // len(SCENES) + (number < STATES % len(SCENES))
            for fault in explorer(scene).judge(explorer(scene).sampled(share, SEED), report):
                with self.subTest(scene=scene.__name__, seed=SEED):
                    self.fail(str(fault))
        self.assertEqual(report.states, STATES)

    def test_a_sync_that_does_nothing_is_noticed(self) -> None:
        for scene in SCENES:
            for kind in NEEDED.get(scene.__name__, ()):
                with self.subTest(scene=scene.__name__, sync=kind):
                    self.assertIn(kind, kinds_of(explorer(scene).recording))
                    self.assertIsNotNone(explorer(scene).notices(kind, "posix", MOST))
