"""Work that is committed together while no thread waits for it."""

import json
import threading
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from librarian.security.audit import record_event, requests_from
from librarian.security.interaction import acting_as, current_principal
from librarian.security.principals import ScriptPrincipal
from librarian.tree import together
from librarian.tree.interfaces import CommitInterrupted
from tests.tree.test_together import PATIENCE_SECONDS, Asked, InTheTree


class Ended:
    """The outcome of postponed work, when it is known."""

    def __init__(self) -> None:
        self.value: Any = None
        self.error: BaseException | None = None
        self.thread = 0
        self._ended = threading.Event()

    def __call__(self, outcome: Callable[[], Any]) -> None:
        assert not self._ended.is_set()
        self.thread = threading.get_ident()
        try:
            self.value = outcome()
        except BaseException as error:  # noqa: BLE001  # whatever there is
            self.error = error
        self._ended.set()

    def wait(self) -> "Ended":
        assert self._ended.wait(PATIENCE_SECONDS)
        return self


class Postponed(InTheTree):
    def begin(self, work: Callable[[], Any]) -> Ended:
        ended = Ended()
        self.together.postponed(work)(ended)
        return ended

    def meanwhile(self, ask: Callable[[], object]) -> Asked:
        """Do `ask` in this thread while a commit runs in another, which has ended."""
        begun, go_on = threading.Event(), threading.Event()

        def slow() -> None:
            begun.set()
            assert go_on.wait(PATIENCE_SECONDS)

        leader = Asked(lambda: self.together.run(slow))
        assert begun.wait(PATIENCE_SECONDS)
        ask()
        go_on.set()
        return leader.join()

    def test_alone_it_is_committed_at_once_in_the_same_thread(self) -> None:
        ended = self.begin(self.writer("a"))
        self.assertEqual((ended.value, ended.thread), ("A", threading.get_ident()))
        self.assertEqual(self.commits, [["a"]])

    def test_no_thread_waits_and_all_that_came_are_one_commit(self) -> None:
        ended: list[Ended] = []
        self.meanwhile(lambda: ended.extend(self.begin(self.writer(name)) for name in "abcdefgh"))
        self.assertEqual([one.wait().value for one in ended], list("ABCDEFGH"))
        self.assertEqual(self.commits, [[], list("abcdefgh")])

    def test_one_that_waits_in_its_thread_commits_them_too(self) -> None:
        ended: list[Ended] = []
        waiting: list[Asked] = []

        def ask() -> None:
            ended.extend(self.begin(self.writer(f"{number:03}")) for number in range(together.MOST))
            waiting.append(Asked(lambda: self.together.run(self.writer("w"))))
            while len(self.together._waiting) <= together.MOST:
                pass

        self.meanwhile(ask)
        self.assertEqual(waiting[0].join().value, "W")
        self.assertEqual([one.wait().error for one in ended], [None] * together.MOST)
        self.assertEqual(len(self.committed()), together.MOST + 1)

    def test_a_free_thread_commits_until_none_waits(self) -> None:
        """What is postponed in a commit needs no other thread."""
        later: list[Ended] = []

        def first() -> str:
            later.append(self.begin(self.writer("b")))
            return self.note("a")

        ended = self.begin(first)
        self.assertEqual((ended.value, later[0].wait().value), ("A", "B"))
        self.assertEqual(later[0].thread, threading.get_ident())
        self.assertEqual(self.commits, [["a"], ["a", "b"]])

    def test_each_has_its_own_outcome(self) -> None:
        def fail() -> None:
            self.note("half")
            raise LookupError("no such folder")

        ended: list[Ended] = []
        jobs = [self.writer("a"), fail, self.writer("b")]
        self.meanwhile(lambda: ended.extend(map(self.begin, jobs)))
        self.assertEqual([one.wait().value for one in ended], ["A", None, "B"])
        self.assertEqual(str(ended[1].error), "no such folder")
        self.assertEqual(sorted(self.committed()), ["a", "b"])

    def test_what_is_told_of_the_outcome_is_told_for_its_principal(self) -> None:
        told: list[str] = []

        def begin(name: str) -> None:
            with acting_as(ScriptPrincipal(name, ())), requests_from("10.0.0.1"):
                start = self.together.postponed(self.writer(name))

            def ended(outcome: Callable[[], Any]) -> None:
                record_event(f"{outcome()} was named")
                told.append(current_principal().id)

            start(ended)

        with self.assertLogs("librarian.audit") as audit:
            self.meanwhile(lambda: list(map(begin, ("ada", "rosa"))))
            self.together.run(lambda: None)
        self.assertEqual(sorted(told), ["system:ada", "system:rosa"])
        lines = [json.loads(record.getMessage()) for record in audit.records]
        self.assertEqual([line["by"] for line in lines], told)
        self.assertEqual({line["from"] for line in lines}, {"10.0.0.1"})

    def test_one_that_cannot_be_told_does_not_keep_the_others_from_it(self) -> None:
        def breaks(outcome: Callable[[], Any]) -> None:
            raise ValueError("no connection")

        ended: list[Ended] = []

        def ask() -> None:
            self.together.postponed(self.writer("a"))(breaks)
            ended.append(self.begin(self.writer("b")))

        with self.assertLogs("librarian.tree.together", "ERROR"):
            self.meanwhile(ask)
            self.assertEqual(ended[0].wait().value, "B")
        self.assertEqual(sorted(self.committed()), ["a", "b"])

    def test_beyond_a_number_the_thread_waits(self) -> None:
        ended: list[Ended] = []
        late: list[Asked] = []

        def ask() -> None:
            ended.extend(self.begin(self.writer(name)) for name in "ab")
            late.append(Asked(lambda: self.begin(self.writer("c"))))
            while len(self.together._waiting) < 3:
                pass
            self.assertTrue(late[0]._thread.is_alive())

        with patch.object(together, "MOST_POSTPONED", 2):
            self.meanwhile(ask)
            self.assertEqual(late[0].join().value.value, "C")

    def test_one_that_interrupts_its_thread(self) -> None:
        """It ends, is not done again, and the others are committed."""

        def interrupt() -> None:
            raise SystemExit

        ended: list[Ended] = []
        with patch("threading.excepthook"):
            self.meanwhile(lambda: ended.extend(map(self.begin, [interrupt, self.writer("b")])))
            self.assertIsInstance(ended[0].wait().error, CommitInterrupted)
            self.assertEqual(ended[1].wait().value, "B")

    def test_an_interrupt_in_the_commit(self) -> None:
        number = 0

        def commit(work: Callable[[], Any]) -> Any:
            nonlocal number
            number += 1
            value = self.tree.run_independently(work)
            if number == 2:
                raise SystemExit
            return value

        self.together = together.Together(commit)
        ended: list[Ended] = []
        with patch("threading.excepthook"):
            self.meanwhile(lambda: ended.extend(map(self.begin, [self.writer("a"), self.writer("b")])))
            self.assertEqual([type(one.wait().error) for one in ended], [CommitInterrupted] * 2)
        self.assertEqual(self.together.run(self.writer("c")), "C")

    def test_many_threads_of_both_kinds(self) -> None:
        ended: list[Ended] = []

        def work(thread: int) -> None:
            for number in range(20):
                if (thread + number) % 3:
                    ended.append(self.begin(self.writer(f"{thread}/{number}")))
                else:
                    self.together.run(self.writer(f"{thread}/{number}"))

        threads = [Asked(lambda thread=thread: work(thread)) for thread in range(16)]  # type: ignore[misc]
        self.assertEqual([one.join().error for one in threads], [None] * 16)
        self.assertEqual({one.wait().error for one in ended}, {None})
        self.assertEqual(len(self.committed()), 320)
        self.together.run(lambda: None)
        self.assertFalse(self.together._waiting)
