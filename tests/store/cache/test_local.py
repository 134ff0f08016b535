"""Objects that are fetched whole: once, verified, evicted by age, and never wrong."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from errno import EACCES, ENOSPC
from io import BufferedReader
from pathlib import Path
from unittest.mock import patch

from librarian.store.cache.entries import open_file
from librarian.store.cache.fetching import SMALL_BYTES
from librarian.store.disk.incoming import IncomingFile
from librarian.store.interfaces import BytesDamaged, BytesNotFound, StoreFull, StoreUnavailable
from tests.store.cache.support import MIB, CacheTestCase, pattern
from tests.support.servers.forked import with_path

POEM = b"Roses are red"

# Fetches what it is told on its command line, and says so; the first piece is said before the second comes.
READER = """
import sys, time
from pathlib import Path
from librarian.store.cache.local import LocalCache
folder, sha256, data, hangs = sys.argv[1:]
def read(start, stop):
    print("fetching", flush=True)
    yield data[:1].encode()
    if hangs == "hangs":
        print("hanging", flush=True)
        time.sleep(600)
    yield data[1:].encode()
with LocalCache(Path(folder), 1 << 20).open(sha256, lambda: len(data), read) as file:
    print("read", file.read().decode(), flush=True)
"""


class Reading(CacheTestCase):
    def test_the_second_reader_asks_nothing(self) -> None:
        sha256 = self.remote.put(POEM)
        self.assertEqual([self.read(sha256) for _turn in range(3)], [POEM] * 3)
        self.assertEqual(self.remote.asked, ["size", "0-"])

    def test_no_bytes_at_all(self) -> None:
        sha256 = self.remote.put(b"")
        self.assertEqual(self.read(sha256), b"")
        self.assertEqual(self.read(sha256), b"")

    def test_an_entry_is_a_file_that_the_kernel_can_send(self) -> None:
        sha256 = self.remote.put(POEM)
        for _turn in range(2):
            with self.open(sha256) as file:
                self.assertEqual(os.fstat(file.fileno()).st_size, len(POEM))
                self.assertEqual(file.tell(), 0)

    def test_what_is_no_digest_never_reaches_a_path(self) -> None:
        for name in ("", "../../etc/passwd", "A" * 64, "0" * 63):
            with self.subTest(name), self.assertRaises(BytesNotFound):
                self.open(name)
        self.cache.forget("../../etc/passwd")

    def test_what_the_store_does_not_have_is_not_found_and_not_remembered(self) -> None:
        sha256 = self.remote.put(POEM)
        held = self.remote.held.pop(sha256)
        with self.assertRaises(BytesNotFound):
            self.read(sha256)
        self.remote.held[sha256] = held
        self.assertEqual(self.read(sha256), POEM)

    def test_forgotten_objects_are_fetched_anew(self) -> None:
        sha256 = self.remote.put(POEM)
        self.read(sha256)
        self.cache.forget(sha256)
        self.cache.forget(sha256)
        self.read(sha256)
        self.assertEqual(self.remote.asked, ["size", "0-"] * 2)


class Damage(CacheTestCase):
    def damaged(self, data: bytes) -> bytes:
        return data[:-1] + bytes([data[-1] ^ 1])

    def test_a_wrong_byte_that_the_store_sends_once_is_fetched_again(self) -> None:
        sha256 = self.remote.put(POEM)
        answers = iter([self.damaged(POEM), POEM])
        self.remote.sent = lambda data: next(answers)
        self.assertEqual(self.read(sha256), POEM)

    def test_bytes_that_stay_wrong_are_never_given_nor_kept(self) -> None:
        wrong = {
            "changed": self.damaged,
            "short": lambda data: data[:-1],
            "long": lambda data: data + b"!",
            "none": lambda data: b"",
        }
        sha256 = self.remote.put(POEM)
        for name, sent in wrong.items():
            with self.subTest(name):
                self.remote.sent = sent
                with self.assertRaises(BytesDamaged):
                    self.read(sha256)
                self.assertEqual(self.files("entries") + self.files("incoming"), [])

    def test_a_store_that_hides_what_it_sent_wrong_has_damaged_bytes_and_not_none(self) -> None:
        sha256 = self.remote.put(POEM)

        def once(data: bytes) -> bytes:
            del self.remote.held[sha256]
            return self.damaged(data)

        self.remote.sent = once
        with self.assertRaises(BytesDamaged):
            self.read(sha256)

    def test_a_small_entry_that_rots_on_the_disk_is_fetched_again(self) -> None:
        sha256 = self.remote.put(POEM)
        self.read(sha256)
        self.entry(sha256).write_bytes(self.damaged(POEM))
        self.assertEqual(self.read(sha256), POEM)
        self.assertEqual(self.remote.asked, ["size", "0-"] * 2)

    def test_a_larger_entry_is_hashed_by_each_process_before_it_gives_it(self) -> None:
        data = pattern(SMALL_BYTES + 1)
        sha256 = self.remote.put(data)
        self.read(sha256)
        self.entry(sha256).write_bytes(self.damaged(data))
        self.cache = self.another_cache()
        self.assertEqual(self.read(sha256), data)

    def test_an_entry_that_a_power_cut_has_emptied(self) -> None:
        sha256 = self.remote.put(POEM)
        self.read(sha256)
        os.truncate(self.entry(sha256), 0)
        self.assertEqual(self.read(sha256), POEM)


class Together(CacheTestCase):
    def test_many_threads_that_want_the_same_fetch_it_once(self) -> None:
        objects = [self.remote.put(pattern(1000 + number)) for number in range(9)]
        caches = [self.cache, self.another_cache()]  # another process's descriptors lock like these

        def read(turn: int) -> int:
            with self.open(objects[turn % 9], caches[turn % 2]) as file:
                return len(file.read())

        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(read, range(360)))
        self.assertEqual(found, [1000 + turn % 9 for turn in range(360)])
        self.assertEqual(self.remote.asked.count("0-"), 9)

    def test_who_waits_for_a_fetch_does_not_hold_up_other_objects(self) -> None:
        slow, other = self.remote.put(POEM), self.remote.put(b"Violets are blue")
        self.read(other)
        self.remote.gate.clear()
        waiting = threading.Thread(target=self.read, args=(slow,))
        waiting.start()
        try:
            self.assertEqual(self.read(other), b"Violets are blue")
        finally:
            self.remote.gate.set()
            waiting.join(30)

    def reader(self, sha256: str, hangs: str = "") -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", READER, str(self.folder), sha256, POEM.decode(), hangs]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=with_path(dict(os.environ))
        )
        self.addCleanup(process.wait, 30)
        self.addCleanup(process.kill)
        assert process.stdout is not None
        self.addCleanup(process.stdout.close)
        return process

    def test_the_death_of_a_process_that_fetches_delays_none_and_leaves_nothing(self) -> None:
        sha256 = self.remote.put(POEM)
        dying = self.reader(sha256, "hangs")
        assert dying.stdout is not None
        self.assertEqual([dying.stdout.readline() for _line in range(2)], ["fetching\n", "hanging\n"])
        dying.send_signal(signal.SIGKILL)
        dying.wait(30)
        self.assertEqual(self.read(sha256), POEM)
        (left,) = (self.folder / "incoming").iterdir()
        os.utime(left, (0, 0))
        self.cache.finish()
        self.cache.trim()
        self.assertEqual(self.files("incoming"), [])

    def test_a_process_reads_what_another_has_fetched(self) -> None:
        sha256 = self.remote.put(POEM)
        self.read(sha256)
        said, _errors = self.reader(sha256).communicate(timeout=60)
        self.assertEqual(said, f"read {POEM.decode()}\n")


class Evicting(CacheTestCase):
    def fill(self, count: int) -> list[str]:
        """Objects of 8 KiB, the first read longest ago."""
        objects = [self.remote.put(pattern(8192, number)) for number in range(count)]
        for number, sha256 in enumerate(objects):
            self.read(sha256)
            long_ago = time.time() - 60 * 60 + 60 * number
            os.utime(self.entry(sha256), (long_ago, long_ago))
        self.cache.finish()
        return objects

    def held(self, objects: list[str]) -> list[int]:
        return [number for number, sha256 in enumerate(objects) if self.entry(sha256).exists()]

    def test_what_was_read_longest_ago_goes_first(self) -> None:
        objects = self.fill(10)
        self.read(objects[0])
        self.assertEqual(self.another_cache(limit=5 * 8192).trim(), 6 * 8192)
        self.assertEqual(self.held(objects), [0, 7, 8, 9])

    def test_what_fits_stays(self) -> None:
        objects = self.fill(5)
        self.assertEqual(self.another_cache(limit=5 * 8192).trim(), 0)
        self.assertEqual(self.held(objects), [0, 1, 2, 3, 4])

    def test_of_the_same_minute_no_more_goes_than_must(self) -> None:
        objects = self.fill(10)
        for sha256 in objects:
            os.utime(self.entry(sha256), (6000, 6000))
        self.assertEqual(self.another_cache(limit=8 * 8192).trim(), 3 * 8192)
        self.assertEqual(len(self.held(objects)), 7)

    def test_it_is_bounded_while_it_is_filled(self) -> None:
        self.cache = self.another_cache(limit=20 * 8192)
        for number in range(100):
            self.read(self.remote.put(pattern(8192, number)))
            self.cache.finish()
            self.assertLessEqual(len(self.files("entries")), 22)

    def test_a_reader_keeps_what_is_evicted(self) -> None:
        sha256 = self.remote.put(POEM)
        with self.open(sha256) as file:
            self.cache.finish()
            self.another_cache(limit=0).trim()
            self.assertEqual(self.files("entries"), [])
            self.assertEqual(file.read(), POEM)

    def test_only_one_process_evicts_at_a_time(self) -> None:
        self.fill(3)
        small = self.another_cache(limit=0)
        with small._entries._lock("trimming", 2):
            self.assertEqual(small.trim(), 0)
        self.assertEqual(small.trim(), 3 * 8192)

    def test_empty_folders_go_too(self) -> None:
        self.fill(3)
        self.another_cache(limit=0).trim()
        self.cache.finish()
        self.another_cache(limit=0).trim()
        self.assertEqual(list((self.folder / "entries").iterdir()), [])


class FullDisk(CacheTestCase):
    def write_failing(self, times: int) -> None:
        write, left = IncomingFile.write, [times]

        def failing(draft: IncomingFile, data: bytes) -> None:
            left[0] -= 1
            if left[0] >= 0:
                raise OSError(ENOSPC, "No space left on device")
            write(draft, data)

        patched = patch.object(IncomingFile, "write", failing)
        patched.start()
        self.addCleanup(patched.stop)

    def test_room_is_made_by_evicting(self) -> None:
        self.write_failing(1)
        self.assertEqual(self.read(self.remote.put(POEM)), POEM)

    def test_a_disk_that_others_have_filled_is_an_error_without_a_path(self) -> None:
        self.write_failing(99)
        with self.assertRaises(StoreFull) as refused:
            self.read(self.remote.put(POEM))
        self.assertNotIn("/", str(refused.exception))
        self.assertEqual(self.files("incoming"), [])


class Refusing(CacheTestCase):
    def test_what_cannot_be_published_leaves_no_descriptor_open(self) -> None:
        opened: list[BufferedReader] = []

        def noted(path: str) -> BufferedReader:
            opened.append(open_file(path))
            return opened[-1]

        refused = patch.object(self.cache._entries, "publish", side_effect=OSError(EACCES, "no"))
        with patch("librarian.store.cache.fetching.open_file", noted), refused:
            self.assertRaises(StoreUnavailable, self.read, self.remote.put(POEM))
        self.assertEqual([file.closed for file in opened], [True])
        self.assertEqual(self.files("incoming"), [])


class Folders(CacheTestCase):
    def test_a_folder_that_was_deleted_meanwhile_is_made_again(self) -> None:
        sha256 = self.remote.put(pattern(MIB // 2))
        self.read(sha256)
        self.cache.finish()
        subprocess.run(["rm", "-r", *map(str, Path(self.folder).iterdir())], check=True)
        self.assertEqual(len(self.read(sha256)), MIB // 2)

    def test_only_that_of_what_is_fetched(self) -> None:
        self.read(self.remote.put(POEM))
        (self.folder / "incoming").rmdir()
        self.assertEqual(self.read(self.remote.put(POEM[1:])), POEM[1:])
