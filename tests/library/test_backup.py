"""Backups: made while others write, cut off, damaged, brought back and compared."""

import json
import random
import tempfile
import unittest
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from threading import Event, Thread
from typing import Any

from librarian.library.backup.interfaces import BackupDamaged, NoBackup, NotEmpty, NotOurBackup
from librarian.library.backup.manifests import Manifest
from librarian.library.backup.restoring import Restore
from librarian.library.backup.writing import Backup
from librarian.library.operations import Library
from librarian.library.upkeep.checking import Check
from librarian.library.upkeep.garbage.collector import GarbageCollector
from librarian.library.upkeep.interfaces import UpkeepBusy
from librarian.library.upkeep.leases import LEASE, HeldLease, leased
from tests.support.documents.library import keep, library_in
from tests.support.layers import Functional


class BackingUp(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        Functional.world.end()  # this thread's tree is the one in the folder
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.library = self.enterContext(library_in(self.folder / "site"))
        self.clock = Functional.world.clock
        self.to = self.folder / "backup"

    def backup(self, **options: Any) -> Manifest:
        return Backup(self.library, self.to, **options).run()

    def restored(self, name: str = "") -> Path:
        """A backup brought back into a new folder."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        self.assertEqual(Restore(self.to, name).run(folder, self.clock).damaged, [])
        return folder

    def described(self, library: Library) -> dict[int, tuple[str, int]]:
        """Digest and size of the file of each alias, from its bytes."""
        found = {}
        with library.tree.session():
            for alias_id, record in library.subtree.aliases.items():
                if record.content is not None:
                    found[alias_id] = (record.content.sha256, library.store.verify(record.content.sha256))
        return found

    def compare(self, folder: Path) -> dict[int, tuple[str, int]]:
        """Everything in a restored library, after fsck has nothing to say of it."""
        with library_in(folder) as library:
            self.assertEqual(GarbageCollector(library).run(("bytes",)).skipped, {})
            self.assertEqual(list(Check(library)), [])
            return self.described(library)


class Copies(BackingUp):
    def test_the_same_comes_back(self) -> None:
        for number in range(20):
            keep(self.library, b"%d" % (number % 7) * 1000)
        manifest = self.backup()
        self.assertEqual((manifest.contents, manifest.copied, manifest.damaged), (7, 7, []))
        self.assertEqual(self.compare(self.restored()), self.described(self.library))

    def test_the_second_copies_what_is_new(self) -> None:
        keep(self.library, b"one")
        first = self.backup()
        data = (self.to / "tree" / "Data.fs").read_bytes()
        keep(self.library, b"two")
        self.clock.move(hours=1)
        second = self.backup()
        self.assertEqual((second.contents, second.copied), (2, 1))
        self.assertTrue((self.to / "tree" / "Data.fs").read_bytes().startswith(data))
        self.assertEqual(len(self.compare(self.restored())), 2)
        older = min(path.stem for path in (self.to / "manifests").iterdir())
        self.assertEqual(Restore(self.to, older).manifest, first)
        self.assertEqual(len(self.compare(self.restored(older))), 1)

    def test_two_in_one_second_are_two(self) -> None:
        kept = [keep(self.library, b"first", "a.txt")]
        self.backup()
        kept.append(keep(self.library, b"second", "b.txt"))
        self.backup()
        first, second = sorted(path.stem for path in (self.to / "manifests").iterdir())
        self.assertEqual(second, f"{first}_2")
        self.assertEqual([len(self.compare(self.restored(name))) for name in (first, second)], [1, 2])

    def test_after_a_pack(self) -> None:
        ids = [keep(self.library, b"%d" % number) for number in range(5)]
        self.backup()
        self.library.tree.run(lambda: self.library.subtree.drop(self.library.alias(ids[0])))
        self.library.tree.pack(0)
        keep(self.library, b"after")
        self.backup()
        self.assertEqual(self.compare(self.restored()), self.described(self.library))

    def test_while_others_write_and_collect(self) -> None:
        known: dict[int, bytes] = {}
        stop, enough = Event(), Event()

        def write(seed: int) -> None:
            noise = random.Random(seed)
            while not stop.wait(0.02):
                data = noise.randbytes(noise.randrange(1, 20000))
                known[keep(self.library, data)] = data
                if len(known) >= 40:
                    enough.set()

        def collect() -> None:
            while not stop.wait(0.1):
                GarbageCollector(self.library).run()

        threads = [Thread(target=write, args=(seed,)) for seed in range(3)] + [Thread(target=collect)]
        for thread in threads:
            thread.start()
        try:
            snapshots: list[tuple[set[int], Manifest]] = []
            self.assertTrue(enough.wait(60))
            while len(snapshots) < 2:
                before = set(known)
                try:
                    manifest = self.backup()
                except UpkeepBusy:  # the sweep is at work just now
                    continue
                snapshots.append((before, manifest))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertTrue(snapshots)
        before, manifest = snapshots[-1]
        found = self.compare(self.restored())
        self.assertLessEqual(before, set(found))
        self.assertEqual(manifest.damaged, [])
        now = self.described(self.library)
        self.assertEqual(found, {alias_id: now[alias_id] for alias_id in found})

    def test_cut_off(self) -> None:
        for number in range(10):
            keep(self.library, b"%d" % number)
        first = self.backup()
        keep(self.library, b"more")

        def cut(done: int) -> None:
            raise KeyboardInterrupt

        self.clock.move(hours=1)
        with self.assertRaises(KeyboardInterrupt):
            self.backup(progress=cut)
        self.assertEqual(Restore(self.to).manifest, first)
        self.assertEqual(len(self.compare(self.restored())), 10)
        self.assertEqual(self.backup().contents, 11)

    def test_damage_in_the_library_is_named(self) -> None:
        keep(self.library, b"whole")
        alias_id = keep(self.library, b"damaged")
        with self.library.tree.session():
            sha256 = self.library.alias(alias_id).content.sha256  # type: ignore[union-attr]
        path = self.folder / "site" / "bytes" / sha256[:2] / sha256[2:4] / sha256
        path.write_bytes(b"DAMAGED")
        manifest = self.backup()
        self.assertEqual((manifest.contents, manifest.damaged), (1, [sha256]))

    def test_damage_in_the_backup(self) -> None:
        keep(self.library, b"data")
        self.backup()
        [path] = [path for path in (self.to / "bytes").rglob("*") if len(path.name) == 64]
        path.write_bytes(b"DATA")
        self.assertEqual(Restore(self.to).run(self.folder / "a", self.clock).damaged, [path.name])
        self.assertEqual(self.backup().copied, 0)  # its size is right
        self.assertEqual(self.backup(verify=True).copied, 1)
        self.assertEqual(path.read_bytes(), b"data")

    def test_damage_in_the_copy_of_the_tree(self) -> None:
        keep(self.library, b"data")
        self.backup()
        path = self.to / "tree" / "Data.fs"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        with self.assertRaises(BackupDamaged):
            Restore(self.to).run(self.folder / "a", self.clock)

    def test_refusals(self) -> None:
        keep(self.library, b"data")
        with self.assertRaises(NoBackup):
            Restore(self.folder)
        self.backup()
        with self.assertRaises(NotEmpty):
            Restore(self.to).run(self.folder / "site", self.clock)
        with library_in(self.folder / "other") as other, self.assertRaises(NotOurBackup):
            Backup(other, self.to).run()
        manifest = json.loads((self.to / "manifest.json").read_text())
        (self.to / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))
        with self.assertRaises(NoBackup):
            Restore(self.to)

    def test_a_tree_that_was_set_back(self) -> None:
        keep(self.library, b"data")
        self.backup()
        old = self.restored()
        keep(self.library, b"more")
        self.clock.move(hours=1)
        self.backup()
        with library_in(old) as library:
            keep(library, b"instead")
        with library_in(old) as library, self.assertRaises(NotOurBackup):
            Backup(library, self.to).run()


class Leases(BackingUp):
    def stray(self) -> str:
        sha256 = self.library.store.put(BytesIO(b"stray")).sha256
        self.clock.move(days=1, hours=1)
        return sha256

    def test_no_sweep_during_a_backup(self) -> None:
        keep(self.library, b"data")
        sha256 = self.stray()
        with leased(self.library.tree, self.clock, "backup"):
            report = GarbageCollector(self.library).run()
        self.assertIn("a backup has been running since", report.skipped["bytes"])
        self.assertIn(sha256, self.library.store)
        self.assertEqual(GarbageCollector(self.library).run().skipped, {})
        self.assertNotIn(sha256, self.library.store)

    def test_no_backup_during_a_sweep(self) -> None:
        with leased(self.library.tree, self.clock, "sweep"), self.assertRaises(UpkeepBusy):
            self.backup()

    def test_a_dead_process_is_not_waited_for_long(self) -> None:
        HeldLease(self.library.tree, self.clock, "backup").renew()  # and never released
        self.clock.move(seconds=LEASE.total_seconds() - 1)
        self.assertIn("bytes", GarbageCollector(self.library).run().skipped)
        self.clock.move(seconds=2)
        self.assertEqual(GarbageCollector(self.library).run().skipped, {})

    def test_a_lease_that_was_lost_is_noticed(self) -> None:
        with leased(self.library.tree, self.clock, "sweep") as lease:
            self.clock.move(seconds=(LEASE + timedelta(seconds=1)).total_seconds())
            with leased(self.library.tree, self.clock, "backup"), self.assertRaises(UpkeepBusy):
                lease.renew()
            lease.renew()
