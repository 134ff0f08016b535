"""Backups after one that was killed, or whose copy a power cut or a bad disk has torn; and their proof."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

from ZODB.FileStorage import FileStorage

from librarian import durable
from librarian.library.backup.interfaces import BackupDamaged
from librarian.library.backup.manifests import Manifest, read_manifest
from librarian.library.backup.restoring import CheckBackup, Restore
from librarian.library.backup.writing import Backup
from librarian.library.upkeep.checking import Check
from librarian.store.disk import many
from librarian.tree import copying
from librarian.tree.interfaces import CannotCopy
from tests.library.test_backup import BackingUp
from tests.support.documents.library import keep


def die() -> NoReturn:
    """As kill -9 does."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("alive")


class Torn(BackingUp):
    """A backup, and after it two commits, the second of which a killed backup was just copying."""

    def setUp(self) -> None:
        super().setUp()
        for number in range(3):
            keep(self.library, b"%d" % number)
        self.first = self.backup()
        self.data = self.to / "tree" / "Data.fs"
        self.index = self.data.with_name("Data.fs.index")
        keep(self.library, b"more")
        keep(self.library, b"last")
        self.clock.move(hours=1)

    def whole_tail(self) -> bytes:
        """What a backup that is not killed appends to the copy."""
        trial = self.folder / "trial"
        shutil.copytree(self.to, trial)
        Backup(self.library, trial).run()
        return (trial / "tree" / "Data.fs").read_bytes()[self.first.tree_size :]

    def tear(self, tail: bytes) -> None:
        """Leave the copy as a backup does that is killed after writing `tail`."""
        with self.data.open("r+b") as file:
            file.truncate(self.first.tree_size)
            file.seek(0, os.SEEK_END)
            file.write(tail)

    def sound(self) -> None:
        """The next backup has everything, and the one after it as well."""
        self.clock.move(hours=1)
        self.backup()
        self.assertEqual(self.compare(self.restored()), self.described(self.library))
        keep(self.library, os.urandom(5))
        self.clock.move(hours=1)
        self.backup()
        self.assertEqual(self.compare(self.restored()), self.described(self.library))


