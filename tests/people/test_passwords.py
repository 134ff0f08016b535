"""Passwords: which are accepted, and how they are checked."""

import unittest

from librarian.people.credentials.interfaces import (
    WeakPassword,
)
from librarian.people.credentials.passwords import (
    DUMMY_HASH,
    CheckedLately,
    check_strength,
    hash_password,
    is_outdated,
    matches,
)
from tests.security.zcml import HandMovedClock

GOOD = "seven green bottles"
HASH = hash_password(GOOD)  # once, since it takes its time by design


class Strength(unittest.TestCase):
    def test_what_is_too_easily_guessed(self) -> None:
        weak = (
            "",
            "short",
            "x" * 1025,
            "aaaaaaaaaaaaaaaa",
            "Password1234",
            "amy.adams.1",
            "amy.adamsamy.adams",
        )
        for password in weak:
            with self.subTest(password[:20]):
                self.assertRaises(WeakPassword, check_strength, password, "amy.adams", None)

    def test_a_sentence_with_a_name_in_it_is_fine(self) -> None:
        check_strength("amy.adams plays the tuba", "amy.adams", None)

    def test_composed_and_decomposed_letters_are_the_same(self) -> None:
        stored = hash_password("für immer und ewig")
        self.assertTrue(matches(stored, "fu\u0308r immer und ewig"))
        self.assertFalse(matches(stored, "fur immer und ewig"))

    def test_nonsense_matches_nothing(self) -> None:
        for stored, password in (
            (None, ""),
            (None, GOOD),
            ("$nonsense", GOOD),
            (hash_password(GOOD), "\ud800"),
        ):
            self.assertFalse(matches(stored, password))

    def test_nobodys_hash_costs_what_a_new_one_costs(self) -> None:
        self.assertFalse(is_outdated(DUMMY_HASH))


class Checked(unittest.TestCase):
    def setUp(self) -> None:
        self.clock, self.checked = HandMovedClock(), CheckedLately()

    def test_it_is_forgotten_after_a_while_and_with_the_hash(self) -> None:
        self.checked.remember("hash", GOOD, self.clock.now())
        self.assertTrue(self.checked.knows("hash", GOOD, self.clock.now()))
        self.assertFalse(self.checked.knows("hash", GOOD + " ", self.clock.now()))
        self.assertFalse(self.checked.knows("new hash", GOOD, self.clock.now()))
        self.assertFalse(self.checked.knows(None, GOOD, self.clock.now()))
        self.clock.move(minutes=5)
        self.assertFalse(self.checked.knows("hash", GOOD, self.clock.now()))

    def test_it_is_bounded_and_holds_no_password(self) -> None:
        for number in range(CheckedLately.AT_MOST + 10):
            self.checked.remember("hash", f"{GOOD}{number}", self.clock.now())
        self.assertEqual(len(self.checked._until), CheckedLately.AT_MOST)
        self.assertNotIn(GOOD, repr(vars(self.checked)))
