"""The last transaction, torn in every way a power cut can tear it; and damage that is no torn end."""

import errno
import random
import tempfile
import time
import unittest
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import transaction
from persistent.mapping import PersistentMapping
from ZODB.DB import DB
from ZODB.FileStorage import FileStorage

from librarian.tree.engines.sharing import GuestStorage
from librarian.tree.filestorage.checksums import sum_in
from librarian.tree.filestorage.crash_recovery import beside, repair
from librarian.tree.filestorage.datafile import DataFile
from librarian.tree.filestorage.tails import read_tail
from librarian.tree.filestorage.transactions import START, read_all
from librarian.tree.interfaces import TreeDamaged, TreeShortened, TreeUnavailable
from librarian.tree.service import Tree

SECTOR = 512


class WithAFile(unittest.TestCase):
    """A tree of 20 transactions, each of some objects, whose server was killed: without an index."""

    storage: Callable[[str], Any] = staticmethod(lambda name: DataFile(Path(name)))

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="librarian-tails-")
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "Data.fs"
        self.uri = f"file://{self.path}"
        with mock.patch("librarian.tree.opening.DataFile", lambda path: self.storage(str(path))):
            tree = Tree.from_uri(self.uri)
        for turn in range(20):
            tree.run(partial(self.commit, tree, turn))
        tree.close()
        beside(self.path, ".index").unlink(missing_ok=True)
        self.data = self.path.read_bytes()
        self.found = self.transactions()

    def commit(self, tree: Tree, turn: int) -> None:
        tree.root().update({"n": turn, f"k{turn}": self.content(turn)})

    def content(self, turn: int) -> PersistentMapping:
        return PersistentMapping(
            text=random.Random(turn).randbytes(700).hex(), more=PersistentMapping(n=turn)
        )

    def transactions(self) -> list[Any]:
        with self.path.open("rb") as file:
            return list(read_all(file, START, self.path.stat().st_size))

    def put(self, data: bytes) -> None:
        """This is what the disk has after the power cut."""
        for path in self.path.parent.iterdir():
            path.unlink()
        self.path.write_bytes(data)

    def read(self) -> int:
        """All that can be read after the start: how far it counts."""
        tree = Tree.from_uri(self.uri)
        try:
            with tree.session() as root:
                for turn in range(root["n"] + 1):
                    expected = self.content(turn)
                    self.assertEqual(root[f"k{turn}"]["text"], expected["text"])
                    self.assertEqual(root[f"k{turn}"]["more"]["n"], turn)
                n: int = root["n"]
            tree.run(lambda: tree.root().update(after=1))
            return n
        finally:
            tree.close()

    def kept(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.path.parent.glob("Data.fs.cut-*"))]

    def torn_states(self) -> Iterator[tuple[str, bytes]]:
        """The file with parts of its last transaction missing."""
        start, end = self.found[-1].position, len(self.data)
        yield "all zeros", self.data[:start] + bytes(end - start)
        chance = random.Random(1)
        first = start // SECTOR * SECTOR
        for sector in range(first, end, SECTOR):
            low, high = max(sector, start), min(sector + SECTOR, end)
            yield f"sector {sector}", self.data[:low] + bytes(high - low) + self.data[high:]
            yield f"from {sector}", self.data[:low] + bytes(end - low)
            yield f"up to {sector}", self.data[:start] + bytes(high - start) + self.data[high:]
            noise = chance.randbytes(high - low)
            yield f"noise {sector}", self.data[:low] + noise + self.data[high:]
        for length in range(start + 1, end, 151):
            yield f"cut at {length}", self.data[:length]


class Torn(WithAFile):
    def test_only_the_last_transaction_is_lost_and_its_bytes_are_kept(self) -> None:
        start = self.found[-1].position
        for name, data in self.torn_states():
            with self.subTest(name):
                self.put(data)
                self.assertEqual(self.read(), 18)
                self.assertIn(self.kept(), ([data[start:]], []))
                self.assertEqual(self.kept() == [], len(data) - start < 23)

    def test_what_is_lost_is_said(self) -> None:
        self.put(self.data[:-100] + bytes(100))
        with self.assertLogs("librarian.tree", "WARNING") as said:
            self.read()
        self.assertRegex(
            said.output[0], r"last transaction was torn.*transaction of 20\d\d-.* UTC.*bytes=\d+ kept="
        )

    def test_an_unfinished_commit_is_no_loss(self) -> None:
        start = self.found[-1].position
        for end in (len(self.data), start + 30, len(self.data) - 1):
            self.put(self.data[: start + 16] + b"c" + self.data[start + 17 : end])
            with self.assertNoLogs("librarian.tree", "WARNING"):
                self.assertEqual(self.read(), 18)
            self.assertEqual(self.kept(), [])

    def test_whole(self) -> None:
        with self.assertNoLogs("librarian.tree", "WARNING"):
            self.assertEqual(self.read(), 19)

    def test_with_an_outdated_index(self) -> None:
        self.put(self.data[: self.found[10].position])
        DataFile(self.path).close()
        index = beside(self.path, ".index").read_bytes()
        self.put(self.data[:-9] + bytes(9))
        beside(self.path, ".index").write_bytes(index)
        with self.assertLogs("librarian.tree", "WARNING"):
            self.assertEqual(self.read(), 18)

    def test_the_disk_is_full(self) -> None:
        self.put(self.data[:-9] + bytes(9))
        full = OSError(errno.ENOSPC, "full")
        with (
            mock.patch("librarian.tree.filestorage.tails.sync_directory", side_effect=full),
            self.assertRaises(TreeUnavailable),
        ):
            self.read()
        self.assertEqual(self.path.read_bytes(), self.data[:-9] + bytes(9))


