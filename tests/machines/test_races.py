"""Concurrent calls: one event for each change, one machine for each job, in any order."""

import threading
import unittest
from collections.abc import Callable
from typing import Any

import transaction
from zope.component import getUtility

from librarian.machines.enums import (
    CodeImportMachineOfflineReason,
    CodeImportReviewStatus,
    RevisionControlSystem,
)
from librarian.machines.interfaces import ICodeImportMachineSet, ICodeImportSet, JobGone, WrongMachineState
from librarian.machines.scheduler.interfaces import ICodeImportScheduler
from librarian.security.interaction import acting_as
from librarian.security.principals import script_principal
from librarian.tree.interfaces import ITree
from tests.support.layers import Functional


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """What `work` returned or raised in each of `count` threads that begin together."""
    outcomes: list[Any] = [None] * count
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        barrier.wait()
        with acting_as(script_principal("importd")):
            try:
                outcomes[number] = getUtility(ITree).run(lambda: work(number))
            except Exception as error:  # noqa: BLE001  # the test looks at it
                outcomes[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


class Races(unittest.TestCase):
    layer = Functional

    def setUp(self) -> None:
        self.machines = getUtility(ICodeImportMachineSet)
        self.scheduler = getUtility(ICodeImportScheduler)
        self.machines.new("apollo")
        transaction.commit()

    def events(self) -> list[str]:
        transaction.begin()
        return [event.event_type.name for event in self.machines["apollo"].events]

    def test_of_twenty_threads_one_sets_the_machine_offline(self) -> None:
        reason = CodeImportMachineOfflineReason.STOPPED
        outcomes = in_threads(20, lambda number: self.machines["apollo"].setOffline(reason))
        refused = [outcome for outcome in outcomes if isinstance(outcome, WrongMachineState)]
        self.assertEqual((len(refused), outcomes.count(None)), (19, 1))
        self.assertEqual({str(error) for error in refused}, {"State of machine apollo was OFFLINE."})
        self.assertEqual(self.events(), ["ONLINE", "OFFLINE"])

    def test_watchdogs_a_person_and_the_daemon_at_once_make_one_event(self) -> None:
        Functional.world.clock.move(hours=1)

        def work(number: int) -> object:
            if number % 3 == 0:
                return self.scheduler.watch()
            if number % 3 == 1:
                return self.scheduler.leave("apollo")
            return self.machines["apollo"].setOffline(CodeImportMachineOfflineReason.STOPPED)

        in_threads(12, work)
        self.assertEqual(self.events(), ["ONLINE", "OFFLINE"])

    def test_a_heartbeat_before_the_watchdogs_commit_keeps_the_machine_online(self) -> None:
        """The second commit is decided on what the first one stored."""
        Functional.world.clock.move(hours=1)
        tree, held, go = getUtility(ITree), threading.Event(), threading.Event()
        found: list[list[str]] = []

        def watch() -> None:
            with acting_as(script_principal("importd")):
                turns: list[int] = []

                def work() -> list[str]:
                    hostnames: list[str] = self.scheduler.watch()
                    if not turns:
                        turns.append(1)
                        held.set()
                        go.wait(30)
                    return hostnames

                found.append(tree.run(work))

        watchdog = threading.Thread(target=watch)
        watchdog.start()
        held.wait(30)
        tree.run(lambda: self.scheduler.getJobForMachine("apollo", 1))
        go.set()
        watchdog.join()
        self.assertEqual((found, self.events()), ([[]], ["ONLINE"]))

    def test_ten_machines_get_each_of_twenty_jobs_once(self) -> None:
        imports = getUtility(ICodeImportSet)
        for number in range(20):
            imports.new(
                f"import-{number}",
                RevisionControlSystem.GIT,
                "https://example.com/x",
                "sam",
                review_status=CodeImportReviewStatus.REVIEWED,
            )
        transaction.commit()

        def work(number: int) -> list[str]:
            taken = [self.scheduler.getJobForMachine(f"machine-{number}", 2) for _turn in range(3)]
            return [job.code_import for job in taken if job is not None]

        outcomes = in_threads(10, work)
        self.assertEqual([len(taken) for taken in outcomes], [2] * 10)
        self.assertEqual(len({name for taken in outcomes for name in taken}), 20)

    def test_a_stale_job_is_reclaimed_once(self) -> None:
        getUtility(ICodeImportSet).new(
            "gimp",
            RevisionControlSystem.GIT,
            "https://example.com/x",
            "sam",
            review_status=CodeImportReviewStatus.REVIEWED,
        )
        job = self.scheduler.getJobForMachine("apollo", 1)
        self.scheduler.startJob(job.id, "apollo")
        transaction.commit()
        Functional.world.clock.move(seconds=301)
        in_threads(8, lambda number: self.scheduler.getJobForMachine(f"machine-{number}", 0))
        self.assertEqual(self.events(), ["ONLINE", "START", "RECLAIM"])
        with self.assertRaises(JobGone):
            self.scheduler.updateHeartbeat(job.id, "apollo", "late")
