"""Locks between processes."""

import tempfile
import threading
import unittest
from pathlib import Path

from librarian.tracker.client.interfaces import InvalidName
from librarian.tracker.client.locks import FcntlLockManager, NoOpLockManager
from tests.tracker.client.processes import python, statuses


class FcntlTests(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.dir = f"{directory.name}/locks"
        self.locks = FcntlLockManager(self.dir)

    def test_shared_and_exclusive(self) -> None:
        with self.locks.lock_for("/a@5") as first, self.locks.lock_for("/a") as second:
            first.lock_shared()
            second.lock_shared()
            self.assertFalse(second.try_lock_exclusive())
            first.unlock()
            self.assertTrue(second.try_lock_exclusive())
            self.assertFalse(first.try_lock_exclusive())
            second.lock_shared()
            first.lock_shared()

    def test_closing_twice(self) -> None:
        lock = self.locks.lock_for("/a")
        lock.lock_exclusive()
        lock.close()
        lock.close()
        self.assertTrue(self.locks.lock_for("/a").try_lock_exclusive())

    def test_locks_of_different_names(self) -> None:
        """Neither as file and directory nor with a file of the manager's own."""
        for name in ("/a", "/a/b", "/a/b/c", "/tree.lock", "/a.lock"):
            with self.locks.lock_for(name) as lock:
                self.assertTrue(lock.try_lock_exclusive())

    def test_bad_names(self) -> None:
        for manager in (self.locks, NoOpLockManager()):
            with self.assertRaises(InvalidName):
                manager.lock_for("/../x")

    def test_a_killed_owner(self) -> None:
        script = """
            import sys, time
            from librarian.tracker.client.locks import FcntlLockManager
            lock = FcntlLockManager(sys.argv[1]).lock_for("/a")
            lock.lock_exclusive()
            print("held", flush=True)
            time.sleep(60)
        """
        process = python(script, self.dir)
        assert process.stdout is not None
        self.assertEqual(process.stdout.readline(), b"held\n")
        with self.locks.lock_for("/a") as lock:
            self.assertFalse(lock.try_lock_exclusive())
            process.kill()
            process.wait()
            process.stdout.close()
            lock.lock_exclusive()

    def test_waiting_for_a_lock_that_is_deleted(self) -> None:
        """The waiter must not end up with a file that newcomers do not see."""
        owner, waiter = self.locks.lock_for("/d/a"), self.locks.lock_for("/d/a")
        owner.lock_exclusive()
        thread = threading.Thread(target=waiter.lock_exclusive)
        thread.start()
        owner.close(delete=True)
        thread.join(10)
        newcomer = self.locks.lock_for("/d/a")
        self.assertFalse(newcomer.try_lock_exclusive())
        waiter.close(delete=True)
        newcomer.close()
        self.assertEqual(list(Path(self.dir).iterdir()), [])

    def test_counting_under_deletion(self) -> None:
        """Three processes add to one number, deleting the lock now and then: none is lost."""
        counter = f"{self.dir}-counter"
        Path(counter).write_text("0")
        script = """
            import sys
            from librarian.tracker.client.locks import FcntlLockManager
            locks, counter = FcntlLockManager(sys.argv[1]), sys.argv[2]
            for number in range(200):
                lock = locks.lock_for("/d/a")
                lock.lock_exclusive()
                value = int(open(counter).read())
                with open(counter, "w") as file:
                    file.write(str(value + 1))
                lock.close(delete=number % 3 == 0)
        """
        processes = [python(script, self.dir, counter) for _ in range(3)]
        self.assertEqual(statuses(processes), [0, 0, 0])
        self.assertEqual(Path(counter).read_text(), "600")
