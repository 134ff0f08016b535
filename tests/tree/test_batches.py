"""BTrees walked in batches, by readers and by writers."""

import unittest
from typing import Any

from BTrees.OOBTree import OOBTree, OOTreeSet
from zope.component import getUtility

from librarian.tree.batches import change_in_batches, next_keys, read_in_batches
from librarian.tree.interfaces import ITree
from tests.support.layers import Functional


class NextKeys(unittest.TestCase):
    def test_limits(self) -> None:
        letters = OOTreeSet("abcdef")
        self.assertEqual(next_keys(letters), list("abcdef"))
        self.assertEqual(next_keys(letters, "b", 3), list("cde"))
        self.assertEqual(next_keys(letters, "b", 3, "d"), list("cd"))
        self.assertEqual(next_keys(OOBTree({"b": 1}), "bb"), [])


class InTheTree(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.tree: Any = getUtility(ITree)
        self.tree.run(self._plant)

    def _plant(self) -> None:
        self.tree.root()["letters"] = OOBTree({letter: letter.upper() for letter in "abcdef"})

    def letters(self) -> OOBTree:
        return self.tree.root()["letters"]

    def test_readers(self) -> None:
        self.assertEqual(
            list(read_in_batches(self.tree, self.letters, size=4)), [["a", "b", "c", "d"], ["e", "f"]]
        )
        self.assertEqual(list(read_in_batches(self.tree, self.letters, size=3))[-1], [])
        behind = read_in_batches(self.tree, self.letters, size=9, after="c", last="e")
        self.assertEqual(list(behind), [["d", "e"]])

    def test_readers_see_what_was_committed_meanwhile(self) -> None:
        seen = []
        for keys in read_in_batches(self.tree, self.letters, size=3):
            seen += keys
            self.tree.run_independently(lambda: self.letters().update({"aa": "", "g": ""}))
        self.assertEqual(seen, list("abcdefg"))

    def test_each_batch_of_a_writer_is_a_transaction(self) -> None:
        tried: list[list[str]] = []

        def drop(keys: list[str]) -> None:
            tried.append(keys)
            if "e" in keys:
                raise RuntimeError("the power fails")
            for key in keys:
                del self.letters()[key]

        with self.assertRaises(RuntimeError):
            change_in_batches(self.tree, self.letters, drop, size=2)
        self.assertEqual(tried, [["a", "b"], ["c", "d"], ["e", "f"]])
        self.assertEqual(list(self.letters()), ["e", "f"])
