"""Steps of the wall clock and outages of the service: a live machine keeps its job."""

import unittest
from datetime import timedelta
from typing import Any

import transaction
from zope.component import getUtility

from librarian.interfaces import IClock
from librarian.machines.interfaces import ICodeImportSet
from librarian.machines.scheduler.interfaces import ICodeImportScheduler
from librarian.machines.scheduler.leases import SteadyClock
from librarian.machines.scheduler.service import CodeImportScheduler
from tests.support.documents.machines import new_import
from tests.support.layers import Functional
from tests.support.world import HandMovedClock

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Comparing(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = HandMovedClock()
        self.steady = SteadyClock(self.clock)

    def test_passing_time_is_no_step(self) -> None:
        for _turn in range(100):
            self.clock.move(minutes=7)
            self.assertFalse(self.steady.stepped_within(HOUR))
        self.assertEqual(self.steady.steady_for(), 700 * MINUTE)

    def test_a_clock_that_is_slewed_is_not_stepped(self) -> None:
        for _turn in range(100):
            self.clock.move(seconds=60)
            self.clock.step(seconds=5)
            self.assertFalse(self.steady.stepped_within(HOUR))

    def test_steps_forward_and_back_are_noticed(self) -> None:
        for minutes in (20, -20):
            with self.subTest(minutes=minutes):
                self.clock.step(minutes=minutes)
                self.assertTrue(self.steady.stepped_within(HOUR))
                self.assertEqual(self.steady.steady_for(), 0 * MINUTE)
                self.clock.move(minutes=59)
                self.assertTrue(self.steady.stepped_within(HOUR))
                self.clock.move(minutes=1)
                self.assertFalse(self.steady.stepped_within(HOUR))
                self.assertEqual(self.steady.steady_for(), HOUR)


class Leases(unittest.TestCase):
    """Two machines and a job that one of them has, under a scheduler of our own."""

    layer = Functional

    def setUp(self) -> None:
        self.clock: Any = getUtility(IClock)
        self.scheduler = CodeImportScheduler()
        new_import("gimp")
        self.scheduler.arrive("apollo")
        self.scheduler.arrive("boris")
        job = self.scheduler.getJobForMachine("apollo", 1)
        assert job is not None
        self.job_id = job.id
        self.scheduler.startJob(self.job_id, "apollo")
        transaction.commit()

    def machine_of_job(self) -> str | None:
        job = getUtility(ICodeImportSet)["gimp"].import_job
        return job.machine if job.id == self.job_id else None

    def minutes(self, count: int, alive: bool) -> None:
        """Let time pass; each minute boris asks for work, and apollo, if it is alive, reports."""
        for _minute in range(count):
            self.clock.move(minutes=1)
            if alive:
                self.scheduler.updateHeartbeat(self.job_id, "apollo", "")
            self.scheduler.getJobForMachine("boris", 0)

    def test_after_a_step_forward_a_live_machine_keeps_its_job(self) -> None:
        for minutes in (20, 600, -600, 20):
            with self.subTest(minutes=minutes):
                self.minutes(3, alive=True)
                self.clock.step(minutes=minutes)
                self.scheduler.getJobForMachine("boris", 0)
                self.scheduler.watch()
                self.assertEqual(self.machine_of_job(), "apollo")
                self.minutes(10, alive=True)
                self.assertEqual(self.machine_of_job(), "apollo")

    def test_after_a_step_forward_a_dead_machine_loses_its_job(self) -> None:
        self.clock.step(minutes=20)
        self.minutes(5, alive=False)
        self.assertEqual(self.machine_of_job(), "apollo")
        self.minutes(2, alive=False)
        self.assertIsNone(self.machine_of_job())

    def test_after_an_outage_leases_get_time_to_be_renewed(self) -> None:
        self.clock.move(hours=1)
        self.scheduler = CodeImportScheduler()  # the service starts again
        self.scheduler.getJobForMachine("boris", 0)
        self.assertEqual(self.machine_of_job(), "apollo")
        self.minutes(4, alive=True)
        self.minutes(4, alive=False)
        self.assertEqual(self.machine_of_job(), "apollo")
        self.minutes(2, alive=False)
        self.assertIsNone(self.machine_of_job())

    def test_a_stop_a_step_and_a_kill_do_not_delay_the_import(self) -> None:
        self.scheduler.leave("apollo")
        job = self.scheduler.getJobForMachine("boris", 1)
        assert job is not None
        self.scheduler.startJob(job.id, "boris")
        self.clock.step(minutes=20)
        self.scheduler.watch()
        self.scheduler.arrive("boris")  # its daemon was killed and started again
        again = getUtility(ICodeImportSet)["gimp"].import_job
        self.assertEqual((again.state.name, again.date_due), ("PENDING", self.clock.now()))

    def test_the_utility_does_not_judge_after_its_start(self) -> None:
        scheduler = getUtility(ICodeImportScheduler)
        scheduler.getJobForMachine("boris", 0)
        self.clock.step(minutes=20)
        scheduler.getJobForMachine("boris", 0)
        self.assertEqual(self.machine_of_job(), "apollo")
