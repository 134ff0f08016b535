"""Jobs: which machine gets which, leases, results, and late workers."""

import unittest
from datetime import timedelta

from librarian.machines.editing import delete_import, edit_import
from librarian.machines.enums import (
    CodeImportEventDataType,
    CodeImportJobState,
    CodeImportMachineOfflineReason,
    CodeImportMachineState,
    CodeImportResultStatus,
    CodeImportReviewStatus,
)
from librarian.machines.interfaces import JobGone, NotRequestable, WrongJobState, WrongMachineState
from librarian.machines.jobs import (
    LOGTAIL_CHARACTERS,
    finish_job,
    job_heartbeat,
    kill_job,
    reclaim_stale_jobs,
    request_job,
    start_job,
)
from librarian.machines.model.events import ChangeContext
from librarian.machines.model.imports import RESULTS_KEPT, CodeImport, CodeImportJob
from librarian.machines.transitions import set_offline, set_online, set_quiescing
from tests.machines.world import START, World, seconds

HOURS = timedelta(hours=1)


class WithWorld(unittest.TestCase):
    def setUp(self) -> None:
        self.world = World()
        self.registry = self.world.registry

    def job_of(self, code_import: CodeImport) -> CodeImportJob:
        assert code_import.job_id is not None
        job: CodeImportJob = self.registry.jobs[code_import.job_id]
        return job

    def assert_sound(self) -> None:
        """The invariants: each job is in one place, and its import refers to it."""
        waiting = {key[2] for key in self.registry.queue}
        placed = [job_id for machine in self.registry.machines.values() for job_id in machine.job_ids]
        self.assertEqual(sorted([*waiting, *placed]), list(self.registry.jobs))
        for job in self.registry.jobs.values():
            self.assertEqual(self.registry.imports[job.code_import].job_id, job.id)
            self.assertEqual(job.state is CodeImportJobState.PENDING, job.id in waiting)
        for machine in self.registry.machines.values():
            if machine.state is CodeImportMachineState.OFFLINE:
                self.assertEqual(machine.job_ids, ())

    def tearDown(self) -> None:
        self.assert_sound()


class Allocation(WithWorld):
    def test_an_unknown_machine_is_registered_and_gets_a_job(self) -> None:
        self.world.code_import()
        job = self.world.take("new.example.com")
        self.assertEqual(job and job.code_import, "gimp")
        self.assertIs(self.registry.machines["new.example.com"].state, CodeImportMachineState.ONLINE)

    def test_no_job_is_given_before_it_is_due(self) -> None:
        self.world.code_import()
        self.world.now -= seconds(1)
        self.assertIsNone(self.world.take())
        self.world.now += seconds(1)
        self.assertIsNotNone(self.world.take())

    def test_requested_first_then_the_most_overdue(self) -> None:
        for number in (3, 1, 4, 2):
            self.world.now = START + number * HOURS
            self.world.code_import(f"import-{number}")
        self.world.now = START + 10 * HOURS
        request_job(self.registry, self.registry.imports["import-3"], self.world.context("sam"))
        order = [self.world.take() for _turn in range(4)]
        self.assertEqual(
            [job.code_import for job in order if job], ["import-3", "import-1", "import-2", "import-4"]
        )

    def test_a_job_is_given_to_one_machine(self) -> None:
        self.world.code_import()
        self.assertIsNotNone(self.world.take("apollo"))
        self.assertIsNone(self.world.take("boris"))

    def test_the_limit_counts_scheduled_and_running_jobs(self) -> None:
        for number in range(4):
            self.world.code_import(f"import-{number}")
        self.world.run()
        self.assertIsNotNone(self.world.take(limit=2))
        self.assertIsNone(self.world.take(limit=2))

    def test_only_reviewed_imports_have_a_job(self) -> None:
        for status in CodeImportReviewStatus:
            self.world.code_import(f"import-{status.value}", review_status=status)
        self.assertEqual([job.code_import for job in self.registry.jobs.values()], ["import-20"])


