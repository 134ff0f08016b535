"""Index keys that begin with parts of their own."""

import unittest
from itertools import combinations

from BTrees.OOBTree import OOBTree, OOTreeSet

from librarian.tree.keys import prefixes_among, with_prefix


class Prefixes(unittest.TestCase):
    def test_all_that_a_few_keys_can_have(self) -> None:
        prefixes = [b"aa", b"ab", b"ba", b"bb", b"\xff\xff"]
        for number in range(len(prefixes) + 1):
            for some in combinations(prefixes, number):
                keys = OOTreeSet(prefix + end for prefix in some for end in (b"", b"1", b"\xff"))
                self.assertEqual(prefixes_among(keys, prefixes), set(some))
                self.assertEqual(prefixes_among(keys, reversed(prefixes[1:])), set(some) - {b"aa"})

    def test_far_from_each_other(self) -> None:
        """More keys lie between two prefixes than are walked over."""
        keys = OOTreeSet(number.to_bytes(2) + end for number in range(5000) for end in (b"a", b"b"))
        prefixes = {number.to_bytes(2) for number in (0, 1, 2, 30, 2000, 4999, 5000, 60000)}
        self.assertEqual(prefixes_among(keys, prefixes), prefixes - {b"\x13\x88", b"\xea\x60"})

    def test_many_keys_of_one(self) -> None:
        keys = OOBTree({b"a%04d" % number: None for number in range(3000)} | {b"b": None})
        self.assertEqual(prefixes_among(keys, [b"a", b"b", b"c"]), {b"a", b"b"})
        self.assertEqual(len(list(with_prefix(keys, b"a"))), 3000)

    def test_nothing(self) -> None:
        self.assertEqual(prefixes_among(OOTreeSet(), [b"a"]), set())
        self.assertEqual(prefixes_among(OOTreeSet([b"a"]), []), set())
