"""Versions as dates."""

import unittest
from email.utils import formatdate

from hypothesis import given
from hypothesis import strategies as st

from librarian.tracker.client.interfaces import InvalidDate
from librarian.tracker.client.versioned_names import MAX_VERSION
from librarian.tracker.client.wire.version_dates import date_to_version, version_to_date


class DateTests(unittest.TestCase):
    @given(st.integers(0, MAX_VERSION))
    def test_round_trip(self, version: int) -> None:
        self.assertEqual(date_to_version(version_to_date(version)), version)
        self.assertEqual(date_to_version(formatdate(version)), version)

    def test_zones(self) -> None:
        self.assertEqual(date_to_version("Thu, 01 Jan 1970 01:01:40 +0100"), 100)
        self.assertEqual(date_to_version("1 Jan 1970 00:01:40 -0000"), 100)

    def test_refused(self) -> None:
        for text in (
            "",
            "100",
            "yesterday",
            "Thu, 01 Jan 1970",
            "Wed, 31 Dec 1969 23:59:59 GMT",
            "Thu, 32 Jan 1970 00:00:00 GMT",
            "Thu, 01 Jan 1970 25:00:00 GMT",
            "Thu, 01 Jan 1970 00:99:00 GMT",
            "Thu, 01 Foo 1970 00:00:00 GMT",
            "Thu, 01 Jan 99999 00:00:00 GMT",
            "Thu, 01 Jan 1970 00:00:00 +99999999999999999999",
            "\0",
            "9" * 10000,
        ):
            with self.subTest(text), self.assertRaises(InvalidDate):
                date_to_version(text)
        for version in (-1, MAX_VERSION + 1):
            with self.subTest(version), self.assertRaises(InvalidDate):
                version_to_date(version)

    @given(st.text())
    def test_any_text_is_a_version_or_refused(self, text: str) -> None:
        try:
            version = date_to_version(text)
        except InvalidDate:
            return
        self.assertTrue(0 <= version <= MAX_VERSION)
