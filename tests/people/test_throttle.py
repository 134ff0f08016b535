"""Failed log-ins: how long the pauses are, and where the counts are kept."""

import fcntl
import os
import threading
import unittest
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import transaction

from librarian.people.credentials import failures, model
from librarian.people.credentials.failures import FileCounts, MemoryCounts
from librarian.people.credentials.failures_in_tree import TreeCounts
from librarian.people.credentials.interfaces import TooManyFailures
from librarian.people.credentials.service import the_subtree
from librarian.people.credentials.throttle import Throttle, failure_keys, network
from librarian.tree.interfaces import TreeAway, TreeFull
from tests.security.zcml import HandMovedClock, TreeTestCase

HERE, THERE = "192.0.2.1", "198.51.100.1"


def in_threads(work: Callable[[], None], number: int) -> None:
    threads = [threading.Thread(target=work) for _number in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Throttling(unittest.TestCase):
    """With counts in memory."""

    def setUp(self) -> None:
        self.clock, self.counts = HandMovedClock(), self.make_counts()
        self.throttle = Throttle(self.counts)

    share = 500  # of each thread

    def make_counts(self) -> Any:
        return MemoryCounts()

    def failing(self, times: int, name: Any = "amy", address: Any = HERE) -> None:
        for number in range(times):
            keys = failure_keys(
                name(number) if callable(name) else name, address(number) if callable(address) else address
            )
            self.counts.add([key for key, _patience in keys], self.clock.now())

    def succeed(self) -> None:
        now = self.clock.now()
        self.throttle.succeeded("amy", HERE, now, self.throttle.begin("amy", HERE, now))

    def wait(self, name: str = "amy", address: str = HERE) -> int:
        try:
            self.throttle.check(name, address, self.clock.now())
        except TooManyFailures as error:
            return error.retry_after
        return 0

    def test_the_pauses_double_up_to_a_quarter_of_an_hour(self) -> None:
        self.failing(4)
        waits = [self.wait()]
        for _time in range(12):
            self.failing(1)
            waits.append(self.wait())
        self.assertEqual(waits, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900])

    def test_waiting_helps_and_an_hour_forgives(self) -> None:
        self.failing(8)
        self.clock.move(seconds=7.5)
        self.assertEqual(self.wait(), 1)
        self.clock.move(seconds=0.5)
        self.assertEqual(self.wait(), 0)
        self.clock.move(hours=1)
        self.failing(4)
        self.assertEqual(self.wait(), 0)

    def test_success_forgives_the_name_there_but_not_the_address(self) -> None:
        self.failing(6)
        self.clock.move(seconds=2)
        self.succeed()
        self.assertEqual(self.wait(), 0)
        self.failing(30, name=lambda number: f"name{number}")
        self.clock.move(minutes=16)
        self.succeed()
        self.failing(1, name="bob")
        self.assertGreater(self.wait(), 0)

    def test_a_success_leaves_the_counts_of_others_as_they_were(self) -> None:
        self.failing(10, name="bob")
        address = ("address", HERE)
        before = self.counts.get(address)
        self.clock.move(seconds=1)
        self.succeed()
        self.assertEqual(self.counts.get(address), before)
        self.assertIsNone(self.counts.get(("name", "amy")))

    def test_of_attempts_at_the_same_time_as_many_begin_as_may_fail(self) -> None:
        """Checking a password takes so long that all of them come in before the first has failed."""
        begun: list[Any] = []

        def attempt() -> None:
            with suppress(TooManyFailures):
                begun.append(self.throttle.begin("amy", HERE, self.clock.now()))

        threads = [threading.Thread(target=attempt) for _number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(begun), 5)

    def test_strangers_lock_a_person_out_for_seconds_only(self) -> None:
        self.failing(2000, address=lambda number: f"198.51.{number // 250}.{number % 250}")
        self.assertLessEqual(self.wait(address=THERE), 30)
        self.assertGreater(self.wait(address=THERE), 0)

    def test_memory_is_bounded(self) -> None:
        self.enterContext(mock.patch.object(failures, "AT_MOST", 300))
        self.failing(
            300, name=lambda number: f"name{number}", address=lambda number: f"2001:db8:{number:x}::1"
        )
        self.assertEqual(len(self.counts), 300)

    def test_what_counts_as_one_place(self) -> None:
        places = {
            "192.0.2.1": "192.0.2.1",
            "::ffff:192.0.2.1": "192.0.2.1",
            "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
            "::1": "::/64",
            "": "unknown",
            "not an address": "unknown",
        }
        self.assertEqual({address: network(address) for address in places}, places)

    def test_threads_lose_no_count(self) -> None:
        threads = [threading.Thread(target=self.failing, args=(self.share,)) for _number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.counts.get(("name", "amy")).number, 4 * self.share)


