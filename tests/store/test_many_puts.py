"""Many files put at once: what has its name is whole, at whatever moment the process dies."""

import hashlib
import os
import tempfile
import unittest
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from unittest import mock

from librarian import durable
from librarian.store.disk import many
from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import BytesNotFound, DigestMismatch, SizeMismatch, StoreUnavailable
from librarian.testing.clock import BEGINNING, HandMovedClock


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class ManyPuts(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.store = DiskStore(self.folder / "bytes", HandMovedClock())
        self.enterContext(mock.patch.object(many, "BATCH_FILES", 10))
        self.data = [b"%d" % number for number in range(25)]

    def put(self) -> None:
        with self.store.many_puts() as puts:
            for data in self.data:
                puts.put(BytesIO(data), size=len(data), sha256=sha256(data))

    def held(self) -> set[bytes]:
        """The contents that are held; each is verified."""
        found = set()
        for digest in self.store:
            self.store.verify(digest)
            with self.store.open(digest) as file:
                found.add(file.read())
        return found

    def drafts(self) -> list[Path]:
        return list((self.folder / "bytes" / "incoming").iterdir())

    def syncing(self, sync: Callable[[int], bool]) -> None:
        self.enterContext(mock.patch.object(durable, "sync_file_system", sync))

    def test_all_are_held_with_the_age_of_now(self) -> None:
        self.put()
        self.assertEqual((self.held(), self.drafts()), (set(self.data), []))
        self.assertEqual({self.store.stored_at(one) for one in self.store}, {BEGINNING})

    def test_no_name_before_its_bytes_and_its_leaf_are_durable(self) -> None:
        seen: list[tuple[int, int]] = []
        leaves: set[Path] = set()

        def sync(_directory: int) -> bool:
            for leaf in self.folder.glob("bytes/??/??"):
                self.assertTrue(leaf in leaves or not any(leaf.iterdir()))
                leaves.add(leaf)
            seen.append((len(self.drafts()), len(self.held())))
            return True

        self.syncing(sync)
        with mock.patch("os.fsync") as fsync:
            self.put()
        self.assertEqual(seen, [(10, 0), (10, 10), (5, 20), (0, 25)])  # the last one for the last names
        self.assertFalse(fsync.called)

    def test_every_file_is_synced_where_a_file_system_cannot_be(self) -> None:
        self.syncing(lambda _directory: False)
        synced: list[str] = []

        def note(file: int) -> None:
            synced.append(str(Path(f"/proc/self/fd/{file}").readlink()))

        with mock.patch("os.fsync", note):
            self.put()
        root = self.folder / "bytes"
        self.assertEqual(sum(path.startswith(f"{root}/incoming/") for path in synced), 25)
        self.assertLessEqual({str(leaf) for leaf in root.glob("??/??")}, set(synced))
        self.assertLessEqual({str(root), *(str(folder) for folder in root.glob("??"))}, set(synced))
        self.assertEqual(self.held(), set(self.data))

    def test_wrong_bytes_leave_nothing_and_the_others_stay(self) -> None:
        with self.store.many_puts() as puts:
            puts.put(BytesIO(b"good"), size=4, sha256=sha256(b"good"))
            with self.assertRaises(DigestMismatch):
                puts.put(BytesIO(b"evil"), size=4, sha256=sha256(b"good"))
            for size in (3, 5):
                with self.assertRaises(SizeMismatch):
                    puts.put(BytesIO(b"good"), size=size, sha256=sha256(b"good"))
            with self.assertRaises(BytesNotFound):
                puts.put(BytesIO(b"good"), size=4, sha256="../etc")
        self.assertEqual((self.held(), self.drafts()), ({b"good"}, []))

    def test_a_sync_that_fails_names_nothing_of_its_batch(self) -> None:
        turns = iter((True, OSError(5, "Input/output error")))

        def sync(_directory: int) -> bool:
            found = next(turns)
            if isinstance(found, OSError):
                raise found
            return found

        self.syncing(sync)
        with self.assertRaises(StoreUnavailable):
            self.put()
        self.assertEqual((self.held(), self.drafts()), (set(self.data[:10]), []))

    def test_an_error_of_the_caller_names_nothing_of_the_batch(self) -> None:
        with self.assertRaises(KeyboardInterrupt), self.store.many_puts() as puts:
            puts.put(BytesIO(b"good"), size=4, sha256=sha256(b"good"))
            raise KeyboardInterrupt
        self.assertEqual((self.held(), self.drafts()), (set(), []))

    def test_killed_in_the_middle_of_a_batch(self) -> None:
        child = os.fork()
        if child == 0:
            turns = iter((True,))
            self.syncing(lambda _directory: next(turns, False) or os._exit(9))
            self.put()
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 9)
        self.assertEqual((self.held(), len(self.drafts())), (set(self.data[:10]), 10))
        self.assertEqual(self.store.clear_incoming(timedelta(0)), 10)
        self.put()
        self.assertEqual(self.held(), set(self.data))


class Syncing(unittest.TestCase):
    def test_a_directory_of_this_machine(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            directory = durable.open_directory(name)
            self.addCleanup(os.close, directory)
            self.assertIn(durable.sync_file_system(directory), (True, False))

    def test_a_file_system_that_is_not_known_is_not_relied_on(self) -> None:
        directory = durable.open_directory("/proc")
        self.addCleanup(os.close, directory)
        self.assertFalse(durable.sync_file_system(directory))

    def test_a_kernel_that_reports_no_errors_is_not_relied_on(self) -> None:
        durable._syncing_library.cache_clear()
        self.addCleanup(durable._syncing_library.cache_clear)
        old = mock.Mock(sysname="Linux", release="5.4.0-generic")
        with mock.patch("os.uname", return_value=old), tempfile.TemporaryDirectory() as name:
            directory = durable.open_directory(name)
            self.addCleanup(os.close, directory)
            self.assertFalse(durable.sync_file_system(directory))
