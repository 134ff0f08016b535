"""BTrees with small buckets, and the step that brings an older database to them."""

import random
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest.mock import patch

import transaction
from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree, OOTreeSet
from persistent.mapping import PersistentMapping
from ZODB.utils import p64

from librarian.tree import indexes, retrying
from librarian.tree.indexes import SmallLOBTree, SmallOOBTree, SmallOOTreeSet, make_small
from librarian.tree.service import Tree

NUMBER = 2500  # entries: two batches and a half


class Cut(Exception):
    """The process ends here."""


class Holder(PersistentMapping):
    """A subtree with indexes of BTrees' own sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.words = OOBTree({b"%05d" % number: number for number in range(NUMBER)})
        self.numbers = LOBTree({number: PersistentMapping() for number in range(NUMBER)})
        self.keys_ = OOTreeSet(b"%05d" % number for number in range(1000))
        self.none = OOTreeSet()


class Small(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="librarian-indexes-")
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "Data.fs"
        self.tree = Tree.from_uri(f"file://{self.path}")
        self.addCleanup(self.tree.close)
        self.addCleanup(transaction.abort)

    def plant(self) -> None:
        self.tree.run(lambda: self.tree.root().update(holder=Holder()))

    def small(self) -> None:
        with self.tree.session() as root:
            make_small(root["holder"], ("words", "numbers", "keys_", "none"))

    def check(self) -> None:
        with self.tree.session() as root:
            holder = root["holder"]
            kinds = [type(getattr(holder, name)) for name in ("words", "numbers", "keys_", "none")]
            self.assertEqual(kinds, [SmallOOBTree, SmallLOBTree, SmallOOTreeSet, SmallOOTreeSet])
            self.assertEqual(list(holder.words.items()), [(b"%05d" % n, n) for n in range(NUMBER)])
            self.assertEqual(list(holder.numbers), list(range(NUMBER)))
            self.assertEqual((len(holder.keys_), len(holder.none)), (1000, 0))
            self.assertEqual([name for name in vars(holder) if name.startswith("_small")], [])
            for name in ("words", "numbers", "keys_", "none"):
                getattr(holder, name)._check()

    def test_buckets(self) -> None:
        """They stay small, and are of BTrees' own class."""

        def fill() -> None:
            words = self.tree.root()["words"] = SmallOOBTree()
            for number in random.Random(1).sample(range(10_000), 1000):
                words[p64(number)] = number

        self.tree.run(fill)
        with self.tree.session() as root:
            bucket, sizes = root["words"]._firstbucket, []
            while bucket is not None:
                self.assertEqual(type(bucket).__module__, "BTrees.OOBTree")
                sizes.append(len(bucket))
                bucket = bucket._next
            self.assertLessEqual(max(sizes), indexes.LEAF + 1)
            self.assertEqual(sum(sizes), 1000)

    def test_step(self) -> None:
        self.plant()
        before = self._number_of_commits()
        self.small()
        self.check()
        # 2500, 2500, 1000 and no entries, 1000 a transaction: after a full one another is looked for
        self.assertEqual(self._number_of_commits() - before, 3 + 3 + 2 + 1)
        self.small()
        self.check()

    def _number_of_commits(self) -> int:
        return sum(1 for _transaction in self.tree._database.storage.iterator())

    def test_cut_off_anywhere(self) -> None:
        """The next run goes on; what is in the database is whole after each commit."""
        self.plant()
        runs = 0

        def one_and_no_more(manager: Any, work: Any) -> Any:
            nonlocal runs
            runs += 1
            retrying.in_transaction(manager, work)
            raise Cut

        with patch.object(indexes, "in_transaction", one_and_no_more):
            for _attempt in range(9):
                with self.assertRaises(Cut):
                    self.small()
                with self.tree.session() as root:
                    self.assertEqual(len(root["holder"].words), NUMBER)
        self.assertEqual(runs, 9)
        self.small()
        self.check()

    def test_beside_another_process_that_does_the_same(self) -> None:
        self.plant()
        copy_some = indexes._copy_some
        seen: list[str] = []

        def meet(subtree: Any, name: str) -> bool:
            done = copy_some(subtree, name)
            if len(seen) < 3:
                seen.append(name)
                with patch.object(indexes, "_copy_some", copy_some):
                    self.small()
            return done

        with patch.object(indexes, "_copy_some", meet):
            self.small()
        self.check()