class SharedThrottling(Throttling):
    """With counts in a file."""

    share = 50

    def make_counts(self) -> Any:
        self.path = Path(self.enterContext(TemporaryDirectory())) / "state" / "failed-logins"
        return FileCounts(str(self.path))

    def test_processes_share_the_counts_and_lose_none(self) -> None:
        context = get_context("fork")
        processes = [context.Process(target=self.failing, args=(25,)) for _number in range(4)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        self.assertEqual(self.counts.get(("name", "amy")).number, 100)

    def test_of_attempts_in_new_processes_as_many_begin_as_may_fail(self) -> None:
        """The file is not there yet: which of them makes it, the others count in it all the same."""
        context, now = get_context("fork"), self.clock.now()
        for number in range(10):
            path, together, begun = f"{self.path}-{number}", context.Barrier(12), context.Value("i", 0)

            def attempt(path: str = path, together: Any = together, begun: Any = begun) -> None:
                throttle = Throttle(FileCounts(path))
                together.wait()
                with suppress(TooManyFailures):
                    throttle.begin("amy", HERE, now)
                    with begun.get_lock():
                        begun.value += 1

            processes = [context.Process(target=in_threads, args=(attempt, 4)) for _number in range(3)]
            for process in processes:
                process.start()
            for process in processes:
                process.join()
            self.assertEqual(begun.value, 5)

    def test_the_file_is_waited_for_while_another_process_has_it(self) -> None:
        self.failing(1)
        lock = os.open(f"{self.path}.lock", os.O_WRONLY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_EX)
        with mock.patch("time.sleep", side_effect=lambda _seconds: os.close(lock)) as slept:
            self.failing(1)
        self.assertEqual((slept.call_count, self.counts.get(("name", "amy")).number), (1, 2))

    def test_a_file_that_another_process_keeps_for_too_long_is_no_file(self) -> None:
        self.failing(1)
        self.enterContext(mock.patch.object(failures, "PATIENCE", 0.0))
        with Path(f"{self.path}.lock").open() as lock, self.assertLogs("librarian", "ERROR") as logged:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.failing(1)
        self.assertIn("another process has it locked", logged.output[0])

    def test_the_file_is_private_and_holds_no_name(self) -> None:
        self.failing(1, name="s3cret-and-long")
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        self.assertNotIn(b"s3cret", self.path.read_bytes())

    def test_old_counts_leave_the_file(self) -> None:
        self.failing(2)
        self.clock.move(hours=1)
        self.failing(1, name="bob", address=THERE)
        self.assertEqual(len(self.counts), 3)

    def test_a_damaged_file_is_replaced(self) -> None:
        self.path.parent.mkdir()
        self.path.write_bytes(b"not a database" * 100)
        with self.assertLogs("librarian", "ERROR"):
            self.failing(1)
        self.failing(6)
        self.assertEqual(self.wait(), 2)

    def test_without_a_usable_file_the_memory_counts(self) -> None:
        self.path.parent.write_text("a file where the folder should be")
        with self.assertLogs("librarian", "ERROR"):
            self.failing(6)
            self.assertEqual(self.wait(), 2)
        self.assertTrue(self.path.parent.is_file())


class InTree(TreeTestCase, Throttling):
    """With counts in the tree."""

    share = 25

    def setUp(self) -> None:
        TreeTestCase.setUp(self)
        Throttling.setUp(self)

    def make_counts(self) -> Any:
        return TreeCounts(self.tree)

    def test_memory_is_bounded(self) -> None:
        self.enterContext(mock.patch.object(model, "BUCKETS", 4))
        self.failing(
            60, name=lambda number: f"name{number}", address=lambda number: f"2001:db8:{number:x}::1"
        )
        self.assertEqual(len(self.counts), 4 * model.MOST_IN_BUCKET)

    def test_strangers_lock_a_person_out_for_seconds_only(self) -> None:
        self.failing(80, address=lambda number: f"198.51.100.{number}")
        self.assertIn(self.wait(address=THERE), range(1, 31))

    def test_what_is_refused_writes_nothing(self) -> None:
        self.failing(6)
        before = self.tree._database.lastTransaction()
        for _time in range(3):
            with self.assertRaises(TooManyFailures):
                self.throttle.begin("amy", HERE, self.clock.now())
        self.assertEqual(self.tree._database.lastTransaction(), before)

    def test_the_tree_holds_no_name_and_old_counts_leave_it(self) -> None:
        self.enterContext(mock.patch.object(model, "BUCKETS", 1))
        self.failing(2, name="s3cret-and-long")
        self.clock.move(hours=1)
        self.failing(1, name="bob", address=THERE)
        transaction.begin()
        (bucket,) = the_subtree().failures.values()
        self.assertEqual([count for count, _last in bucket.counts.values()], [1, 1, 1])
        self.assertNotIn(b"s3cret", self.tree._database.storage.load(bucket._p_oid)[0])

    def test_without_a_tree_that_can_be_written_the_memory_counts(self) -> None:
        for error in (TreeAway(), TreeFull(28)):
            with mock.patch.object(self.tree, "run_together", side_effect=error):
                counts = TreeCounts(self.tree)
                throttle = Throttle(counts)
                with self.assertLogs("librarian", "ERROR"):
                    for _time in range(5):
                        throttle.begin("amy", HERE, self.clock.now())
                    self.assertRaises(TooManyFailures, throttle.begin, "amy", HERE, self.clock.now())
