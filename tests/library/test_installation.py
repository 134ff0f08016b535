"""The id that a tree and its bytes share: made once, by the first process that starts."""

import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

from ZODB.DB import DB
from ZODB.MappingStorage import MappingStorage
from zope.component import getUtility

from librarian.interfaces import IClock
from librarian.library.backup.interfaces import BackupDamaged, NotOurBackup
from librarian.library.backup.restoring import Restore
from librarian.library.backup.writing import Backup
from librarian.library.installation import installation_of, put_together, unite
from librarian.library.interfaces import CollectorRefuses, NotOneInstallation
from librarian.library.upkeep.garbage.collector import GarbageCollector
from librarian.store.disk.store import DiskStore
from librarian.store.memory import MemoryStore
from librarian.tree.service import Tree
from tests.support.documents.library import keep, library_in
from tests.support.layers import Functional


class WithAFolder(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="librarian-installation-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.clock = getUtility(IClock)

    def store(self, name: str = "bytes") -> DiskStore:
        return DiskStore(self.folder / name, self.clock)

    def tree(self) -> Tree:
        tree = Tree(DB(MappingStorage()))
        self.addCleanup(tree.close)
        tree.bring_up_to_date()
        return tree

    def id_of(self, tree: Tree) -> str | None:
        with tree.session():
            return installation_of(tree)


class Meeting(WithAFolder):
    def test_both_new(self) -> None:
        for store in (self.store(), MemoryStore(self.clock)):
            tree = self.tree()
            unite(tree, store)
            self.assertRegex(self.id_of(tree) or "", "^[0-9a-f]{32}$")
            self.assertEqual(store.installation(), self.id_of(tree))
            unite(tree, store)

    def test_killed_between_the_two(self) -> None:
        tree, store = self.tree(), self.store()
        store.join("0" * 32)
        unite(tree, store)
        self.assertEqual(self.id_of(tree), "0" * 32)

    def test_many_at_the_same_time(self) -> None:
        tree = self.tree()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: unite(tree, self.store()), range(8)))
        self.assertEqual(self.store().installation(), self.id_of(tree))

    def test_an_empty_tree_beside_bytes(self) -> None:
        for installation in (None, "0" * 32):
            store = MemoryStore(self.clock)
            store.put(BytesIO(b"data"))
            if installation:
                store.join(installation)
            tree = self.tree()
            with self.assertRaisesRegex(NotOneInstallation, "the tree names none"):
                unite(tree, store)
            self.assertEqual((self.id_of(tree), store.installation()), (None, installation))

    def test_the_id_of_another(self) -> None:
        tree, store = self.tree(), self.store()
        unite(tree, store)
        other = self.tree()
        unite(other, self.store("other"))
        with self.assertRaisesRegex(NotOneInstallation, "is of installation"):
            unite(other, store)

    def test_an_id_file_that_was_emptied(self) -> None:
        tree, store = self.tree(), self.store()
        unite(tree, store)
        (self.folder / "bytes" / "installation").write_text("")
        with self.assertRaises(NotOneInstallation):
            unite(tree, store)
        with tree.session():
            put_together(tree, store, anew=True)
        unite(tree, store)

    def test_the_id_is_none_of_the_noise(self) -> None:
        store = self.store()
        store.join("0" * 32)
        self.assertEqual(list(store.strays()), [])
        self.assertEqual(store.join("1" * 32), "0" * 32)
        self.assertEqual(store.join("1" * 32, anew=True), "1" * 32)


class FromOlderVersions(WithAFolder):
    """Both sides full, neither with an id, as before there were any."""

    def library(self, name: str, *files: bytes) -> None:
        with library_in(self.folder / name) as library:
            for data in files:
                keep(library, data)

            def forget() -> None:
                library.tree.subtree("installation").id = None

            library.tree.run(forget)
        (self.folder / name / "bytes" / "installation").unlink()

    def test_they_get_one(self) -> None:
        self.library("old", b"one", b"two")
        with library_in(self.folder / "old") as library, library.tree.session():
            self.assertEqual(library.store.installation(), installation_of(library.tree))

    def test_a_few_missing_files_are_no_obstacle(self) -> None:
        self.library("old", *(b"%d" % number for number in range(10)))
        held = [path for path in (self.folder / "old").rglob("*") if len(path.name) == 64]
        held[0].unlink()
        with library_in(self.folder / "old"):
            pass

    def test_the_wrong_two(self) -> None:
        self.library("old", b"one", b"two")
        self.library("other", b"three", b"four")
        (self.folder / "other" / "bytes").rename(self.folder / "mixed")
        (self.folder / "old" / "bytes").rename(self.folder / "gone")
        (self.folder / "mixed").rename(self.folder / "old" / "bytes")
        with self.assertRaisesRegex(NotOneInstallation, "holds 0"), library_in(self.folder / "old"):
            pass


class Elsewhere(WithAFolder):
    def test_the_collector_looks_again(self) -> None:
        with library_in(self.folder) as library:
            keep(library, b"data")
            library.store.join("0" * 32, anew=True)  # as when another volume is mounted over it
            with self.assertRaisesRegex(CollectorRefuses, "installation"):
                GarbageCollector(library).run()

    def test_backup_and_restore_keep_it(self) -> None:
        with library_in(self.folder / "site") as library:
            keep(library, b"data")
            Backup(library, self.folder / "backup").run()
            ours = library.store.installation()
        Restore(self.folder / "backup").run(self.folder / "to", self.clock)
        with library_in(self.folder / "to") as library, library.tree.session():
            self.assertEqual((library.store.installation(), installation_of(library.tree)), (ours, ours))

    def test_a_backup_of_bytes_of_another(self) -> None:
        with library_in(self.folder / "site") as library:
            keep(library, b"data")
            self.store("backup/bytes").join("0" * 32)
            with self.assertRaises(NotOurBackup):
                Backup(library, self.folder / "backup").run()
            self.store("backup/bytes").join(library.store.installation() or "", anew=True)
            Backup(library, self.folder / "backup").run()
        self.store("backup/bytes").join("0" * 32, anew=True)
        with self.assertRaises(BackupDamaged):
            Restore(self.folder / "backup").run(self.folder / "to", self.clock)
