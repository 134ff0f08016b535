"""The connection that is kept for what is committed together, and sessions that begin on demand."""

import threading
import unittest
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import transaction
from persistent.mapping import PersistentMapping
from zope.component import getUtility

from librarian.tree import service
from librarian.tree.interfaces import ITree, TreeAway, TreeNotOpen
from librarian.tree.service import Tree
from tests.support.layers import Functional


class InTheTree(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.tree: Any = getUtility(ITree)
        self.tree.run(lambda: self.tree.root().update(notes=PersistentMapping()))
        transaction.begin()
        # The layer has a session open in this thread; these tests begin without one.
        self.enterContext(patch.object(self.tree, "_open", threading.local()))

    def notes(self) -> Any:
        return self.tree.root()["notes"]

    def write(self, name: str) -> None:
        self.notes()[name] = name

    def committed(self) -> list[str]:
        found: list[str] = self.tree.run_independently(lambda: sorted(self.notes()))
        return found


class Kept(InTheTree):
    def connection(self) -> Any:
        return self.notes()._p_jar

    def test_it_serves_one_commit_after_the_other(self) -> None:
        self.assertIs(self.tree.run_together(self.connection), self.tree.run_together(self.connection))

    def test_it_sees_what_others_committed(self) -> None:
        self.tree.run_together(lambda: self.write("a"))
        self.tree.run_independently(lambda: self.write("b"))
        self.assertEqual(self.tree.run_together(lambda: sorted(self.notes())), ["a", "b"])

    def test_what_failed_leaves_nothing_in_it(self) -> None:
        def fail() -> None:
            self.write("a")
            raise LookupError

        with self.assertRaises(LookupError):
            self.tree.run_together(fail)
        self.tree.run_together(lambda: self.write("b"))
        self.assertEqual(self.committed(), ["b"])

    def test_work_that_asks_for_more_gets_a_further_one(self) -> None:
        def outer() -> bool:
            self.write("a")
            inner = self.tree.run_together(self.connection)
            return inner is not self.connection()

        self.assertTrue(self.tree.run_together(outer))
        self.assertEqual(self.committed(), ["a"])

    def test_it_serves_any_thread(self) -> None:
        threads = [
            threading.Thread(target=self.tree.run_together, args=(lambda name=name: self.write(name),))
            for name in "abcdefgh"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.committed(), list("abcdefgh"))


class OnDemand(InTheTree):
    def test_it_begins_with_the_first_look(self) -> None:
        with self.tree.session_on_demand():
            self.tree.run_independently(lambda: self.write("a"))
            self.assertEqual(sorted(self.notes()), ["a"])
            self.tree.run_independently(lambda: self.write("b"))
            self.assertEqual(sorted(self.notes()), ["a"])
        with self.assertRaises(TreeNotOpen):
            self.tree.root()

    def test_what_it_did_not_commit_is_aborted(self) -> None:
        with self.tree.session_on_demand():
            self.write("a")
        self.assertEqual(self.committed(), [])

    def test_an_inner_session_is_the_same(self) -> None:
        with self.tree.session_on_demand():
            with self.tree.session() as root:
                root["notes"]["mine"] = 1
            with self.tree.session_on_demand():
                self.assertEqual(dict(self.notes()), {"mine": 1})
            self.tree.run(lambda: self.write("a"))
            self.assertEqual(sorted(self.notes()), ["a"])

    def test_inside_of_a_session_it_is_that_one(self) -> None:
        with self.tree.session():
            self.write("mine")
            with self.tree.session_on_demand():
                pass
            self.assertEqual(sorted(self.notes()), ["mine"])

    def test_what_is_done_apart_has_none_of_it(self) -> None:
        with self.tree.session_on_demand(), self.tree.apart():
            with self.assertRaises(TreeNotOpen):
                self.tree.root()
            with self.tree.session():
                own = self.notes()._p_jar
            self.assertIsNone(own.opened)  # given back


class Closing(unittest.TestCase):
    """A tree that is closed while another thread works with it, as a host does beside its periodic tasks."""

    def setUp(self) -> None:
        self.tree = Tree.from_uri("memory://")
        self.inside, self.closing = threading.Event(), threading.Event()
        self.seen: list[object] = []

    def work(self) -> None:
        with self.tree.session():
            self.inside.set()
            self.closing.wait(10)
            self.seen.append(self.tree.root()._p_jar is None)

    def close_beside(self, work: Callable[[], object]) -> None:
        thread = threading.Thread(target=work)
        thread.start()
        self.inside.wait(10)
        threading.Timer(0.05, self.closing.set).start()
        self.tree.close()
        thread.join(10)
        self.assertEqual(self.seen, [False])

    def test_a_session_is_waited_for(self) -> None:
        self.close_beside(self.work)

    def test_a_transaction_is_waited_for(self) -> None:
        self.close_beside(lambda: self.tree.run_independently(self.work))

    def test_nothing_begins_afterwards(self) -> None:
        self.tree.close()
        with self.assertRaises(TreeAway), self.tree.session():
            self.fail("a session of a closed tree")
        self.assertRaises(TreeAway, self.tree.run_independently, self.work)

    def test_ones_own_session_is_not_waited_for(self) -> None:
        with patch.object(service, "ENDING_SECONDS", 60), self.tree.session():
            self.tree.close()
