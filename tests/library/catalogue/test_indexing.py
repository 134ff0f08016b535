"""The indexer beside writers, with other indexers, and with a library that is older than the catalogue."""

from functools import partial
from itertools import islice
from typing import Any

import transaction
from zope.component import getUtility

from librarian.library.catalogue.indexing import BATCH, Indexer, rebuild
from librarian.library.catalogue.model import CatalogueSubtree, keys_of
from librarian.library.operations import Library
from librarian.library.upkeep.checking import Check
from librarian.tree.interfaces import ITree
from tests.library.catalogue.test_lists import Shelf


class Indexing(Shelf):
    def setUp(self) -> None:
        super().setUp()
        self.tree: Any = getUtility(ITree)
        self.world.index()

    @property
    def changes(self) -> Any:
        return self.tree.subtree("library").changes

    @property
    def stored(self) -> CatalogueSubtree:
        found: CatalogueSubtree = self.tree.subtree("catalogue")
        return found

    def check(self) -> list[str]:
        return [f"{found.kind} {found.what}" for found in Check(Library())]

    def test_writers_and_the_indexer_do_not_conflict(self) -> None:
        """One that adds a file while the queues are emptied, and commits last."""
        self.add("bob", "first.txt")
        taken = []

        def meanwhile() -> None:
            taken.append(self.changes.note(7))
            if len(taken) == 1:
                with self.tree.apart():
                    Indexer().run()

        self.tree.run(meanwhile)
        self.assertEqual(len(taken), 1)
        self.assertEqual({change.alias_id for change in self.changes.first(9)}, {7})

    def test_uploads_do_not_keep_the_indexer_from_its_work(self) -> None:
        """Some are committed whenever it is in the middle of a batch, and fill and split the queues."""
        ids, takings = iter(range(1, 10_000)), []

        def note(number: int) -> None:
            for alias_id in islice(ids, number):
                self.changes.note(alias_id)

        class Disturbed(Indexer):
            def _take_in(self, alias_ids: list[int]) -> None:
                takings.append(len(alias_ids))
                if len(takings) < 4:
                    self._tree.run_independently(partial(note, 100))
                super()._take_in(alias_ids)

        self.tree.run(partial(note, 200))
        self.assertEqual(Disturbed().run(), 500)
        self.assertEqual(takings, [200, 100, 100, 100])
        self.assertEqual(len(self.changes), 0)

    def test_a_change_while_the_file_is_taken_in_is_not_lost(self) -> None:
        alias = self.add("bob", "first.txt")
        tried = []

        def meanwhile() -> None:
            tried.append(alias.delete())
            if len(tried) == 1:
                with self.tree.apart():
                    Indexer().run()

        self.tree.run(meanwhile)
        self.assertEqual(len(tried), 2)
        self.world.index()
        transaction.begin()
        entry = self.stored.entry(alias.id)
        self.assertIsNotNone(entry and entry.deleted)

    def test_nothing_is_written_where_nothing_is_to_do(self) -> None:
        self.add("bob", "first.txt")
        self.world.index()
        transaction.begin()
        before = self.tree._database.lastTransaction()
        self.world.index()
        self.assertEqual(self.tree._database.lastTransaction(), before)

    def test_one_indexer_works(self) -> None:
        self.add("bob", "first.txt")
        self.world.clock.move(seconds=5)
        first, second = Indexer("first"), Indexer("second")
        self.assertEqual((first.run(), second.run()), (1, 0))
        self.add("bob", "second.txt")
        self.assertEqual(first.run(), 1)
        self.add("bob", "third.txt")
        self.world.clock.move(seconds=5)  # the first was killed
        self.assertEqual(second.run(), 1)

    def test_a_library_without_a_catalogue_is_taken_in_in_batches(self) -> None:
        library = Library()
        alias = self.add("bob", "old.txt")
        number = BATCH + 3
        for _ in range(number):
            library.add_copy(library.alias(alias.id), "copy.txt")
        transaction.commit()
        self.world.index()
        everything = sorted(self.stored.keys)
        self.world.clock.move(seconds=5)
        self.assertEqual(rebuild(), number + 1)
        transaction.begin()
        self.assertEqual(sorted(self.stored.keys), everything)
        self.assertTrue(self.stored.indexing.complete)
        self.assertEqual(self.check(), [])

    def test_what_is_dropped_leaves_nothing(self) -> None:
        empty = len(self.stored.keys), len(self.stored.entries)
        alias = self.add("bob", "one two.txt", expires=self.world.clock.now())
        self.world.index()
        library = Library()
        library.subtree.drop(library.alias(alias.id))
        transaction.commit()
        self.world.index()
        transaction.begin()
        self.assertEqual((len(self.stored.keys), len(self.stored.entries)), empty)

    def test_fsck_finds_what_is_missing_and_what_is_too_much(self) -> None:
        one, other = self.add("bob", "one.txt"), self.add("bob", "two.txt")
        self.assertEqual(self.check(), [])  # what waits is no finding
        self.world.index()
        self.assertEqual(self.check(), [])
        self.stored.keys.remove(min(keys_of(one.id, self.stored.entry(one.id))))
        entry = self.stored.entry(other.id)
        assert entry is not None
        self.stored.keys.update(keys_of(other.id, entry._replace(filename="three.txt")))
        transaction.commit()
        found = self.check()
        self.assertIn(f"file not in all of its lists {one.id}", found)
        self.assertIn(f"key of a list that its file is not in {other.id}", found)
        del self.stored.entries[other.id]
        transaction.commit()
        self.assertIn(f"file not as the catalogue has it {other.id}", self.check())
        self.world.clock.move(seconds=5)
        rebuild()
        self.assertEqual(self.check(), [])
