"""Copies of the tree, as of an earlier transaction."""

import tempfile
import unittest
from pathlib import Path

import transaction
from ZODB.DB import DB
from ZODB.FileStorage import FileStorage

from librarian.tree.copying import copy_transactions, open_copy


class AsOfATransaction(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "copy.fs"
        database = DB(FileStorage(str(self.path.with_name("Data.fs"))))
        self.addCleanup(database.close)
        self.addCleanup(transaction.abort)
        connection = database.open()
        self.ids = []
        for number in range(4):
            connection.root()["number"] = number
            transaction.commit()
            self.ids.append(database.lastTransaction())
        connection.close()
        copy_transactions(database.storage, self.path, lambda: None)

    def test_the_last_transaction_is_the_one_that_was_asked_for(self) -> None:
        for number, tid in enumerate(self.ids):
            with self.subTest(number), open_copy(self.path, tid) as copy:
                self.assertEqual((copy.last, copy.root["number"]), (tid, number))

    def test_without_one_it_is_the_newest(self) -> None:
        with open_copy(self.path) as copy:
            self.assertEqual((copy.last, copy.root["number"]), (self.ids[-1], 3))
