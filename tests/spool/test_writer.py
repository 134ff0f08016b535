"""Writers: commit, abort, and the transaction that decides for them."""

from typing import Any

import transaction
from zope.interface.verify import verifyObject

from librarian.spool.interfaces import ISpoolWriter, NameTaken, SpoolError
from tests.spool.test_filestore import StoreCase


class TestWriter(StoreCase):
    def test_interface(self) -> None:
        with self.store.writer("a") as writer:
            verifyObject(ISpoolWriter, writer)

    def test_nothing_appears_before_the_end(self) -> None:
        with self.store.writer("a") as writer:
            writer.write("half")
            self.assertEqual((self.names("new"), self.names("tmp"), len(self.all_in_tmp())), ([], [], 1))
        self.assertEqual((self.names("new"), self.all_in_tmp()), (["a"], []))

    def test_an_error_forgets_the_file(self) -> None:
        with self.assertRaises(ZeroDivisionError), self.store.writer("a") as writer:
            writer.write(str(1 // 0))
        self.assertEqual((self.names("new"), self.all_in_tmp()), ([], []))

    def test_a_taken_name_forgets_the_file(self) -> None:
        self.write("a", "first")
        with self.assertRaises(NameTaken), self.store.writer("a") as writer:
            writer.write("second")
        self.assertEqual((self.read("new", "a"), self.all_in_tmp()), ("first", []))

    def test_replacing_on_purpose(self) -> None:
        self.write("a", "first")
        with self.store.writer("a", replace=True) as writer:
            writer.write("second")
        self.assertEqual(self.read("new", "a"), "second")

    def test_only_one_decision(self) -> None:
        writer = self.store.writer("a")
        writer.commit()
        self.assertRaises(SpoolError, writer.commit)
        self.assertRaises(SpoolError, writer.join, transaction.manager)
        writer.abort()
        self.assertEqual(self.names("new"), ["a"])


class FailingVote:
    """A data manager that votes no, after everybody else has voted yes."""

    def __init__(self, manager: Any) -> None:
        self.transaction_manager = manager

    def sortKey(self) -> str:
        return "~~"

    def tpc_vote(self, transaction: Any) -> None:
        raise RuntimeError("no")

    def nothing(self, transaction: Any) -> None:
        pass

    abort = tpc_begin = commit = tpc_finish = tpc_abort = nothing


class TestTransactions(StoreCase):
    def setUp(self) -> None:
        super().setUp()
        self.manager = transaction.TransactionManager()

    def spool(self, name: str, data: str, **options: Any) -> None:
        with self.store.writer(name, **options).join(self.manager) as writer:
            writer.write(data)

    def test_commit(self) -> None:
        self.spool("a", "one")
        self.spool("b", "two")
        self.assertEqual(self.names("new"), [])
        self.manager.commit()
        self.assertEqual((self.names("new"), self.all_in_tmp()), (["a", "b"], []))

    def test_abort(self) -> None:
        self.spool("a", "one")
        self.manager.abort()
        self.assertEqual((self.names("new"), self.all_in_tmp()), ([], []))

    def test_somebody_elses_no(self) -> None:
        self.spool("a", "one")
        self.manager.get().join(FailingVote(self.manager))
        self.assertRaises(RuntimeError, self.manager.commit)
        self.manager.abort()
        self.assertEqual((self.names("new"), self.all_in_tmp()), ([], []))

    def test_a_taken_name_fails_the_transaction(self) -> None:
        self.write("a", "first")
        self.spool("b", "other")
        self.spool("a", "second")
        self.assertRaises(NameTaken, self.manager.commit)
        self.manager.abort()
        self.assertEqual((self.names("new"), self.read("new", "a"), self.all_in_tmp()), (["a"], "first", []))

    def test_a_name_taken_after_the_vote_loses_nothing(self) -> None:
        self.spool("a", "ours")
        self.spool("a", "ours too")  # both find the name free when they vote
        with self.assertLogs("librarian.spool.filestore", "WARNING"):
            self.manager.commit()
        self.assertEqual(self.names("new"), ["a", "a.~2~"])
        self.assertEqual({self.read("new", name) for name in self.names("new")}, {"ours", "ours too"})

    def test_savepoint(self) -> None:
        writer = self.store.writer("a").join(self.manager)
        writer.write("kept")
        savepoint = self.manager.savepoint()
        writer.write(" and forgotten")
        savepoint.rollback()
        writer.write(" and added")
        self.manager.commit()
        self.assertEqual(self.read("new", "a"), "kept and added")

    def test_savepoint_of_a_closed_file(self) -> None:
        writer = self.store.writer("a").join(self.manager)
        writer.write("kept")
        savepoint = self.manager.savepoint()
        with writer:
            writer.write(" and forgotten")
        savepoint.rollback()
        self.manager.commit()
        self.assertEqual(self.read("new", "a"), "kept")

    def test_a_writer_begun_after_the_savepoint(self) -> None:
        savepoint = self.manager.savepoint()
        self.spool("a", "one")
        savepoint.rollback()
        self.manager.commit()
        self.assertEqual((self.names("new"), self.all_in_tmp()), ([], []))

    def test_an_error_in_the_block_leaves_the_transaction_without_it(self) -> None:
        with self.assertRaises(ZeroDivisionError):
            self.spool("a", str(1 // 0))
        with self.assertRaises(ZeroDivisionError), self.store.writer("a").join(self.manager):
            raise ZeroDivisionError
        self.manager.commit()
        self.assertEqual((self.names("new"), self.all_in_tmp()), ([], []))
