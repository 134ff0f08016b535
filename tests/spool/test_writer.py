"""Writers: commit, abort, and the transaction that decides for them."""

import os
import signal
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
            self.assertEqual((self.names("new"), self.names("tmp")), ([], []))
        self.assertEqual((self.names("new"), self.all_in_tmp()), (["a"], []))

    def test_an_error_forgets_the_file(self) -> None:
        with self.assertRaises(ZeroDivisionError), self.store.writer("a") as writer:
            writer.write(str(1 // 0))
        self.assertEqual((self.names("new"), self.all_in_tmp()), ([], []))

    def test_a_taken_name_is_refused_before_a_byte_is_taken(self) -> None:
        self.write("a", "first")
        self.assertRaises(NameTaken, self.store.writer, "a")
        self.assertEqual((self.read("new", "a"), self.all_in_tmp()), ("first", []))

    def test_two_writers_of_one_name(self) -> None:
        first = self.store.writer("a")
        first.write("first")
        self.assertRaises(NameTaken, self.store.writer, "a")
        with self.store.writer("b") as other:
            other.write("another name")
        first.abort()
        with self.store.writer("a") as second:
            second.write("second")
        self.assertEqual((self.read("new", "a"), self.all_in_tmp()), ("second", []))

    def test_replacing_while_another_writes(self) -> None:
        first = self.store.writer("a")
        first.write("first")
        with self.store.writer("a", replace=True) as second:
            second.write("second")
        self.assertRaises(NameTaken, first.commit)
        with self.assertLogs("librarian.spool.model.filestore", "WARNING"), first:
            pass
        self.assertEqual((self.read("new", "a"), self.read("new", "a.~2~")), ("second", "first"))

    def test_a_name_taken_by_a_program_that_knows_no_reservations(self) -> None:
        with self.assertLogs("librarian.spool.model.filestore", "WARNING"), self.store.writer("a") as writer:
            writer.write("ours")
            self.take("a", "theirs")
        self.assertEqual((self.read("new", "a"), self.read("new", "a.~2~")), ("theirs", "ours"))
        self.assertEqual(self.all_in_tmp(), [])

    def test_a_writer_that_was_killed_blocks_no_name(self) -> None:
        child = os.fork()
        if child == 0:
            writer = self.store.writer("a")
            writer.write("half")
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        with self.store.writer("a") as writer:
            writer.write("ours")
        self.assertEqual(self.names("new"), ["a"])

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
    """A data manager that votes no, after all others have voted yes."""

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

    def test_a_no_of_another_participant(self) -> None:
        self.spool("a", "one")
        self.manager.get().join(FailingVote(self.manager))
        self.assertRaises(RuntimeError, self.manager.commit)
        self.manager.abort()
        self.assertEqual((self.names("new"), self.all_in_tmp()), ([], []))

    def test_a_taken_name_fails_the_transaction(self) -> None:
        self.spool("b", "other")
        self.spool("a", "second")
        self.take("a", "first")
        self.assertRaises(NameTaken, self.manager.commit)
        self.manager.abort()
        self.assertEqual((self.names("new"), self.read("new", "a"), self.all_in_tmp()), (["a"], "first", []))

    def test_a_name_taken_after_the_vote_loses_nothing(self) -> None:
        self.spool("a", "ours")
        take = self.take

        class TakesTheName(FailingVote):
            def tpc_vote(self, transaction: Any) -> None:
                take("a", "theirs")

        self.manager.get().join(TakesTheName(self.manager))
        with self.assertLogs("librarian.spool.model.filestore", "WARNING"):
            self.manager.commit()
        self.assertEqual(self.names("new"), ["a", "a.~2~"])
        self.assertEqual((self.read("new", "a"), self.read("new", "a.~2~")), ("theirs", "ours"))

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
