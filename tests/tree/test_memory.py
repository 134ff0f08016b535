"""The transactions that a FileStorage of ours remembers, and those it gathers in memory."""

import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

import transaction
from persistent.mapping import PersistentMapping
from ZODB.DB import DB
from ZODB.POSException import ConflictError

from librarian.tree.filestorage import memory
from librarian.tree.filestorage.datafile import DataFile

SUM = "librarian.tree.filestorage.datafile.sum_of"


class Remembering(unittest.TestCase):
    def setUp(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.path = folder / "Data.fs"
        self.storage: Any = DataFile(self.path)
        self.database = DB(self.storage)
        self.addCleanup(self.database.close)
        with self.database.transaction() as connection:
            connection.root()["one"] = PersistentMapping(n=0)

    def write(self, **values: Any) -> None:
        with self.database.transaction() as connection:
            connection.root()["one"].update(values)

    def values(self) -> dict[str, Any]:
        with self.database.transaction() as connection:
            return dict(connection.root()["one"])

    def headers_read(self) -> int:
        """The headers that a change of an object reads from the file."""
        with mock.patch.object(self.storage, "_file", wraps=self.storage._file) as file:
            self.write(n=1)
        return int(file.read.call_count)

    def test_what_was_stored_last_is_not_asked_for(self) -> None:
        self.assertEqual(self.headers_read(), 0)
        self.storage._serials.clear()
        self.assertEqual(self.headers_read(), 1)

    def test_a_conflict_is_one(self) -> None:
        mine, other = transaction.TransactionManager(), self.database
        connection = other.open(mine)
        connection.root()["one"]["n"] = 5
        self.write(n=7)
        with self.assertRaises(ConflictError):
            mine.commit()
        mine.abort()
        connection.close()
        self.assertEqual(self.values(), {"n": 7})

    def test_what_was_undone_is_forgotten(self) -> None:
        self.write(n=7)
        stale = transaction.TransactionManager()
        connection = self.database.open(stale)
        connection.root()["one"]["n"] = 5  # as it was before the change is undone
        self.database.undo(self.database.undoInfo()[0]["id"])
        transaction.commit()
        with self.assertRaises(ConflictError):
            stale.commit()
        stale.abort()
        connection.close()
        self.assertEqual(self.values(), {"n": 0})

    def test_what_was_aborted_is_not_remembered(self) -> None:
        with self.assertRaises(LookupError), mock.patch(SUM, side_effect=LookupError):
            self.write(n=7)
        self.write(n=8)
        self.assertEqual(self.values(), {"n": 8})

    def test_it_is_bounded(self) -> None:
        with mock.patch.object(memory, "MOST_REMEMBERED", 10):
            for number in range(30):
                with self.database.transaction() as connection:
                    connection.root()[f"k{number}"] = PersistentMapping()
                self.assertLessEqual(len(self.storage._serials), 10)

    def test_a_pack_changes_nothing(self) -> None:
        self.write(n=7)
        self.database.pack()
        self.write(n=8)
        self.assertEqual(self.values(), {"n": 8})

    def test_a_transaction_of_more_than_fits_is_gathered_in_a_file(self) -> None:
        self.write(large=b"x" * (memory.GATHERED + 1))
        self.assertEqual(len(self.values()["large"]), memory.GATHERED + 1)
        self.assertIsNone(self.storage._tfile.name)  # and the next one in memory again
        self.write(large=b"")
        self.assertEqual(self.values()["large"], b"")

    def test_a_trace_stays_of_it(self) -> None:
        self.assertEqual(Path(f"{self.path}.tmp").read_bytes(), memory.TRACE)
