"""The step that brings the indexes of an older tracker to small buckets."""

import tempfile
import unittest
from pathlib import Path

from BTrees.OOBTree import OOBTree, OOTreeSet

from librarian.tracker.model import TrackerSubtree, make_indexes_small
from librarian.tree.indexes import SmallOOBTree, SmallOOTreeSet
from librarian.tree.service import Tree

NAMES = {f"a/{number:04d}": number for number in range(100)}


class Step(unittest.TestCase):
    def test_names_and_holds_are_kept(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        tree = Tree.from_uri(f"file://{folder / 'Data.fs'}")
        self.addCleanup(tree.close)

        def plant() -> None:
            old = tree.root()["old"] = TrackerSubtree()
            old._entries = OOBTree(NAMES)
            old.holds._keys = OOTreeSet(number.to_bytes(8) + b"held" for number in NAMES.values())

        tree.run(plant)
        with tree.session() as root:
            make_indexes_small(root["old"])
        with tree.session() as root:
            new = root["old"]
            self.assertEqual((type(new._entries), type(new.holds._keys)), (SmallOOBTree, SmallOOTreeSet))
            self.assertEqual(dict(new._entries), NAMES)
            self.assertEqual([(n, "held") for n in NAMES.values()], list(new.holds))
