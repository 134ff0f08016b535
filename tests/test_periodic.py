"""Rounds go on until they are told to stop, and no further."""

import threading
import unittest
from unittest import mock

from librarian import periodic
from librarian.periodic import PeriodicTask
from librarian.settings import Settings


class Counted(PeriodicTask):
    def __init__(self, enough: int) -> None:
        super().__init__("counted", 0.001)
        self.made = 0
        self.enough = enough

    def once(self) -> None:
        self.made += 1
        if self.made == self.enough:
            self.stop()


class Going(unittest.TestCase):
    def test_again_and_again_until_it_is_stopped(self) -> None:
        rounds = Counted(3)
        rounds.start()
        rounds.join(30)
        self.assertEqual((rounds.made, rounds.is_alive()), (3, False))

    def test_the_first_round_waits_for_its_time(self) -> None:
        rounds = Counted(1)
        rounds.stop()
        rounds.start()
        rounds.join(30)
        self.assertEqual(rounds.made, 0)

    def test_it_ends_with_the_application_it_was_begun_for(self) -> None:
        mine, others = Settings({}), Settings({})
        for now, made in ((mine, 3), (others, 0), (None, 0)):
            rounds = Counted(3)
            with (
                mock.patch.object(periodic, "getUtility", lambda _kind: mine),
                mock.patch.object(periodic, "queryUtility", lambda _kind, now=now: now),
            ):
                rounds.begin()
                rounds.join(30)
            self.assertEqual((rounds.made, rounds.is_alive()), (made, False))

    def test_it_keeps_no_process_from_ending(self) -> None:
        self.assertTrue(Counted(1).daemon)
        self.assertNotIn("counted", [thread.name for thread in threading.enumerate()])