class TornWithoutSums(Torn):
    """As older versions and ZEO servers write it: no sums, so zeros inside a string go unseen."""

    storage = staticmethod(FileStorage)

    def test_only_the_last_transaction_is_lost_and_its_bytes_are_kept(self) -> None:
        for name, data in self.torn_states():
            if name.startswith(("sector", "noise")):
                continue
            with self.subTest(name):
                self.put(data)
                self.assertEqual(self.read(), 18)


class Inside(WithAFile):
    def test_a_broken_chain_of_lengths_is_not_cut(self) -> None:
        for offset in (0, 8, 16):
            at = self.found[7].position + offset
            data = self.data[:at] + b"\xff" * 4 + self.data[at + 4 :]
            self.put(data)
            with self.assertRaises(TreeDamaged) as caught:
                self.read()
            self.assertIn("librarian fsck --tree", str(caught.exception))
            self.assertEqual(self.path.read_bytes(), data)

    def test_an_unfinished_mark_in_the_middle_is_not_cut(self) -> None:
        at = self.found[7].position + 16
        data = self.data[:at] + b"c" + self.data[at + 1 :]
        self.put(data)
        self.assertRaises(TreeDamaged, self.read)
        self.assertEqual(self.path.read_bytes(), data)

    def test_damaged_data_is_reported_and_stays(self) -> None:
        at = self.found[17].end - 300
        data = self.data[:at] + bytes(200) + self.data[at + 200 :]
        self.put(data)
        with self.assertLogs("librarian.tree", "ERROR") as said:
            Tree.from_uri(self.uri).close()
        self.assertIn("librarian fsck --tree", said.output[0])
        self.assertEqual(self.path.read_bytes(), data)


class Shortened(WithAFile):
    """The index tells that there was more on the disk: no torn end, and nothing is cut off."""

    def setUp(self) -> None:
        super().setUp()
        DataFile(self.path).close()
        self.index = beside(self.path, ".index").read_bytes()

    def put(self, data: bytes) -> None:
        super().put(data)
        beside(self.path, ".index").write_bytes(self.index)

    def states(self) -> Iterator[tuple[str, bytes]]:
        yield "half a copy", self.data[: len(self.data) // 2]
        yield "the last byte is missing", self.data[:-1]
        yield "a bit in the last transaction", self.data[:-300] + b"\xff" + self.data[-299:]
        yield "zeros from the middle on", self.data[:9000] + bytes(len(self.data) - 9000)

    def test_refused_and_left_as_it_is(self) -> None:
        for name, data in self.states():
            with self.subTest(name):
                self.put(data)
                with self.assertRaises(TreeShortened) as caught:
                    self.read()
                self.assertEqual(caught.exception.known, len(self.data))
                self.assertIn("librarian fsck --tree --repair", str(caught.exception))
                self.assertEqual(self.path.read_bytes(), data)
                self.assertEqual(self.kept(), [])

    def test_cut_back_on_request(self) -> None:
        for name, data in self.states():
            with self.subTest(name):
                self.put(data)
                self.assertIn("cut back", repair(self.path))
                self.assertLess(self.read(), 19)


class Sums(WithAFile):
    def test_every_transaction_has_one(self) -> None:
        self.assertEqual([found for found in self.found if sum_in(found.extension) is None], [])

    def test_a_changed_bit_is_found(self) -> None:
        chance = random.Random(3)
        for found in self.found[1:]:
            at = chance.randrange(found.records + 42, found.end)
            self.put(self.data[:at] + bytes([self.data[at] ^ 4]) + self.data[at + 1 :])
            tail = read_tail(self.path)
            self.assertTrue(tail.damaged or tail.torn, at)

    def test_they_match_after_a_pack(self) -> None:
        for seconds in (0, 3600):
            with closing(Tree.from_uri(self.uri)) as tree:
                tree.run(lambda: tree.root().update(n=19))
                tree._database.pack(time.time() - seconds)
                tree.run(lambda: tree.root().update(n=19))
            tail = read_tail(self.path)
            self.assertEqual((tail.torn, tail.damaged), (None, []))

    def test_undone(self) -> None:
        with closing(Tree.from_uri(self.uri)) as tree:
            database = tree._database
            database.undo(database.undoLog(0, 1)[0]["id"])
            transaction.commit()
        tail = read_tail(self.path)
        self.assertEqual((tail.torn, tail.damaged), (None, []))

    def test_what_a_guest_commits_has_one_too(self) -> None:
        host = Tree.from_uri(self.uri)
        host.share()
        guest = Tree(DB(GuestStorage(f"{self.path}.sock")))
        guest.run(lambda: guest.root().update(guest=1))
        guest.close()
        host.close()
        self.assertIsNotNone(sum_in(self.transactions()[-1].extension))
