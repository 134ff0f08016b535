"""Sizes, durations and shares as people write them."""

import unittest
from fractions import Fraction

from librarian.quantities import parse_duration, parse_share, parse_size


class Quantities(unittest.TestCase):
    def test_sizes(self) -> None:
        for text, size in {
            "0": 0,
            "500": 500,
            " 50MB ": 50_000_000,
            "1.5GiB": 3 << 29,
            "2k": 2000,
            "7b": 7,
            "1 T": 10**12,
            "1G512M": 1_512_000_000,
            "0.0015K": 1,
        }.items():
            self.assertEqual(parse_size(text), size, text)

    def test_binary_sizes(self) -> None:
        for text, size in {"1K": 1024, "1G512M": 3 << 29, "2KiB": 2048, "1k12B": 1036, "9": 9}.items():
            self.assertEqual(parse_size(text, binary=True), size, text)

    def test_no_sizes(self) -> None:
        for text in ("", "-1", "MB", "1.2.3", "5 miles", "nan", "1G5", "1e3", "\u0665", "1Ki M", "9" * 40):
            with self.subTest(text), self.assertRaisesRegex(ValueError, "is no size such as"):
                parse_size(text)

    def test_durations(self) -> None:
        for text, seconds in {
            "90s": 90,
            "15m": 900,
            "24h": 86400,
            "7d": 604800,
            "45": 45,
            "1.5h": 5400,
        }.items():
            self.assertEqual(parse_duration(text).total_seconds(), seconds, text)

    def test_no_durations(self) -> None:
        for text in ("", "d", "1y", "1e3", "nan", "--1s", "-5m", "1_0s", "\u0665d", "9" * 15 + "w"):
            with self.subTest(text), self.assertRaisesRegex(ValueError, "is no duration such as"):
                parse_duration(text)

    def test_shares(self) -> None:
        for text, share in {"1/30": Fraction(1, 30), "10%": Fraction(1, 10), "0.5": Fraction(1, 2)}.items():
            self.assertEqual(parse_share(text), share, text)
        for text in ("", "0", "2", "-1/2", "1/0", "101%", "half"):
            with self.subTest(text), self.assertRaisesRegex(ValueError, "is no share such as"):
                parse_share(text)
