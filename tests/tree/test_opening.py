"""The tree under conflict, nesting and version skew."""

import threading
import unittest
from typing import Any
from unittest import mock

import transaction
from persistent.mapping import PersistentMapping
from transaction.interfaces import TransientError
from ZODB.DB import DB
from ZODB.MappingStorage import MappingStorage
from zope.component import getGlobalSiteManager

from librarian.tree.interfaces import ISubtree, TreeNotOpen, TreeTooNew, TreeUnavailable
from librarian.tree.opening import open_database
from librarian.tree.retrying import ATTEMPTS, retrying
from librarian.tree.service import Tree
from librarian.tree.subtree import Subtree


def memory_tree() -> Tree:
    return Tree(DB(MappingStorage()))


class WithSubtree(unittest.TestCase):
    """A tree with one subtree, `shelf`, whose registration ends with the test."""

    def register(self, subtree: Subtree) -> None:
        registry = getGlobalSiteManager()
        registry.registerUtility(subtree, ISubtree, subtree.name)
        self.addCleanup(registry.unregisterUtility, subtree, ISubtree, subtree.name)

    def setUp(self) -> None:
        self.register(Subtree("shelf", PersistentMapping))
        self.tree = memory_tree()
        self.addCleanup(self.tree.close)
        self.tree.bring_up_to_date()


class Sessions(WithSubtree):
    def test_without_a_session_there_is_no_root(self) -> None:
        self.assertRaises(TreeNotOpen, self.tree.root)

    def test_sessions_nest_and_the_outermost_ends_them(self) -> None:
        with self.tree.session() as outer:
            with self.tree.session() as inner:
                self.assertIs(outer, inner)
            self.assertIs(outer, self.tree.root())
        self.assertRaises(TreeNotOpen, self.tree.root)

    def test_leaving_a_session_aborts(self) -> None:
        with self.tree.session():
            self.tree.subtree("shelf")["left"] = 1
        with self.tree.session():
            self.assertNotIn("left", self.tree.subtree("shelf"))

    def test_each_thread_has_its_own(self) -> None:
        seen: list[BaseException] = []

        def elsewhere() -> None:
            try:
                self.tree.root()
            except TreeNotOpen as error:
                seen.append(error)

        with self.tree.session():
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
        self.assertEqual(len(seen), 1)

    def test_an_unknown_scheme_is_refused_without_showing_the_password(self) -> None:
        with self.assertRaises(TreeUnavailable) as caught:
            open_database("gopher://me:secret@example.com/db")
        self.assertIn("gopher://", str(caught.exception))
        self.assertNotIn("secret", str(caught.exception))


class Runs(WithSubtree):
    def test_conflicts_are_tried_again_until_all_are_committed(self) -> None:
        def add(name: str) -> None:
            def work() -> None:
                shelf = self.tree.subtree("shelf")
                shelf["count"] = shelf.get("count", 0) + 1

            for _turn in range(20):
                self.tree.run(work)

        threads = [threading.Thread(target=add, args=(str(n),)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with self.tree.session():
            self.assertEqual(self.tree.subtree("shelf")["count"], 80)

    def test_attempts_are_limited(self) -> None:
        calls: list[int] = []

        def hopeless() -> None:
            calls.append(1)
            raise TransientError("again")

        with mock.patch("librarian.tree.retrying.time.sleep"):
            self.assertRaises(TransientError, retrying, hopeless)
        self.assertEqual(len(calls), ATTEMPTS)

    def test_other_errors_abort_and_pass(self) -> None:
        def work() -> None:
            self.tree.subtree("shelf")["half"] = 1
            raise ZeroDivisionError

        self.assertRaises(ZeroDivisionError, self.tree.run, work)
        with self.tree.session():
            self.assertNotIn("half", self.tree.subtree("shelf"))

    def test_an_independent_transaction_survives_the_callers_abort(self) -> None:
        def work() -> None:
            self.assertNotIn("mine", self.tree.subtree("shelf"))
            self.tree.subtree("shelf")["token"] = 1

        with self.tree.session():
            self.tree.subtree("shelf")["mine"] = 1
            self.tree.run_independently(work)
            self.assertIn("mine", self.tree.subtree("shelf"))
            transaction.abort()
            self.assertEqual(dict(self.tree.subtree("shelf")), {"token": 1})


class Evolution(WithSubtree):
    def test_an_old_subtree_runs_the_steps_it_lacks_in_order(self) -> None:
        def note(word: str) -> Any:
            return lambda subtree: subtree.update(words=subtree.get("words", "") + word)

        self.register(Subtree("shelf", PersistentMapping, [note("a"), note("b")]))
        self.tree.bring_up_to_date()
        self.tree.bring_up_to_date()
        with self.tree.session():
            self.assertEqual(self.tree.subtree("shelf")["words"], "ab")

    def test_a_failing_step_stops_the_start_and_is_run_again(self) -> None:
        def broken(subtree: Any) -> None:
            raise ZeroDivisionError

        self.register(Subtree("shelf", PersistentMapping, [broken]))
        self.assertRaises(Exception, self.tree.bring_up_to_date)  # noqa: B017  # what the step raised
        self.register(Subtree("shelf", PersistentMapping, [lambda subtree: subtree.update(done=1)]))
        self.tree.bring_up_to_date()
        with self.tree.session():
            self.assertEqual(self.tree.subtree("shelf")["done"], 1)

    def test_a_newer_database_is_refused_by_name(self) -> None:
        self.register(Subtree("shelf", PersistentMapping, [lambda subtree: None] * 3))
        self.tree.bring_up_to_date()
        self.register(Subtree("shelf", PersistentMapping, [lambda subtree: None]))
        with self.assertRaises(TreeTooNew) as caught:
            self.tree.bring_up_to_date()
        self.assertEqual(
            (caught.exception.subtree, caught.exception.found, caught.exception.known), ("shelf", 3, 1)
        )
