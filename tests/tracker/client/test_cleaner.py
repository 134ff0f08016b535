"""Cleaning a cache that is in use."""

import os
import tempfile
import threading
import unittest
from pathlib import Path

from librarian.tracker.client import CacheCleaner, Client, LocalDataStore, NotACache, clean_cache
from librarian.tracker.client.cleaner import remove_leftovers
from librarian.tracker.client.locks import FcntlLockManager
from tests.tracker.client.server import tracker


class CleanerTests(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.base = Path(directory.name)
        self.store = LocalDataStore(str(self.base / "cache"), is_cache=True)
        self.locks = FcntlLockManager(str(self.base / "cache" / "locks"))

    def add(self, name: str, size: int, used: int) -> None:
        path = self.base / "source"
        path.write_bytes(bytes(size))
        self.store.add_file(f"{name}@5", str(path))
        os.utime(self.store.records.path(name), (used, used))

    def held(self) -> list[str]:
        return [entry.name for entry in self.store.list_files()]

    def test_nothing_is_removed_below_the_limit(self) -> None:
        self.add("/a", 100, 1)
        self.assertEqual(clean_cache(self.store, self.locks, 100).files_removed, 0)

    def test_longest_unused_first_down_to_half(self) -> None:
        for number, name in enumerate(("/c", "/a", "/d", "/b")):
            self.add(name, 30, 1000 + number)
        report = clean_cache(self.store, self.locks, 100)
        self.assertEqual((report.bytes_found, report.bytes_kept, report.files_removed), (120, 30, 3))
        self.assertEqual(self.held(), ["/b"])

    def test_of_equal_age_the_larger_first(self) -> None:
        for name, size in (("/small", 10), ("/large", 60), ("/middle", 35)):
            self.add(name, size, 1000)
        clean_cache(self.store, self.locks, 100)
        self.assertEqual(self.held(), ["/middle", "/small"])

    def test_reading_counts_as_use(self) -> None:
        self.add("/a", 60, 1000)
        self.add("/b", 60, 2000)
        self.store.get_stream("/a")[0].close()
        clean_cache(self.store, self.locks, 100)
        self.assertEqual(self.held(), [])
        self.add("/a", 45, 1000)
        self.add("/b", 60, 2000)
        self.store.get_stream("/a")[0].close()
        clean_cache(self.store, self.locks, 100)
        self.assertEqual(self.held(), ["/a"])

    def test_a_locked_file_stays(self) -> None:
        self.add("/a", 60, 1000)
        self.add("/b", 60, 2000)
        with self.locks.lock_for("/a") as lock:
            lock.lock_shared()
            report = clean_cache(self.store, self.locks, 100)
        self.assertEqual((report.files_busy, self.held()), (1, ["/a"]))

    def test_an_open_stream_of_a_removed_file(self) -> None:
        self.add("/a", 60, 1000)
        stream, _found = self.store.get_stream("/a")
        clean_cache(self.store, self.locks, 10)
        with stream:
            self.assertEqual((self.held(), stream.read()), ([], bytes(60)))

    def test_dry_run(self) -> None:
        self.add("/a", 60, 1000)
        self.assertEqual(clean_cache(self.store, self.locks, 10, dry_run=True).files_removed, 1)
        self.assertEqual(self.held(), ["/a"])

    def test_only_copies_are_not_touched(self) -> None:
        store = LocalDataStore(str(self.base / "alone"))
        source = self.base / "source"
        source.write_bytes(bytes(100))
        store.add_file("/mine", str(source))
        for pattern in ("alone", "al*", "."):
            with self.subTest(pattern), self.assertRaises(NotACache):
                CacheCleaner(10, [str(self.base / pattern)]).clean()
        self.assertTrue(store.exists("/mine"))

    def test_as_a_process(self) -> None:
        self.add("/a", 60, 1000)
        stop = threading.Event()
        cleaner = CacheCleaner(10, [str(self.base / "ca*"), str(self.base / "none*")], scan_interval=0.01)
        thread = threading.Thread(target=cleaner.run, args=(stop,))
        thread.start()
        while self.held():
            self.assertTrue(thread.is_alive())
        stop.set()
        thread.join(10)
        self.assertFalse(thread.is_alive())

    def test_drafts_of_killed_processes(self) -> None:
        fresh = Path(self.store.incoming, ".fresh.part")
        fresh.write_bytes(b"half a file")
        self.assertEqual((remove_leftovers(self.store), fresh.exists()), (0, True))

    def test_a_client_with_a_limit(self) -> None:
        with tracker() as server:
            server.files = {f"/{number}": {5: bytes(40)} for number in range(8)}
            client = Client(cache_dir=str(self.base / "own"), remote_url=server.url, cache_limit=100)
            for number in range(8):
                client.get_file(f"/{number}@5", str(self.base / "out"))
                held = sum(entry.size for entry in client.list_local_files())
                self.assertLessEqual(held, 100)
            self.assertGreater(held, 0)