class Lease(WithWorld):
    """300 seconds, from the moment of being given, and anew with each heartbeat."""

    def test_299_seconds_keep_a_job_and_301_lose_it(self) -> None:
        for beat in (False, True):
            with self.subTest(beat=beat):
                self.setUp()
                code_import = self.world.code_import()
                job = self.world.run()
                if beat:
                    self.world.now += seconds(200)
                    job_heartbeat(job, "still here", self.world.context())
                self.world.now += seconds(299)
                self.assertEqual(reclaim_stale_jobs(self.registry, self.world.context()), [])
                job_heartbeat(job, "and still", self.world.context())
                self.world.now += seconds(301)
                fresh = reclaim_stale_jobs(self.registry, self.world.context())
                self.assertEqual([job.code_import for job in fresh], ["gimp"])
                self.assertEqual(fresh[0].date_due, self.world.now)
                self.assertNotEqual(fresh[0].id, job.id)
                self.assertEqual([result.status.name for result in code_import.results], ["RECLAIMED"])

    def test_all_reports_of_a_late_worker_are_refused(self) -> None:
        code_import = self.world.code_import()
        late = self.world.run("apollo")
        self.world.now += seconds(301)
        current = self.world.run("boris")
        with self.assertRaises(JobGone) as caught:
            self.registry.job_of_machine(late.id, "apollo")
        self.assertEqual(caught.exception.job_id, late.id)
        # Nor may a machine report on the job of another one.
        self.assertRaises(JobGone, self.registry.job_of_machine, current.id, "apollo")
        self.assertIs(self.registry.job_of_machine(current.id, "boris"), current)
        self.assertEqual([result.status.name for result in code_import.results], ["RECLAIMED"])

    def test_the_late_worker_may_get_the_new_job(self) -> None:
        self.world.code_import()
        late = self.world.run()
        self.world.now += seconds(301)
        again = self.world.run()
        self.assertNotEqual(again.id, late.id)
        self.assertRaises(JobGone, self.registry.job_of_machine, late.id, "apollo")

    def test_the_event_of_a_reclaim_names_the_job(self) -> None:
        self.world.code_import()
        job = self.world.run()
        self.world.now += seconds(301)
        reclaim_stale_jobs(self.registry, self.world.context())
        event = self.registry.events.of_machine("apollo")[-1]
        self.assertEqual(event.items(), [(CodeImportEventDataType.RECLAIMED_JOB_ID, str(job.id))])
        self.assertEqual((event.event_type.name, event.code_import), ("RECLAIM", "gimp"))

    def test_a_scheduled_job_is_reclaimed_without_a_result(self) -> None:
        code_import = self.world.code_import()
        self.world.take()
        self.world.now += seconds(301)
        reclaim_stale_jobs(self.registry, self.world.context())
        self.assertEqual(code_import.results, [])
        self.assertIs(self.job_of(code_import).state, CodeImportJobState.PENDING)

    def test_the_third_reclaim_in_a_row_makes_the_job_wait(self) -> None:
        code_import = self.world.code_import()
        waits = []
        for _turn in range(4):
            self.world.run()
            self.world.now += seconds(301)
            reclaim_stale_jobs(self.registry, self.world.context())
            waits.append((self.job_of(code_import).date_due - self.world.now) // HOURS)
            self.world.now += 7 * HOURS
        self.assertEqual(waits, [0, 0, 6, 6])

    def test_a_stop_in_good_order_does_not_count_as_a_reclaim(self) -> None:
        """Two machines lost to the job, a stop between them, and the next job is due at once."""
        code_import = self.world.code_import()
        for _turn in range(2):
            self.world.run()
            self.world.now += seconds(301)
            reclaim_stale_jobs(self.registry, self.world.context())
        for reason in (CodeImportMachineOfflineReason.STOPPED, CodeImportMachineOfflineReason.QUIESCED):
            with self.subTest(reason.name):
                self.world.run("boris")
                machine = self.registry.machines["boris"]
                set_offline(self.registry, machine, reason, self.world.context())
                self.assertEqual(self.job_of(code_import).date_due, self.world.now)
                self.assertEqual(code_import.consecutive_reclaims, 2)
                self.assertEqual(code_import.results[-1].status.name, "RECLAIMED")
                set_online(self.registry, machine, self.world.context("sam"))

    def test_a_requested_job_stays_requested_after_a_stop_in_good_order(self) -> None:
        code_import = self.world.code_import()
        request_job(self.registry, code_import, self.world.context("sam"))
        self.world.run()
        machine = self.registry.machines["apollo"]
        set_offline(self.registry, machine, CodeImportMachineOfflineReason.STOPPED, self.world.context())
        job = self.job_of(code_import)
        self.assertEqual((job.requested, job.requesting_user), (True, "sam"))
        self.assert_sound()

    def test_an_offline_machine_has_no_job(self) -> None:
        self.world.code_import()
        job = self.world.run()
        machine = self.registry.machines["apollo"]
        set_offline(self.registry, machine, CodeImportMachineOfflineReason.STOPPED, self.world.context("sam"))
        self.assertRaises(JobGone, self.registry.job_of_machine, job.id, "apollo")
        self.assertEqual(self.world.event_types()[-2:], ["OFFLINE", "RECLAIM"])
        self.assertIsNone(self.registry.events.of_machine("apollo")[-1].person)


class Starting(WithWorld):
    def test_a_pending_job_needs_an_online_machine(self) -> None:
        job = self.job_of(self.world.code_import())
        machine = self.world.machine("apollo", CodeImportMachineState.OFFLINE)
        with self.assertRaises(WrongMachineState):
            start_job(self.registry, job, machine, self.world.context())
        start_job(self.registry, job, self.world.machine("boris"), self.world.context())
        self.assertIs(job.state, CodeImportJobState.RUNNING)

    def test_a_job_starts_once_and_on_its_machine(self) -> None:
        self.world.code_import()
        job = self.world.take()
        assert job is not None
        with self.assertRaises(WrongJobState):
            start_job(self.registry, job, self.world.machine("boris"), self.world.context())
        start_job(self.registry, job, self.registry.machines["apollo"], self.world.context())
        with self.assertRaises(WrongJobState) as caught:
            start_job(self.registry, job, self.registry.machines["apollo"], self.world.context())
        self.assertEqual(str(caught.exception), f"State of job {job.id} was RUNNING.")

    def test_a_scheduled_job_starts_on_a_quiescing_machine(self) -> None:
        self.world.code_import()
        job = self.world.take()
        assert job is not None
        set_quiescing(self.registry, self.registry.machines["apollo"], self.world.context("sam"))
        start_job(self.registry, job, self.registry.machines["apollo"], self.world.context())
        self.assertIs(job.state, CodeImportJobState.RUNNING)

    def test_a_scheduled_job_takes_no_heartbeat_and_no_result(self) -> None:
        self.world.code_import()
        job = self.world.take()
        assert job is not None
        self.assertRaises(WrongJobState, job_heartbeat, job, "", self.world.context())
        self.assertRaises(
            WrongJobState,
            finish_job,
            self.registry,
            job,
            CodeImportResultStatus.SUCCESS,
            self.world.context(),
        )

    def test_the_log_tail_is_short_and_printable(self) -> None:
        self.world.code_import()
        job = self.world.run()
        job_heartbeat(job, "x" * 9000 + "\x1b[31m red \x00\r\nend", self.world.context())
        self.assertEqual(len(job.logtail), LOGTAIL_CHARACTERS)
        self.assertTrue(job.logtail.endswith("x\ufffd[31m red \ufffd\n\nend"))


class Finishing(WithWorld):
    def test_success_is_followed_by_the_next_job_after_the_interval(self) -> None:
        code_import = self.world.code_import(update_interval=3 * HOURS)
        job = self.world.run()
        self.world.now += seconds(50)
        self.world.finish(job)
        self.assertEqual(self.job_of(code_import).date_due, self.world.now + 3 * HOURS)
        (result,) = code_import.results
        self.assertEqual(
            (result.machine, result.date_job_started, result.date_created), ("apollo", START, self.world.now)
        )
        self.assertEqual(self.world.event_types(), ["ONLINE", "START", "FINISH"])

    def end(self, code_import: CodeImport, status: str = "FAILURE") -> None:
        self.world.now = max(self.world.now, self.job_of(code_import).date_due)
        self.world.finish(self.world.run(), status)

    def test_failures_double_the_pause_until_the_fifth_ends_it(self) -> None:
        code_import = self.world.code_import()
        pauses = []
        for _turn in range(4):
            self.end(code_import)
            pauses.append((self.job_of(code_import).date_due - self.world.now) // HOURS)
        self.assertEqual(pauses, [6, 12, 24, 48])
        self.end(code_import)
        self.assertEqual(
            (code_import.review_status, code_import.job_id), (CodeImportReviewStatus.FAILING, None)
        )
        (event,) = [event for event in self.registry.events if event.event_type.name == "MODIFY"]
        items = {data_type.name: value for data_type, value in event.items()}
        self.assertEqual((items["OLD_REVIEW_STATUS"], items["REVIEW_STATUS"]), ("REVIEWED", "FAILING"))

    def test_a_success_resets_the_failures(self) -> None:
        code_import = self.world.code_import()
        for status in (
            "FAILURE",
            "FAILURE_INVALID",
            "FAILURE_FORBIDDEN",
            "FAILURE",
            "SUCCESS_NOCHANGE",
            "FAILURE",
        ):
            self.end(code_import, status)
        self.assertEqual(code_import.consecutive_failures, 1)

    def test_faults_of_the_machine_are_no_failures_of_the_import(self) -> None:
        code_import = self.world.code_import()
        for _turn in range(7):
            self.end(code_import, "INTERNAL_FAILURE")
        self.assertIs(code_import.review_status, CodeImportReviewStatus.REVIEWED)
        self.assertEqual(self.job_of(code_import).date_due, self.world.now + 6 * HOURS)

    def test_after_another_review_five_more_failures_are_needed(self) -> None:
        code_import = self.world.code_import()
        for _turn in range(5):
            self.end(code_import)
        reviewed = {"review_status": CodeImportReviewStatus.REVIEWED}
        edit_import(self.registry, code_import, reviewed, self.world.context("sam"))
        self.end(code_import)
        self.assertIs(code_import.review_status, CodeImportReviewStatus.REVIEWED)

    def test_only_success_publishes_the_bundle(self) -> None:
        code_import = self.world.code_import()
        for status, bundle in (("SUCCESS", 11), ("FAILURE", 12), ("SUCCESS_NOCHANGE", None)):
            self.world.now = self.job_of(code_import).date_due
            job = self.world.run()
            if bundle is not None:
                self.world.hand_in(job, "bundle", bundle)
            self.world.finish(job, status)
            self.assertEqual(code_import.bundle_file, 11)
            self.assertEqual(self.world.held(), [11])

    def test_only_the_newest_results_are_kept(self) -> None:
        code_import = self.world.code_import()
        for number in range(RESULTS_KEPT + 5):
            self.world.now = self.job_of(code_import).date_due
            job = self.world.run()
            self.world.hand_in(job, "log", number)
            self.world.finish(job)
        self.assertEqual(self.world.held(), list(range(5, RESULTS_KEPT + 5)))


class Requests(WithWorld):
    def test_a_request_makes_the_job_due_and_has_the_name_of_the_person(self) -> None:
        code_import = self.world.code_import()
        self.world.finish(self.world.run())
        request_job(self.registry, code_import, self.world.context("sam"))
        job = self.world.run()
        self.assertEqual((job.code_import, job.requesting_user), ("gimp", "sam"))
        self.world.finish(job)
        self.assertEqual(code_import.results[-1].requesting_user, "sam")
        self.assertIsNone(self.job_of(code_import).requesting_user)

    def test_refusals_name_the_reason(self) -> None:
        def refused(code_import: CodeImport) -> str:
            with self.assertRaises(NotRequestable) as caught:
                request_job(self.registry, code_import, self.world.context("kim"))
            return caught.exception.why

        new = self.world.code_import("new", review_status=CodeImportReviewStatus.NEW)
        self.assertEqual(refused(new), "is NEW")
        asked = self.world.code_import("asked")
        request_job(self.registry, asked, self.world.context("sam"))
        self.assertEqual(refused(asked), "was requested by sam")
        self.world.run()
        self.assertEqual(refused(asked), "is running")

    def test_a_killed_job_is_fenced_off_and_the_next_is_due_after_the_interval(self) -> None:
        code_import = self.world.code_import()
        self.assertRaises(NotRequestable, kill_job, self.registry, code_import, self.world.context("sam"))
        job = self.world.run()
        kill_job(self.registry, code_import, self.world.context("sam"))
        self.assertRaises(JobGone, self.registry.job_of_machine, job.id, "apollo")
        self.assertEqual([result.status.name for result in code_import.results], ["KILLED"])
        self.assertEqual(self.job_of(code_import).date_due, START + 6 * HOURS)
        self.assertEqual((self.world.event_types()[-1], code_import.consecutive_failures), ("KILL", 0))


class JobsFollowTheirImport(WithWorld):
    def edit(self, code_import: CodeImport, **changes: object) -> None:
        edit_import(self.registry, code_import, changes, ChangeContext(self.world.now, "sam"))

    def test_a_suspended_import_loses_its_job_even_a_running_one(self) -> None:
        code_import = self.world.code_import()
        job = self.world.run()
        self.edit(code_import, review_status=CodeImportReviewStatus.SUSPENDED)
        self.assertRaises(JobGone, self.registry.job_of_machine, job.id, "apollo")
        self.assertIsNone(code_import.job_id)
        self.edit(code_import, review_status=CodeImportReviewStatus.REVIEWED)
        self.assertEqual(self.job_of(code_import).date_due, self.world.now)

    def test_another_url_ends_the_running_job_and_makes_a_new_one(self) -> None:
        code_import = self.world.code_import()
        job = self.world.run()
        self.edit(code_import, url="https://example.org/moved.git")
        self.assertRaises(JobGone, self.registry.job_of_machine, job.id, "apollo")
        self.assertEqual(self.job_of(code_import).date_due, self.world.now)

    def test_a_shorter_interval_brings_the_next_job_forward_and_a_longer_one_does_not_delay_it(self) -> None:
        code_import = self.world.code_import()
        self.world.finish(self.world.run())
        self.edit(code_import, update_interval=HOURS)
        self.assertEqual(self.job_of(code_import).date_due, self.world.now + HOURS)
        self.edit(code_import, update_interval=24 * HOURS)
        self.assertEqual(self.job_of(code_import).date_due, self.world.now + HOURS)

    def test_a_deleted_import_leaves_only_events(self) -> None:
        code_import = self.world.code_import()
        self.world.hand_in(self.world.run(), "bundle", 5)
        delete_import(self.registry, code_import, self.world.context("sam"))
        self.assertEqual((list(self.registry.imports), list(self.registry.jobs)), ([], []))
        self.assertEqual(self.world.held(), [])
        self.assertEqual(self.registry.events.of_import("gimp")[-1].event_type.name, "DELETE")
