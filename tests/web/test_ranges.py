"""What a Range field may hold, and the work it may cause."""

import unittest
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from librarian.web.files.ranges import MAX_FIELD_LENGTH, MAX_PARTS, requested_slices

# (Range field, size of the file, slices as plain tuples; [] is a 416 and None means: ignored)
CASES: list[tuple[str, int, list[tuple[int, int]] | None]] = [
    ("bytes=0-0", 100, [(0, 1)]),
    ("bytes=0-", 100, [(0, 100)]),
    ("bytes=99-", 100, [(99, 100)]),
    ("bytes=10-19", 100, [(10, 20)]),
    ("bytes=10-1000", 100, [(10, 100)]),
    ("bytes=-10", 100, [(90, 100)]),
    ("bytes=-100", 100, [(0, 100)]),
    ("bytes=-101", 100, [(0, 100)]),
    ("BYTES=0-9", 100, [(0, 10)]),
    ("bytes = 0-9 ", 100, [(0, 10)]),
    ("bytes=0-9,\t20-29", 100, [(0, 10), (20, 30)]),
    # Empty elements of a list are skipped.
    ("bytes=,0-9,, 20-29,", 100, [(0, 10), (20, 30)]),
    # The order of the request is kept.
    ("bytes=20-29,0-9", 100, [(20, 30), (0, 10)]),
    ("bytes=-1,0-0", 100, [(99, 100), (0, 1)]),
    # Overlapping and touching ranges become one, in the place of the first of them.
    ("bytes=0-9,5-14", 100, [(0, 15)]),
    ("bytes=0-9,10-19", 100, [(0, 20)]),
    ("bytes=0-9,11-19", 100, [(0, 10), (11, 20)]),
    ("bytes=50-59,0-9,8-19,60-60", 100, [(50, 61), (0, 20)]),
    ("bytes=0-29,10-12", 100, [(0, 30)]),
    # What does not exist is left out while something else does.
    ("bytes=0-9,200-299", 100, [(0, 10)]),
    ("bytes=100-", 100, []),
    ("bytes=100-,200-300", 100, []),
    ("bytes=-0", 100, []),
    ("bytes=-0,0-0", 100, [(0, 1)]),
    # Numbers beyond every file.
    (f"bytes=0-{'9' * 500}", 100, [(0, 100)]),
    (f"bytes={'9' * 500}-", 100, []),
    (f"bytes=-{'9' * 500}", 100, [(0, 100)]),
    (f"bytes={'0' * 400}7-7", 100, [(7, 8)]),
    (f"bytes=0-{'9' * 501}", 100, None),
    # Malformed: one bad element spoils the field.
    ("bytes=9-0", 100, None),
    ("bytes=0-9,9-0", 100, None),
    ("bytes=-", 100, None),
    ("bytes=", 100, None),
    ("bytes", 100, None),
    ("", 100, None),
    (",", 100, None),
    ("bytes=,", 100, None),
    ("bytes=0", 100, None),
    ("bytes=a-b", 100, None),
    ("bytes=--5", 100, None),
    ("bytes=0--5", 100, None),
    ("bytes=+1-5", 100, None),
    ("bytes=0x0-0x5", 100, None),
    ("bytes=0 - 5", 100, None),
    ("bytes=1_0-2_0", 100, None),
    ("bytes=\u0661-\u0662", 100, None),
    ("bytes=0-5\n", 100, None),
    ("bytes:0-5", 100, None),
    ("bytes=0-1,bytes=3-4", 100, None),  # two Range lines, as a WSGI server joins them
    ("lines=0-5", 100, None),
    # More than the file altogether: the answer is the file, once.
    ("bytes=0-,0-", 100, None),
    ("bytes=0-60,20-80", 100, None),
    # An empty file.
    ("bytes=0-", 0, None),
    ("bytes=0-9", 0, None),
    ("bytes=-5", 0, None),
    ("bytes=1-", 0, []),
    ("bytes=10-19", 0, []),
]


NUMBERS = st.none() | st.integers(0, 60)
RANGE_SPECS = st.tuples(NUMBERS, NUMBERS).filter(lambda spec: spec != (None, None))


class RequestedSlices(unittest.TestCase):
    def test_table(self) -> None:
        for field, size, expected in CASES:
            with self.subTest(field=field[:60], size=size):
                self.assertEqual(requested_slices(field, size), expected)

    def test_the_number_of_parts_is_limited(self) -> None:
        ranges = [f"{2 * n}-{2 * n}" for n in range(MAX_PARTS + 1)]
        allowed = requested_slices("bytes=" + ",".join(ranges[:MAX_PARTS]), 1000)
        assert allowed is not None
        self.assertEqual(len(allowed), MAX_PARTS)
        self.assertIsNone(requested_slices("bytes=" + ",".join(ranges), 1000))

    def test_a_long_field_is_ignored_however_little_it_asks_for(self) -> None:
        field = "bytes=0-0"
        padded = field + "," * (MAX_FIELD_LENGTH - len(field))
        self.assertEqual(requested_slices(padded, 100), [(0, 1)])
        self.assertIsNone(requested_slices(padded + ",", 100))

    @given(st.lists(RANGE_SPECS, min_size=1, max_size=8), st.integers(1, 50))
    def test_the_slices_hold_exactly_the_bytes_asked_for(
        self, specs: list[tuple[int | None, int | None]], size: int
    ) -> None:
        field = "bytes=" + ",".join("-".join("" if n is None else str(n) for n in spec) for spec in specs)
        slices = requested_slices(field, size)
        if slices is None:
            return
        self.assertEqual({n for piece in slices for n in range(*piece)}, named_offsets(specs, size))
        # Neither overlapping nor touching, so no byte is sent twice and no part is for nothing.
        ordered = sorted(slices)
        self.assertTrue(all(one.stop < other.start for one, other in pairwise(ordered)))
        self.assertTrue(all(0 <= start < stop <= size for start, stop in slices))


def named_offsets(specs: list[tuple[int | None, int | None]], size: int) -> set[int]:
    """The offsets the ranges name, worked out the slow way from the words of the RFC."""
    offsets: set[int] = set()
    for first, last in specs:
        if first is None:
            offsets.update(range(size)[-last:] if last else [])
        else:
            offsets.update(n for n in range(size) if n >= first and (last is None or n <= last))
    return offsets
