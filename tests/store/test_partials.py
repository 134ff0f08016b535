"""Partial uploads: durable pieces, one writer, digests over restarts, and what kills and power cuts leave."""

import os
import subprocess
import sys
import tempfile
import textwrap
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from zope.interface.verify import verifyObject

from librarian.store.disk import marks
from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import (
    IByteStore,
    IPartial,
    IPartials,
    PartialBusy,
    PartialNotFound,
    StoreFull,
)
from librarian.store.memory import MemoryStore
from tests.store.support import MIB, DiskStoreTestCase, HandClock, pattern, sha256_of


class OnDisk(DiskStoreTestCase):
    def begin(self, *pieces: bytes) -> str:
        """The id of a partial upload with these pieces, settled and closed."""
        partial = self.store.partials.begin({"name": "f"})
        for piece in pieces:
            partial.write(piece)
        partial.settle()
        partial.close()
        found: str = partial.id
        return found

    def again(self) -> IByteStore:
        """The same folder, as another process sees it."""
        return DiskStore(self.root, self.clock)

    def keep(self, store: IByteStore, partial_id: str) -> str:
        partial = store.partials.open(partial_id)
        try:
            return store.keep(partial.received()).sha256
        finally:
            partial.close()

    def test_they_promise_what_the_interfaces_say(self) -> None:
        for store in (self.store, MemoryStore(HandClock())):
            verifyObject(IByteStore, store)
            verifyObject(IPartials, store.partials)
            partial = store.partials.begin({})
            verifyObject(IPartial, partial)
            partial.close()

    def test_pieces_become_a_file(self) -> None:
        for store in (self.store, MemoryStore(HandClock())):
            partial = store.partials.begin({"name": "f"})
            partial.write(pattern(3 * MIB))
            partial.close()
            partial = store.partials.open(partial.id)
            self.assertEqual((partial.size, partial.facts), (3 * MIB, {"name": "f"}))
            partial.write(pattern(7))
            stored = store.keep(partial.received())
            self.assertEqual(stored.sha256, sha256_of(pattern(3 * MIB) + pattern(7)))
            self.assertIn(stored.sha256, store)
            partial.close()
            partial = store.partials.open(partial.id)
            self.assertTrue(partial.is_gone)
            partial.discard()
            self.assertEqual(list(store.partials), [])

    def test_another_process_goes_on_and_reads_for_the_digests(self) -> None:
        partial_id = self.begin(b"one ")
        other = self.again()
        partial = other.partials.open(partial_id)
        partial.write(b"two ")
        partial.close()
        back = self.store.partials.open(partial_id)  # the digests it remembers are of another state
        back.write(b"three")
        back.close()
        sha256 = self.keep(self.store, partial_id)
        self.assertEqual(sha256, sha256_of(b"one two three"))
        self.assertEqual(self.read(sha256), b"one two three")

    def test_digests_go_on_in_the_same_process(self) -> None:
        partial_id = self.begin(b"one ", b"two")
        partial = self.store.partials.open(partial_id)
        with mock.patch.object(type(partial), "_read_again", side_effect=AssertionError):
            self.assertEqual(partial.received().sha256, sha256_of(b"one two"))
        partial.close()

    def test_one_writer_at_a_time(self) -> None:
        partial = self.store.partials.begin({})
        for store in (self.store, self.again()):
            with self.assertRaises(PartialBusy):
                store.partials.open(partial.id)
        partial.write(b"123")
        self.assertEqual(self.again().partials.size(partial.id), 3)
        partial.close()
        self.again().partials.open(partial.id).close()
        with self.assertRaises(PartialBusy):
            partial.write(b"after the end")

    def test_names_that_are_no_ids(self) -> None:
        for name in ("", "0" * 32, "../../etc/passwd", "A" * 32, "0" * 31 + "\n"):
            for find in (self.store.partials.open, self.store.partials.facts, self.store.partials.size):
                with self.assertRaises(PartialNotFound):
                    find(name)

    def test_after_a_power_cut_only_settled_bytes_count(self) -> None:
        partial_id = self.begin(b"settled")
        partial = self.store.partials.open(partial_id)
        partial.write(b" and not")
        partial.close()
        with mock.patch.object(marks, "boot_id", return_value="later"):
            later = self.again().partials.open(partial_id)
            self.assertEqual(later.size, 7)
            later.write(b"!")
            later.close()
            self.assertEqual(self.keep(self.again(), partial_id), sha256_of(b"settled!"))

    def test_bytes_held_back_count_once_they_are_settled(self) -> None:
        partial_id = self.begin(b"checked")
        for settled, size in ((False, 7), (True, 8)):
            partial = self.store.partials.open(partial_id)
            partial.hold_back()
            partial.write(b"?")
            if settled:
                partial.settle()
            partial.close()
            partial = self.store.partials.open(partial_id)
            self.assertEqual(partial.size, size)
            partial.close()
        self.assertEqual(self.keep(self.store, partial_id), sha256_of(b"checked?"))

    def test_rolled_back(self) -> None:
        partial_id = self.begin(b"good")
        partial = self.store.partials.open(partial_id)
        partial.hold_back()
        partial.write(b"bad")
        partial.rollback(4)
        partial.write(b"better")
        partial.close()
        self.assertEqual(self.keep(self.store, partial_id), sha256_of(b"goodbetter"))

    def test_a_mutilated_mark_believes_nothing(self) -> None:
        partial_id = self.begin(b"data")
        (self.root / "partial" / f"{partial_id}.mark").write_bytes(b"\0" * 60)
        partial = self.store.partials.open(partial_id)
        self.assertEqual(partial.size, 0)
        partial.close()

    def test_what_is_discarded_leaves_nothing(self) -> None:
        partial = self.store.partials.begin({})
        partial.write(b"123")
        partial.discard()
        self.assertEqual(list((self.root / "partial").iterdir()), [])
        with self.assertRaises(PartialNotFound):
            self.store.partials.open(partial.id)

    def test_remains_of_the_killed_are_cleared(self) -> None:
        partial_id = self.begin(b"123")
        kept = self.begin(b"456")
        (self.root / "partial" / f"{partial_id}.facts").unlink()
        self.assertEqual(self.store.clear_incoming(timedelta(hours=1)), 0)
        self.assertEqual(self.store.clear_incoming(timedelta(seconds=-1)), 2)
        self.assertEqual(list(self.store.partials), [kept])
        self.assertEqual(list(self.store.strays()), [])

    def test_they_count_against_the_quota(self) -> None:
        for store in (DiskStore(self.root, self.clock, 10), MemoryStore(HandClock(), 10)):
            first = store.partials.begin({})
            first.write(b"123456")
            second = store.partials.begin({})
            with self.assertRaises(StoreFull):
                second.write(b"12345")
            self.assertEqual((second.size, store.room(), store.recount()), (0, 4, 6))
            second.write(b"1234")
            self.assertEqual(store.keep(first.received()).size, 6)
            self.assertEqual(store.room(), 0)
            second.discard()
            first.discard()
            self.assertEqual((store.room(), store.recount()), (4, 6))

    def test_private(self) -> None:
        self.begin(b"x")
        folder = self.root / "partial"
        modes = {path.stat().st_mode & 0o777 for path in folder.iterdir()}
        self.assertEqual((folder.stat().st_mode & 0o777, modes), (0o700, {0o600}))


