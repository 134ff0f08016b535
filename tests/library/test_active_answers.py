"""Answers to the bearers of links, as several workers see them."""

import tempfile
import threading
import time
import unittest
from pathlib import Path

from librarian.library.tokens.active_answers import ActiveAnswers, Bearer, SharedActiveAnswers

AMY, BOB = (b"key", "amy"), (b"key", "bob")


class Shared(unittest.TestCase):
    def setUp(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory())) / "answers"
        self.one, self.other = SharedActiveAnswers(folder), SharedActiveAnswers(folder)

    def waits(self, answers: ActiveAnswers, bearer: Bearer) -> tuple[bool, float]:
        begun = time.monotonic()
        return answers.ends_soon(bearer), time.monotonic() - begun

    def test_without_an_answer_none_is_waited_for(self) -> None:
        self.one.begin(BOB)
        ended, seconds = self.waits(self.other, AMY)
        self.assertFalse(ended)
        self.assertLess(seconds, 0.5)

    def test_the_end_of_an_answer_of_another_worker_is_waited_for(self) -> None:
        self.one.begin(AMY)
        self.one.begin(AMY)
        ending = threading.Timer(0.1, self.one.end, [AMY])
        ending.start()
        self.addCleanup(ending.join)
        self.assertTrue(self.waits(self.other, AMY)[0])

    def test_an_answer_that_does_not_end_is_waited_for_a_second(self) -> None:
        self.one.begin(AMY)
        ended, seconds = self.waits(self.other, AMY)
        self.assertFalse(ended)
        self.assertGreaterEqual(seconds, 1)
        self.one.end(AMY)
        self.assertFalse(self.waits(self.other, AMY)[0])
