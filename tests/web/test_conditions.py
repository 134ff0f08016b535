"""Conditions of a request, alone and against each other."""

import time
import unittest
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from librarian.web.files.conditions import failed_condition, http_date, parse_http_date, range_applies

ETAG = '"' + "5d" * 32 + '"'
OTHER = '"' + "77" * 32 + '"'
MODIFIED = datetime(1994, 11, 6, 8, 49, 37, 654321, tzinfo=UTC)
EXACT = "Sun, 06 Nov 1994 08:49:37 GMT"
EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT"
LATER = "Sun, 06 Nov 1994 08:49:38 GMT"

CASES: list[tuple[dict[str, str], int | None]] = [
    ({}, None),
    # If-None-Match: weak comparison, lists, the asterisk.
    ({"if-none-match": ETAG}, 304),
    ({"if-none-match": f"W/{ETAG}"}, 304),
    ({"if-none-match": f"{OTHER}, {ETAG}"}, 304),
    ({"if-none-match": f'"a,b" ,{ETAG},"c"'}, 304),
    ({"if-none-match": "*"}, 304),
    ({"if-none-match": " * "}, 304),
    ({"if-none-match": OTHER}, None),
    ({"if-none-match": ETAG.strip('"')}, None),
    ({"if-none-match": ETAG.upper()}, None),
    ({"if-none-match": f"{ETAG[:-1]}-text{ETAG[-1]}"}, None),
    ({"if-none-match": '"*"'}, None),
    ({"if-none-match": ""}, None),
    # ... which makes If-Modified-Since count for nothing, whatever it holds.
    ({"if-none-match": OTHER, "if-modified-since": LATER}, None),
    ({"if-none-match": "", "if-modified-since": LATER}, None),
    ({"if-none-match": "garbage", "if-modified-since": LATER}, None),
    ({"if-none-match": ETAG, "if-modified-since": EARLIER}, 304),
    # If-Modified-Since: to the second; no date is no condition.
    ({"if-modified-since": EXACT}, 304),
    ({"if-modified-since": LATER}, 304),
    ({"if-modified-since": EARLIER}, None),
    ({"if-modified-since": "Sunday, 06-Nov-94 08:49:37 GMT"}, 304),
    ({"if-modified-since": "Sun Nov  6 08:49:37 1994"}, 304),
    ({"if-modified-since": "yesterday"}, None),
    ({"if-modified-since": ""}, None),
    ({"if-modified-since": f"Sun, {'9' * 30} Nov 1994 08:49:37 GMT"}, None),
    ({"if-modified-since": f"Sun, 06 Nov 1994 08:49:37 +{'9' * 30}"}, None),
    # If-Match: strong comparison.
    ({"if-match": ETAG}, None),
    ({"if-match": f"{OTHER},{ETAG}"}, None),
    ({"if-match": f"W/{ETAG}, {ETAG}"}, None),
    ({"if-match": "*"}, None),
    ({"if-match": f"W/{ETAG}"}, 412),
    ({"if-match": OTHER}, 412),
    ({"if-match": ""}, 412),
    # ... which makes If-Unmodified-Since count for nothing.
    ({"if-match": ETAG, "if-unmodified-since": EARLIER}, None),
    ({"if-unmodified-since": EARLIER}, 412),
    ({"if-unmodified-since": EXACT}, None),
    ({"if-unmodified-since": LATER}, None),
    ({"if-unmodified-since": "yesterday"}, None),
    # The conditions for going on come before those for having it already.
    ({"if-match": OTHER, "if-none-match": ETAG}, 412),
    ({"if-match": ETAG, "if-none-match": ETAG}, 304),
    ({"if-unmodified-since": EARLIER, "if-modified-since": LATER}, 412),
]

# (If-Range, whether the Range counts for an immutable file, and for one that is not)
IF_RANGE: list[tuple[str | None, bool, bool]] = [
    (None, True, True),
    (ETAG, True, True),
    (f" {ETAG}\t", True, True),
    (f"W/{ETAG}", False, False),
    (OTHER, False, False),
    (f"{ETAG}, {OTHER}", False, False),
    ("*", False, False),
    (ETAG.strip('"'), False, False),
    ("", False, False),
    (EXACT, True, False),
    ("Sun Nov  6 08:49:37 1994", True, False),
    (LATER, False, False),
    (EARLIER, False, False),
]


class Conditions(unittest.TestCase):
    def test_table(self) -> None:
        for headers, expected in CASES:
            with self.subTest(headers=headers):
                self.assertEqual(failed_condition(headers, ETAG, MODIFIED), expected)

    def test_if_range(self) -> None:
        for field, immutable, mutable in IF_RANGE:
            with self.subTest(field=field):
                answers = [
                    range_applies(field, ETAG, MODIFIED, date_is_strong=strong) for strong in (True, False)
                ]
                self.assertEqual(answers, [immutable, mutable])

    def test_a_huge_field_is_searched_in_linear_time(self) -> None:
        for unit in ('"', "W/", ETAG[:-1], f"W/{ETAG},", " ", '"a" '):
            field = unit * (1_000_000 // len(unit))
            started = time.process_time()
            for name in ("if-none-match", "if-match"):
                failed_condition({name: field}, OTHER, MODIFIED)
            self.assertLess(time.process_time() - started, 1.0)

    @given(st.text(), st.text(), st.text(), st.text(), st.text())
    def test_no_text_is_an_error(self, a: str, b: str, c: str, d: str, e: str) -> None:
        headers = {"if-match": a, "if-none-match": b, "if-modified-since": c, "if-unmodified-since": d}
        self.assertIn(failed_condition(headers, ETAG, MODIFIED), (None, 304, 412))
        self.assertIn(range_applies(e, ETAG, MODIFIED, date_is_strong=True), (True, False))


class Dates(unittest.TestCase):
    def test_another_time_zone_is_the_same_moment(self) -> None:
        self.assertEqual(http_date(MODIFIED.astimezone(timezone(timedelta(hours=-11)))), EXACT)

    @given(st.integers(-2_000_000_000, 200_000_000_000), st.integers(0, 999_999))
    def test_there_and_back(self, seconds: int, microsecond: int) -> None:
        moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=microsecond)
        self.assertEqual(parse_http_date(http_date(moment)), moment.replace(microsecond=0))
