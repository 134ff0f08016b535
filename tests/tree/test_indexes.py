"""BTrees with small buckets, and the step that brings an older database to them."""

import random
import tempfile
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import transaction
from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree, OOTreeSet
from persistent.mapping import PersistentMapping
from ZODB.POSException import ConflictError
from ZODB.utils import p64

from librarian.tree import indexes, retrying
from librarian.tree.indexes import SmallLOBTree, SmallOOBTree, SmallOOTreeSet, make_small
from librarian.tree.service import Tree

NUMBER = 5000  # entries: of buckets, and of nodes over them, there are several


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


def inner_nodes(tree: Any) -> Iterator[Any]:
    """A BTree, and the nodes between it and its buckets."""
    yield tree
    state = tree.__getstate__()
    for child in state[0] if state is not None and len(state) == 2 else ():
        if type(child).__name__.endswith(("Tree", "TreeSet")):
            yield from inner_nodes(child)


class InDatabase(unittest.TestCase):
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


class Small(InDatabase):
    def check(self) -> None:
        with self.tree.session() as root:
            holder = root["holder"]
            kinds = [type(getattr(holder, name)) for name in ("words", "numbers", "keys_", "none")]
            self.assertEqual(kinds, [SmallOOBTree, SmallLOBTree, SmallOOTreeSet, SmallOOTreeSet])
            self.assertEqual(list(holder.words.items()), [(b"%05d" % n, n) for n in range(NUMBER)])
            self.assertEqual(list(holder.numbers), list(range(NUMBER)))
            self.assertEqual((len(holder.keys_), len(holder.none)), (1000, 0))
            self.assertEqual([name for name in vars(holder) if name.startswith("_small")], [])
            self.assertEqual({type(node) for node in inner_nodes(holder.words)}, {SmallOOBTree})
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
        self.assertEqual(self._number_of_commits() - before, 4)
        self.small()
        self.check()

    def _number_of_commits(self) -> int:
        return sum(1 for _transaction in self.tree._database.storage.iterator())

    def test_little_is_written(self) -> None:
        """The buckets, which are nearly all of an index, are those of the older layout."""
        self.plant()
        size = self.path.stat().st_size
        self.small()
        self.assertLess(self.path.stat().st_size - size, size / 10)

    def test_large_nodes_become_small(self) -> None:
        """When entries are put into them: soon an insertion writes as little as in a new index."""
        self.plant()
        self.small()

        def put(keys: list[bytes]) -> None:
            self.tree.run(lambda: self.tree.root()["holder"].words.update(dict.fromkeys(keys, 1)))

        for begin in range(20):
            put([b"%05d+" % number for number in range(begin, NUMBER, 20)])
        size = self.path.stat().st_size
        for number in random.Random(1).sample(range(NUMBER), 100):
            put([b"%05d-" % number])
        self.assertLess((self.path.stat().st_size - size) / 100, 1000)

    def test_cut_off_anywhere(self) -> None:
        """Each index is small or as it was; the next run goes on."""
        self.plant()

        def one_and_no_more(manager: Any, work: Any) -> Any:
            retrying.in_transaction(manager, work)
            raise Cut

        with patch.object(indexes, "in_transaction", one_and_no_more), self.assertRaises(Cut):
            self.small()
        with self.tree.session() as root:
            holder = root["holder"]
            self.assertEqual([type(holder.words), type(holder.numbers)], [SmallOOBTree, LOBTree])
            self.assertEqual(len(holder.words), NUMBER)
        self.small()
        self.check()

    def test_beside_another_process_that_does_the_same(self) -> None:
        self.plant()
        take_place = indexes._take_place
        seen: list[str] = []

        def meet(connection: Any, oid: bytes, name: str) -> None:
            take_place(connection, oid, name)
            if len(seen) < 3:
                seen.append(name)
                with patch.object(indexes, "_take_place", take_place):
                    self.small()

        with patch.object(indexes, "_take_place", meet):
            self.small()
        self.check()

    def test_draft_of_an_earlier_form_of_the_step(self) -> None:
        self.plant()
        self.tree.run(
            lambda: setattr(self.tree.root()["holder"], "_small_words", SmallOOBTree({b"00001": 1}))
        )
        self.small()
        self.check()


Change = Callable[[Any], None]


def insert_one(index: Any) -> None:
    index[b"00000+"] = 0


def insert_many(index: Any) -> None:
    index.update({b"00000+%03d" % number: number for number in range(200)})


def delete_one(index: Any) -> None:
    for key in list(index.keys())[:1]:
        del index[key]


def delete_many(index: Any) -> None:
    for key in list(index.keys())[:-1]:
        del index[key]


def replace_one(index: Any) -> None:
    for key in list(index.keys())[-1:]:
        index[key] = -1


class BesideOlderWriters(InDatabase):
    """The step while others, which know the index as one of BTrees' own sizes, change it."""

    def plant_words(self, number: int) -> None:
        holder = PersistentMapping()
        holder.words = OOBTree({b"%05d" % each: each for each in range(number)})
        self.tree.run(lambda: self.tree.root().update(holder=holder))

    def words(self) -> Any:
        with self.tree.session() as root:
            words = root["holder"].words
            words._check()
            return dict(words), type(words)

    def combinations(self) -> Iterator[tuple[int, Change]]:
        """Numbers of entries: none, in the tree's own record, in buckets below it, in nodes below it."""
        for number in (0, 5, 200, NUMBER):
            for change in (insert_one, insert_many, delete_one, delete_many, replace_one):
                with self.subTest(number=number, change=change.__name__):
                    self.plant_words(number)
                    expected = {b"%05d" % each: each for each in range(number)}
                    sorted_tree = OOBTree(expected)
                    change(sorted_tree)
                    self.expected = dict(sorted_tree)
                    yield number, change

    def test_a_change_while_the_step_works(self) -> None:
        """It is committed after the step has read the index and before the step's own commit."""
        take_place = indexes._take_place
        for _number, change in self.combinations():
            changes = [change]

            def beside(connection: Any, oid: bytes, name: str, changes: list[Change] = changes) -> None:
                take_place(connection, oid, name)
                if changes:
                    self._change_beside(connection.db(), changes.pop())

            with patch.object(indexes, "_take_place", beside), self.tree.session() as root:
                make_small(root["holder"], ("words",))
            self.assertEqual(self.words(), (self.expected, SmallOOBTree))

    def _change_beside(self, database: Any, change: Change) -> None:
        manager = transaction.TransactionManager()
        connection = database.open(manager)
        change(connection.root()["holder"].words)
        self.assertIs(type(connection.root()["holder"].words), OOBTree)
        manager.commit()
        connection.close()

    def test_a_change_that_was_begun_before_the_step(self) -> None:
        """It meets a conflict when it is committed, or lands in the new index."""
        for _number, change in self.combinations():
            manager = transaction.TransactionManager()
            connection = self.tree._database.open(manager)
            words = connection.root()["holder"].words
            self.assertIs(type(words), OOBTree)
            change(words)
            with self.tree.session() as root:
                make_small(root["holder"], ("words",))
            try:
                manager.commit()
            except ConflictError:
                manager.abort()
                change(connection.root()["holder"].words)
                manager.commit()
            connection.close()
            self.assertEqual(self.words(), (self.expected, SmallOOBTree))
