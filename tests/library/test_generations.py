"""Naming beside sweeps on an object store whose DELETEs land late: the application's tree, a scripted store.

`tests.store.s3.test_model` searches through all orders of events; the code goes through dangerous ones here.
"""

import tempfile
import unittest
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import transaction

from librarian.library.generations import Generations, store_and_name
from librarian.library.installation import put_together
from librarian.library.model.subtree import LibrarySubtree
from librarian.library.operations import Library
from librarian.library.upkeep.checking import Check
from librarian.library.upkeep.garbage.collector import GarbageCollector
from librarian.store.interfaces import BytesRetired, StoredBytes
from tests.support.layers import Functional
from tests.support.object_store import MemoryS3, memory_s3_store

DATA = b"A rose is a rose."


class ObjectStoreTestCase(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.s3, self.clock, self.tree = MemoryS3(), Functional.world.clock, Functional.world.tree
        self.generations = Generations()
        self.library = Library()
        self.store: Any = memory_s3_store(self.s3, Path(folder.name), self.clock, self.generations)
        self.library.store = self.store

    def put(self, data: bytes = DATA) -> StoredBytes:
        stored: StoredBytes = self.store.put(BytesIO(data))
        return stored

    def add(self, stored: StoredBytes) -> int:
        return self.library.add(stored, "rose.txt", "text/plain").id

    def name(self, stored: StoredBytes) -> int:
        found: int = self.tree.run_together(lambda: self.add(stored))
        transaction.begin()
        return found

    def upload(self, data: bytes = DATA) -> int:
        found = store_and_name(self.tree.run_together, lambda: self.put(data), self.add)
        transaction.begin()
        return found

    def keys(self) -> list[str]:
        """The objects that hold bytes, as generations."""
        return sorted(key.rpartition(".")[2] for key in self.s3.objects if key.startswith("files/bytes/"))

    def read(self, alias_id: int) -> bytes:
        with self.library.open(self.library.alias(alias_id)) as file:
            return file.read()


class Calls(ObjectStoreTestCase):
    def test_what_no_file_has_is_sent_without_a_question(self) -> None:
        self.upload()
        self.assertEqual([operation for operation, _key in self.s3.calls], ["put_object"])
        self.s3.calls.clear()
        self.upload()
        self.assertNotIn("put_object", [operation for operation, _key in self.s3.calls])


class Interleavings(ObjectStoreTestCase):
    def test_swept_between_storing_and_naming(self) -> None:
        stored = self.put()
        self.assertTrue(self.store.remove(stored.sha256))
        transaction.begin()
        with self.assertRaises(BytesRetired):
            self.add(stored)
        transaction.abort()
        turns = iter([stored])
        alias_id = store_and_name(self.tree.run_together, lambda: next(turns, None) or self.put(), self.add)
        transaction.begin()
        self.assertEqual(DATA, self.read(alias_id))
        self.assertEqual(["1"], self.keys())

    def test_a_delete_that_lands_after_the_bytes_came_again(self) -> None:
        self.s3.delays_deletes = True
        self.store.remove(self.put().sha256)
        alias_id = self.upload()
        self.assertEqual(["0", "1"], self.keys())
        self.s3.land()
        self.assertEqual(DATA, self.read(alias_id))
        self.assertEqual(["1"], self.keys())

    def test_a_head_that_shows_what_is_gone(self) -> None:
        stored = self.put()
        kept = dict(self.s3.objects)
        self.store.remove(stored.sha256)
        self.s3.objects |= kept  # as a stale replica would answer
        self.assertEqual(1, self.put().generation)

    def test_what_is_named_is_not_removed(self) -> None:
        alias_id = self.upload()
        self.assertFalse(self.store.remove(self.put().sha256))
        self.assertEqual([], self.s3.named("delete_object", "delete_objects"))
        self.assertEqual(DATA, self.read(alias_id))

    def test_a_sweep_in_the_middle_of_a_naming(self) -> None:
        for generation in (0, 1):
            with self.subTest(generation=generation):
                stored = self.put()
                self.assertEqual(generation, stored.generation)
                self.assertEqual(2, self.attempts(stored, partial(self.store.remove, stored.sha256)))
                self.assertEqual([], self.keys())

    def test_damage_found_in_the_middle_of_a_naming(self) -> None:
        self.upload()
        stored = self.put()
        self.assertEqual(2, self.attempts(stored, lambda: self.generations.condemn(stored.sha256, 0)))
        self.assertEqual(1, self.put().generation)

    def test_a_naming_that_does_not_write_its_entry_loses(self) -> None:
        """So the two before prove something."""
        stored = self.put()
        with patch.object(LibrarySubtree, "_require_generation", lambda *args, **options: None):
            self.assertEqual(1, self.attempts(stored, lambda: self.store.remove(stored.sha256)))
        self.assertEqual([], self.keys())

    def attempts(self, stored: StoredBytes, meanwhile: Any) -> int:
        """How often naming is tried when `meanwhile` comes between its reading and its commit."""
        tried = 0

        def work() -> Any:
            nonlocal tried
            tried += 1
            try:
                self.add(stored)
            except BytesRetired:
                return None
            if tried == 1:
                meanwhile()
            return None

        self.tree.run_independently(work)
        transaction.begin()
        return tried

    def test_damaged_bytes_are_healed_under_the_next_generation(self) -> None:
        alias_id = self.upload()
        sha256 = self.put().sha256
        (key,) = (key for key in self.s3.objects if key.startswith("files/bytes/"))
        self.s3.objects[key].data = b"A nose is a nose."
        self.assertTrue(self.store.quarantine(sha256))
        self.assertEqual([sha256], list(self.store.quarantined()))
        self.upload()
        self.assertEqual(DATA, self.read(alias_id))
        self.assertEqual(["1"], self.keys())
        self.assertEqual([], list(self.store.quarantined()))


class InTheTree(ObjectStoreTestCase):
    def test_only_what_was_swept_once_is_remembered(self) -> None:
        for generation in (0, 1):
            stored = self.put()
            self.name(stored)
            subtree, key = self.library.subtree, bytes.fromhex(stored.sha256)
            subtree.drop_content(subtree.contents[key])
            transaction.commit()
            self.assertEqual(generation, subtree.generation_of(key))
            self.assertEqual(bool(generation), key in (subtree.generations or {}))
            self.store.remove(stored.sha256)
            transaction.begin()

    def test_a_disk_store_makes_no_entry(self) -> None:
        self.library.store = Functional.world.store
        self.store = self.library.store
        self.upload()
        self.assertIsNone(self.library.subtree.generations)

    def test_the_collector(self) -> None:
        put_together(self.tree, self.store)
        alias_id = self.upload()
        swept, leftover = self.put(b"Nobody names this."), f"files/bytes/{'0' * 64}.0"
        self.tree.run(lambda: self.library.subtree.retire(bytes(32)))
        self.s3.objects[leftover] = self.s3.objects["files/installation"]
        self.s3.uploads["cut off"] = (f"files/bytes/{'1' * 64}.0", {}, {})
        self.clock.move(days=2)
        report = GarbageCollector(self.library).run(("bytes",))
        self.assertEqual({"bytes": {"swept": 1}}, report.done)
        self.assertNotIn(swept.sha256, self.store)
        self.assertNotIn(leftover, self.s3.objects)
        self.assertEqual({}, self.s3.uploads)
        self.assertEqual(DATA, self.read(alias_id))
        self.assertEqual([], [str(finding) for finding in Check(self.library)])

    def test_young_bytes_are_left(self) -> None:
        put_together(self.tree, self.store)
        self.put()
        self.clock.move(days=2)
        self.put()  # renews the age
        self.clock.move(hours=23)
        GarbageCollector(self.library).run(("bytes",), trust_empty_tree=True)
        self.assertEqual(["0"], self.keys())
        self.clock.move(days=1)
        GarbageCollector(self.library).run(("bytes",), trust_empty_tree=True)
        self.assertEqual([], self.keys())
