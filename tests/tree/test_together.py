"""Work of several threads in one transaction: each has an outcome of its own."""

import json
import threading
import unittest
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from unittest.mock import patch

import transaction
from persistent.mapping import PersistentMapping
from ZODB.POSException import ConflictError
from zope.component import getUtility

from librarian.security.audit import record_at_commit, requests_from
from librarian.security.interaction import acting_as, current_principal
from librarian.security.principals import ScriptPrincipal
from librarian.tree.interfaces import CommitInterrupted, ITree, TreeAway
from librarian.tree.together import MOST, Together
from tests.support.layers import Functional

PATIENCE_SECONDS = 30.0

colour: ContextVar[str] = ContextVar("colour", default="none")


class Asked:
    """A thread that runs a piece of work; its outcome is a value or an error."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self._run = run
        self.value: Any = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self.value = self._run()
        except BaseException as error:  # noqa: BLE001  # also the interrupts
            self.error = error

    def join(self) -> "Asked":
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()
        return self


class InTheTree(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.tree: Any = getUtility(ITree)
        self.tree.run(lambda: self.tree.root().update(notes=PersistentMapping(), other=PersistentMapping()))
        transaction.begin()
        self.commits: list[list[str]] = []  # the names that were there after each commit
        self.together = Together(self._commit)

    def _commit(self, work: Callable[[], Any]) -> Any:
        value = self.tree.run_independently(work)
        self.commits.append(sorted(self.committed()))
        return value

    def committed(self) -> dict[str, str]:
        found: dict[str, str] = self.tree.run_independently(lambda: dict(self.notes()))
        return found

    def notes(self) -> Any:
        return self.tree.root()["notes"]

    def note(self, name: str) -> str:
        self.notes()[name] = name
        return name.upper()

    def ask(self, job: Callable[[], Any]) -> Any:
        return self.together.run(job)

    def behind(self, jobs: list[Callable[[], Any]]) -> list[Asked]:
        """Have `jobs` asked for, in this order, while another is being committed; all have ended."""
        begun, go_on = threading.Event(), threading.Event()

        def slow() -> None:
            begun.set()
            assert go_on.wait(PATIENCE_SECONDS)

        asked = [Asked(lambda: self.together.run(slow))]
        assert begun.wait(PATIENCE_SECONDS)
        for number, job in enumerate(jobs, 1):
            asked.append(Asked(lambda job=job: self.ask(job)))  # type: ignore[misc]
            while len(self.together._waiting) < number:
                pass
        go_on.set()
        return [one.join() for one in asked]

    def writer(self, name: str) -> Callable[[], str]:
        return lambda: self.note(name)


class Outcomes(InTheTree):
    def test_alone(self) -> None:
        here = threading.get_ident()
        self.assertEqual(self.together.run(lambda: (self.note("a"), threading.get_ident())), ("A", here))
        self.assertEqual(self.commits, [["a"]])

    def test_what_waits_is_one_commit(self) -> None:
        names = list("abcdefgh")
        asked = self.behind([self.writer(name) for name in names])
        self.assertEqual([one.value for one in asked], [None, *map(str.upper, names)])
        self.assertEqual(self.commits, [[], names])

    def test_at_most_so_many(self) -> None:
        names = [f"{number:03}" for number in range(MOST + 5)]
        self.behind([self.writer(name) for name in names])
        self.assertEqual([len(names) for names in self.commits], [0, MOST, MOST + 5])

    def test_one_of_eight_fails(self) -> None:
        def fail() -> None:
            self.note("half")
            raise LookupError("no such folder")

        jobs = [self.writer(name) for name in "abcdefg"]
        asked = self.behind([*jobs[:3], fail, *jobs[3:]])
        self.assertEqual([one.value for one in asked[1:]], ["A", "B", "C", None, "D", "E", "F", "G"])
        self.assertEqual(str(asked[4].error), "no such folder")
        self.assertEqual(sorted(self.committed()), list("abcdefg"))

    def test_all_fail(self) -> None:
        def fail(number: int) -> None:
            self.note(str(number))
            raise LookupError(number)

        asked = self.behind([lambda number=number: fail(number) for number in range(8)])  # type: ignore[misc]
        self.assertEqual([one.error.args for one in asked[1:] if one.error], [(n,) for n in range(8)])
        self.assertEqual(self.committed(), {})

    def test_an_error_that_only_the_others_caused(self) -> None:
        """The second of two that want the same name is told so when the first has been committed."""

        def take() -> str:
            if "a" in self.notes():
                raise ValueError("taken")
            return self.note("a")

        asked = self.behind([take, take])
        self.assertEqual([asked[1].value, str(asked[2].error)], ["A", "taken"])
        self.assertEqual(sorted(self.committed()), ["a"])

    def test_what_cannot_be_stored(self) -> None:
        """The error comes of the commit, and nothing tells whose it is."""

        def unfit() -> None:
            self.notes()["unfit"] = threading.Lock()

        asked = self.behind([self.writer("a"), unfit, self.writer("b")])
        self.assertEqual([one.value for one in asked[1:]], ["A", None, "B"])
        self.assertIsInstance(asked[2].error, TypeError)
        self.assertEqual(sorted(self.committed()), ["a", "b"])

    def test_an_aborting_one(self) -> None:
        """abort() in a piece of work would take away what the others before it did."""

        def abort() -> None:
            self.note("x")
            self.tree.current_transaction().doom()

        asked = self.behind([self.writer("a"), abort, self.writer("b")])
        self.assertEqual([one.value for one in asked[1:]], ["A", None, "B"])
        self.assertIsInstance(asked[2].error, transaction.interfaces.DoomedTransaction)
        self.assertEqual(sorted(self.committed()), ["a", "b"])

    def test_a_conflict_repeats_all(self) -> None:
        tries: list[str] = []

        def meets_another() -> str:
            tries.append("b")
            value = self.note("b")
            if len(tries) == 1:
                Asked(lambda: self.tree.run(lambda: self.note("from outside"))).join()
            return value

        asked = self.behind([self.writer("a"), meets_another, self.writer("c")])
        self.assertEqual([one.value for one in asked[1:]], ["A", "B", "C"])
        self.assertEqual(len(tries), 2)
        self.assertEqual(sorted(self.committed()), ["a", "b", "c", "from outside"])

    def test_conflicts_without_end(self) -> None:
        def never() -> None:
            raise ConflictError("always")

        with patch("time.sleep"):
            asked = self.behind([self.writer("a"), never, self.writer("b")])
        self.assertEqual([one.value for one in asked[1:]], ["A", None, "B"])
        self.assertIsInstance(asked[2].error, ConflictError)

    def test_a_database_that_is_away(self) -> None:
        """All are told; to ask for each alone could store it twice."""
        done: list[str] = []

        def away(work: Callable[[], Any]) -> None:
            self.tree.run_independently(work)
            if done:
                raise TreeAway()  # the answer to the commit was lost

        self.together = Together(away)
        asked = self.behind([lambda: done.append("a"), lambda: done.append("b")])
        self.assertEqual([type(one.error) for one in asked], [type(None), TreeAway, TreeAway])
        self.assertEqual(done, ["a", "b"])

    def test_work_that_asks_for_more(self) -> None:
        self.assertEqual(self.together.run(lambda: self.together.run(self.writer("a"))), "A")

    def test_many_threads(self) -> None:
        numbers = [
            Asked(lambda t=t: [self.together.run(self.writer(f"{t}/{n}")) for n in range(20)])  # type: ignore[misc]
            for t in range(32)
        ]
        for number, one in enumerate(numbers):
            self.assertEqual(one.join().value, [f"{number}/{n}" for n in range(20)])
        self.assertEqual(len(self.committed()), 640)
        self.assertFalse(self.together._is_led)


class Context(InTheTree):
    def ask(self, job: Callable[[], Any]) -> Any:
        name = job()
        colour.set(name)
        with acting_as(ScriptPrincipal(name, ())), requests_from(f"10.0.0.{len(name)}"):
            return self.together.run(lambda: (threading.get_ident(), self.record(name)))

    def record(self, name: str) -> str:
        record_at_commit(f"{name} was here")
        return f"{current_principal().id} {colour.get()}"

    def test_each_acts_for_its_own_principal(self) -> None:
        """Also where another thread does its work; so each line of the audit log names its own."""
        with self.assertLogs("librarian.audit") as audit:
            asked = self.behind([lambda: "ada", lambda: "rosa", lambda: "edward"])
        values = [one.value for one in asked[1:]]
        self.assertEqual(len({thread for thread, _found in values}), 1)
        self.assertEqual(
            [found for _thread, found in values],
            ["system:ada ada", "system:rosa rosa", "system:edward edward"],
        )
        lines = [json.loads(record.getMessage()) for record in audit.records]
        self.assertEqual(
            [(line["event"], line["by"], line["from"]) for line in lines],
            [
                ("ada was here", "system:ada", "10.0.0.3"),
                ("rosa was here", "system:rosa", "10.0.0.4"),
                ("edward was here", "system:edward", "10.0.0.6"),
            ],
        )

    def test_no_audit_line_of_what_failed(self) -> None:
        def fail() -> str:
            raise LookupError

        self.record = lambda name: fail() if name == "rosa" else Context.record(self, name)  # type: ignore[method-assign]
        with self.assertLogs("librarian.audit") as audit:
            self.behind([lambda: "ada", lambda: "rosa", lambda: "edward"])
        self.assertEqual(
            [json.loads(record.getMessage())["event"] for record in audit.records],
            ["ada was here", "edward was here"],
        )

    def test_the_callers_transaction_goes_on(self) -> None:
        with self.tree.session():
            self.tree.root()["other"]["mine"] = 1
            self.tree.run_together(self.writer("a"))
            transaction.abort()
            self.assertEqual((dict(self.tree.root()["other"]), dict(self.notes())), ({}, {"a": "a"}))


class Interrupted(InTheTree):
    def test_before_the_commit(self) -> None:
        """What waits beside the one that is interrupted goes with the next."""

        def interrupt() -> None:
            raise KeyboardInterrupt

        asked = self.behind([interrupt, self.writer("a"), self.writer("b")])
        self.assertIsInstance(asked[1].error, KeyboardInterrupt)
        self.assertEqual([one.value for one in asked[2:]], ["A", "B"])
        self.assertEqual(sorted(self.committed()), ["a", "b"])

    def test_in_the_commit(self) -> None:
        """It is not known whether it came about; to do it again could name a file twice."""
        number = 0

        def commit(work: Callable[[], Any]) -> Any:
            nonlocal number
            number += 1
            value = self.tree.run_independently(work)
            if number == 2:
                raise KeyboardInterrupt
            return value

        self.together = Together(commit)
        asked = self.behind([self.writer("a"), self.writer("b")])
        self.assertIsInstance(asked[1].error, KeyboardInterrupt)
        self.assertIsInstance(asked[2].error, CommitInterrupted)
        self.assertEqual(sorted(self.committed()), ["a", "b"])
        self.assertEqual(self.together.run(self.writer("c")), "C")

    def test_while_it_waits(self) -> None:
        """The others do not wait for one that has gone, nor is its work done."""

        def gone(job: Any) -> None:
            raise KeyboardInterrupt

        with patch("librarian.tree.together.Job.wait", gone):

            def slow() -> None:
                late = Asked(lambda: self.together.run(self.writer("late"))).join()
                self.assertIsInstance(late.error, KeyboardInterrupt)

            self.together.run(slow)
        self.assertEqual(self.together.run(self.writer("a")), "A")
        self.assertEqual(sorted(self.committed()), ["a"])