class AfterAKill(Torn):
    def states(self) -> Iterator[bytes]:
        tail = self.whole_tail()
        for cut in (10, len(tail) // 4, len(tail) // 2, len(tail) * 3 // 4, len(tail) - 9, len(tail)):
            yield tail[:cut]
        yield tail[: len(tail) // 2] + bytes(512)

    def test_what_was_committed_is_in_the_next(self) -> None:
        for tail in self.states():
            with self.subTest(bytes=len(tail)):
                self.tear(tail)
                self.sound()

    def test_more_is_committed_before_the_next(self) -> None:
        tail = self.whole_tail()
        for cut in (len(tail) // 3, len(tail) - 20):
            with self.subTest(bytes=cut):
                self.tear(tail[:cut])
                keep(self.library, b"between %d" % cut)
                self.sound()

    def test_zeros_where_the_last_transaction_was(self) -> None:
        self.tear(bytes(len(self.whole_tail())))
        self.sound()

    def test_an_index_of_another_state_is_not_believed(self) -> None:
        tail = self.whole_tail()
        self.tear(tail)
        FileStorage(str(self.data)).close()  # saves one that knows all of it
        self.assertTrue(self.index.exists())
        self.tear(tail[:-50])
        self.sound()

    def test_killed_between_the_two_names_of_a_manifest(self) -> None:
        older = (self.to / "manifest.json").read_bytes()
        self.backup()
        (self.to / "manifest.json").write_bytes(older)
        keep(self.library, b"and more")
        self.library.tree.pack(0)  # what would be copied anew would not be the same bytes
        self.sound()
        for path in (self.to / "manifests").iterdir():
            self.restored(path.stem)

    def test_killed_before_the_first_manifest(self) -> None:
        shutil.rmtree(self.to / "manifests")
        (self.to / "manifest.json").unlink()
        self.tear(b"half")
        self.sound()


class KilledWhileItCopiesBytes(BackingUp):
    def killed(self) -> None:
        """A backup of 25 contents in a child that dies when it has named 10, and written 10 more."""
        child = os.fork()
        if child == 0:
            try:
                turns = iter((True,))
                with (
                    mock.patch.object(many, "BATCH_FILES", 10),
                    mock.patch.object(
                        durable, "sync_file_system", lambda _folder: next(turns, None) or die()
                    ),
                ):
                    self.backup()
            finally:
                os._exit(1)
        status = os.waitpid(child, 0)[1]
        self.assertTrue(os.WIFSIGNALED(status))

    def test_the_next_has_all_and_the_one_before_is_as_it_was(self) -> None:
        keep(self.library, b"first")
        before = self.backup()
        for number in range(25):
            keep(self.library, b"%d" % number)
        self.clock.move(hours=1)
        self.killed()
        self.assertEqual(read_manifest(self.to), before)
        self.assertEqual(len(self.compare(self.restored())), 1)
        self.assertEqual(len(list((self.to / "bytes" / "incoming").iterdir())), 10)
        manifest = self.backup()
        self.assertEqual((manifest.contents, manifest.copied), (26, 15))
        self.assertEqual(list((self.to / "bytes" / "incoming").iterdir()), [])
        self.assertEqual(self.compare(self.restored()), self.described(self.library))


class Damaged(Torn):
    def test_a_copy_that_is_not_what_its_manifest_says_is_left_and_another_begun(self) -> None:
        for spoil in (self.flip, self.shorten, self.remove):
            with self.subTest(spoil=spoil.__name__):
                spoil()
                before = self.data.read_bytes() if self.data.exists() else None
                with self.assertLogs("librarian.library.backup.tree_copy", "ERROR") as logged:
                    self.sound()
                self.assertIn("Data", logged.output[0])
                if before is not None:
                    self.assertEqual(self.data.read_bytes(), before)
                self.data = self.to / "tree" / read_manifest(self.to).copy
                self.first = read_manifest(self.to)

    def flip(self) -> None:
        data = bytearray(self.data.read_bytes())
        data[len(data) // 3] ^= 1
        self.data.write_bytes(data)

    def remove(self) -> None:
        self.data.unlink()

    def shorten(self) -> None:
        os.truncate(self.data, self.first.tree_size - 100)

    def test_a_copy_by_a_version_that_proved_nothing_is_not_appended_to(self) -> None:
        for path in (self.to / "manifest.json", *(self.to / "manifests").iterdir()):
            facts = json.loads(path.read_text())
            for new in ("copy", "mark", "proven"):
                del facts[new]
            path.write_text(json.dumps(facts))
        old = read_manifest(self.to)
        self.assertFalse(old.proven)
        name = min(path.stem for path in (self.to / "manifests").iterdir())
        self.sound()
        self.assertNotEqual(read_manifest(self.to).copy, old.copy)
        self.assertEqual(len(self.compare(self.restored(name))), 3)


class Proof(Torn):
    def test_a_transaction_that_did_not_reach_the_copy_is_noticed(self) -> None:
        def forgetful(transactions: Any, target: Any, told: Any, seen: Any) -> int:
            return append(islice(transactions, 1), target, told, seen)

        append = copying._append
        with mock.patch.object(copying, "_append", forgetful), self.assertRaises(CannotCopy):
            self.backup()
        self.assertEqual(read_manifest(self.to), self.first)
        self.sound()

    def test_bytes_that_differ_on_the_disk_are_noticed(self) -> None:
        def spoiling(*arguments: Any) -> int:
            number = append(*arguments)
            with self.data.open("r+b") as file:
                file.seek(self.first.tree_size + 200)
                file.write(b"\xff\xff\xff")
            return number

        append = copying._append
        with mock.patch.object(copying, "_append", spoiling), self.assertRaises(CannotCopy):
            self.backup()
        self.sound()

    def test_contents_that_vanish_from_the_backup_are_noticed_by_its_check(self) -> None:
        self.backup()
        self.assertEqual(list(CheckBackup(self.to)), [])
        [path, *_others] = [path for path in (self.to / "bytes").rglob("*") if len(path.name) == 64]
        path.write_bytes(b"something else")
        [finding] = CheckBackup(self.to)
        self.assertEqual((finding.kind, finding.what), ("size differs", path.name))
        path.unlink()
        [finding] = CheckBackup(self.to)
        self.assertEqual((finding.kind, finding.what), ("bytes missing", path.name))

    def rewrite(self, **facts: Any) -> Manifest:
        path = self.to / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))
        return read_manifest(self.to)

    def test_restore_compares_with_the_manifest(self) -> None:
        self.backup()
        cases: list[dict[str, Any]] = [
            {"last_transaction": "00" * 8},
            {"contents": 77},
            {"contents_sha256": "00" * 32},
            {"tree_sha256": "00" * 32},
        ]
        for number, facts in enumerate(cases):
            with self.subTest(**facts):
                good = (self.to / "manifest.json").read_bytes()
                self.rewrite(**facts)
                with self.assertRaises(BackupDamaged):
                    Restore(self.to).run(self.folder / f"to{number}", self.clock)
                self.assertEqual([found.severity for found in CheckBackup(self.to)][:1], ["error"])
                (self.to / "manifest.json").write_bytes(good)

    def test_a_check_of_a_copy_looks_at_the_trees_own_indexes(self) -> None:
        def spoil() -> None:
            subtree = self.library.subtree
            subtree.by_sha1.remove(next(iter(subtree.by_sha1)))

        self.library.tree.run(spoil)
        self.backup()
        self.assertEqual([found.kind for found in CheckBackup(self.to)], ["content not found by its SHA-1"])
        self.assertEqual([found.kind for found in Check(self.library)], ["content not found by its SHA-1"])


class Durable(BackingUp):
    """Strict POSIX: a new name lasts only when its folder was synced."""

    def synced(self, work: Any) -> set[Path]:
        found = set[Path]()
        fsync = os.fsync

        def noted(file: int) -> None:
            found.add(Path(f"/proc/self/fd/{file}").readlink())
            fsync(file)

        with mock.patch("os.fsync", noted):
            work()
        return found

    def test_every_folder_that_got_a_name(self) -> None:
        keep(self.library, b"data")
        self.to = self.folder / "a" / "b" / "backup"
        found = self.synced(self.backup)
        for folder in (self.folder, self.to.parent.parent, self.to.parent, self.to, self.to / "tree"):
            self.assertIn(folder, found)
        self.assertIn(self.to / "manifests", found)

    def test_many_files_are_synced_at_once(self) -> None:
        for number in range(50):
            keep(self.library, b"%d" % number)
        syncs = []

        def sync(folder: int) -> bool:
            syncs.append(Path(f"/proc/self/fd/{folder}").readlink())
            return True

        with mock.patch.object(durable, "sync_file_system", sync):
            found = self.synced(self.backup)
            self.assertEqual(syncs, [self.to / "bytes"] * 2)  # the bytes, then their names
            found |= self.synced(lambda: Restore(self.to).run(self.folder / "to", self.clock))
        self.assertEqual(syncs[2:], [self.folder / "to" / "bytes"] * 2)
        alone = {path.name for path in found if path.parent.parent.name == "bytes"}
        self.assertEqual({len(name) for name in alone}, {32})  # no leaf; the ids of the installation only
        self.assertEqual(len(alone), 2)

    def test_folders_that_a_killed_backup_made(self) -> None:
        self.to = self.folder / "a" / "b" / "backup"
        self.to.mkdir(parents=True)
        found = self.synced(self.backup)
        self.assertLessEqual({self.folder, self.folder / "a", self.folder / "a" / "b"}, found)

    def test_restore(self) -> None:
        keep(self.library, b"data")
        self.backup()
        to = self.folder / "c" / "to"
        found = self.synced(lambda: Restore(self.to).run(to, self.clock))
        names = {str(path).removesuffix("/tree.unfinished") for path in found}
        self.assertLessEqual({str(self.folder), str(to.parent), str(to)}, names)
        self.assertTrue({to / "tree", to / "tree.unfinished"} & found)

    def test_a_restore_that_is_cut_off_leaves_no_tree_to_start_with(self) -> None:
        keep(self.library, b"data")
        self.backup()

        def cut(done: int) -> None:
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            Restore(self.to, "", cut).run(self.folder / "to", self.clock)
        self.assertFalse((self.folder / "to" / "tree" / "Data.fs").exists())

    def test_the_copies_are_private(self) -> None:
        before = os.umask(0o022)
        self.addCleanup(os.umask, before)
        keep(self.library, b"data")
        self.backup()
        Restore(self.to).run(self.folder / "to", self.clock)
        for top in (self.to, self.folder / "to"):
            for path in (top, *top.rglob("*")):
                with self.subTest(path=path):
                    self.assertEqual(path.stat().st_mode & 0o077, 0)

    def test_copies_made_open_by_an_older_version_are_closed(self) -> None:
        keep(self.library, b"data")
        self.backup()
        for path in (self.to, *self.to.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        self.clock.move(hours=1)
        self.backup()
        for path in (self.to / "tree", self.to / "tree" / "Data.fs", self.to / "manifests"):
            self.assertEqual(path.stat().st_mode & 0o077, 0, path)