_WRITER = """
import os, sys
from pathlib import Path
from librarian.clock import SystemClock
from librarian.store.disk.store import DiskStore
partial = DiskStore(Path(sys.argv[1]), SystemClock()).partials.begin({})
if sys.argv[2] == "held back":
    partial.write(b"sure")
    partial.hold_back()
partial.write(b"piece")
print(partial.id, flush=True)
os.kill(os.getpid(), 9)
"""


class Killed(DiskStoreTestCase):
    def left_by(self, how: str) -> Any:
        command = [sys.executable, "-c", textwrap.dedent(_WRITER), str(self.root), how]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environ, check=False)
        partial = self.store.partials.open(done.stdout.strip())
        self.addCleanup(partial.close)
        return partial

    def test_the_bytes_of_a_killed_process_are_there(self) -> None:
        self.assertEqual(self.left_by("plainly").size, 5)

    def test_those_it_held_back_are_not(self) -> None:
        partial = self.left_by("held back")
        self.assertEqual((partial.size, partial.received().sha256), (4, sha256_of(b"sure")))


class WithoutAFolder(DiskStoreTestCase):
    def test_a_store_of_an_older_version_gets_one(self) -> None:
        partial = self.store.partials.begin({})
        partial.close()
        self.assertEqual(list(self.store.partials), [partial.id])
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(list(DiskStore(Path(folder), self.clock).partials), [])
