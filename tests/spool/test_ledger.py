"""The ledger: torn lines, growth, and what it proves."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from librarian.clock import SystemClock
from librarian.spool.model import ledger as module
from librarian.spool.model.ledger import Entry, Ledger, LockNote, Stage, deliveries


class TestLedger(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "sub" / "x.jsonl"

    def open(self) -> Ledger:
        return Ledger(self.path, SystemClock())

    def test_replay(self) -> None:
        with self.open() as ledger:
            a = ledger.note(Entry("a", "1", ".a"), Stage.BEGUN)
            ledger.note(a, Stage.PUBLISHING, durable=True, size=3, sha256="ff")
            b = ledger.note(Entry("b", "2", ".b"), Stage.BEGUN)
            ledger.note(b, Stage.CLOSED)
            ledger.note_lock(LockNote("n1", "text", "2026-01-01T00:00:00+00:00"))
            ledger.note_lock(LockNote("n2", "text", "2026-01-01T00:00:00+00:00"))
            ledger.forget_lock("n1")
        with self.open() as again:
            self.assertEqual(list(again.entries), ["a"])
            self.assertEqual((again.entries["a"].stage, again.entries["a"].size), (Stage.PUBLISHING, 3))
            self.assertEqual(list(again.locks), ["n2"])

    def test_a_torn_line(self) -> None:
        with self.open() as ledger:
            ledger.note(Entry("a", "1", ".a"), Stage.BEGUN)
        for torn in (b'{"event":"file","na', b"\x00" * 100, b"\n"):
            with self.path.open("ab") as file:
                file.write(torn)
            with self.open() as again:
                self.assertIn("a", again.entries)
                again.note(Entry("b", "2", ".b"), Stage.BEGUN)
            with self.open() as after:
                self.assertEqual(set(after.entries), {"a", "b"})

    def test_lines_that_are_not_records(self) -> None:
        self.path.parent.mkdir()
        self.path.write_bytes(
            b'[]\n"x"\n7\n{}\n{"event":"file"}\n{"event":"lock","nonce":1}\n{"event":"future"}\n'
        )
        with self.open() as ledger:
            self.assertEqual((ledger.entries, ledger.locks, list(deliveries(self.path))), ({}, {}, []))

    def test_compaction_keeps_what_is_open_and_what_was_delivered(self) -> None:
        with self.open() as ledger:
            for number in range(200):
                entry = ledger.note(Entry(f"f{number}", "1", ".t"), Stage.BEGUN)
                entry = ledger.note(entry, Stage.DELIVERED, size=number)
                ledger.note(entry, Stage.CLOSED)
            ledger.note(Entry("open", "2", ".o"), Stage.PUBLISHING)
            ledger.note_lock(LockNote("n", "text", "2026-01-01T00:00:00+00:00", held=True))
        before = self.path.stat().st_size
        with mock.patch.multiple(module, COMPACT_ABOVE=1000, DELIVERIES_KEPT=10), self.open():
            self.assertEqual([one.name for one in deliveries(self.path)], [f"f{n}" for n in range(190, 200)])
        with self.open() as again:
            self.assertEqual((list(again.entries), again.locks["n"].held), (["open"], True))
        self.assertLess(self.path.stat().st_size, before / 5)

    def test_compaction_counts_what_is_delivered_and_still_open_once(self) -> None:
        with self.open() as ledger:
            for number in range(30):
                entry = ledger.note(Entry(f"f{number}", "1", ".t"), Stage.DELIVERED, size=number)
                if number not in (5, 27):
                    ledger.note(entry, Stage.CLOSED)
        for _time in range(2):
            with mock.patch.multiple(module, COMPACT_ABOVE=1000, DELIVERIES_KEPT=10), self.open() as ledger:
                self.assertEqual(set(ledger.entries), {"f5", "f27"})
            arrived = [one.name for one in deliveries(self.path)]
            self.assertEqual(sorted(arrived), sorted({"f5", *(f"f{number}" for number in range(20, 30))}))
        with self.open() as again:
            self.assertEqual(set(again.entries), {"f5", "f27"})
