"""A log file under several writers, and under logrotate."""

import multiprocessing
import resource
import signal
import tempfile
import threading
import unittest
from pathlib import Path
from typing import Any
from unittest.mock import patch

from librarian.web.access_log import log_file
from librarian.web.access_log.log_file import LogFile


def write_many(path: Path, name: str, number: int) -> None:
    log = LogFile(path)
    for count in range(number):
        log.write(f"{name} {count} {'x' * (count % 3000)}\n".encode())
    log.close()


class LogFiles(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "log" / "access.log"

    def opened(self) -> LogFile:
        log = LogFile(self.path)
        self.addCleanup(log.close)
        return log

    def test_several_processes_and_threads(self) -> None:
        names = ("a", "b", "c")
        context = multiprocessing.get_context("spawn")
        processes = [context.Process(target=write_many, args=(self.path, name, 1000)) for name in names]
        log = self.opened()

        def write() -> None:
            for _number in range(500):
                log.write(b"thread\n")

        threads = [threading.Thread(target=write) for _thread in range(4)]
        workers: list[Any] = [*processes, *threads]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        lines = self.path.read_text().splitlines()
        self.assertEqual(lines.count("thread"), 2000)
        for name in names:
            own = [line.split(" ") for line in lines if line.startswith(f"{name} ")]
            self.assertEqual([int(words[1]) for words in own], list(range(1000)))
            self.assertTrue(all(len(words[2]) == int(words[1]) % 3000 for words in own))
        self.assertEqual(len(lines), 5000)

    def test_a_file_that_was_moved_is_made_anew(self) -> None:
        log = self.opened()
        log.write(b"1\n")
        rotated = self.path.rename(self.path.with_suffix(".1"))
        with patch.object(log_file, "CHECK_SECONDS", 0.0):
            log.write(b"2\n")
        self.assertEqual((rotated.read_bytes(), self.path.read_bytes()), (b"1\n", b"2\n"))

    def test_lines_go_to_the_moved_file_until_the_next_check(self) -> None:
        log = self.opened()
        log.write(b"1\n")
        rotated = self.path.rename(self.path.with_suffix(".1"))
        with patch.object(log_file, "CHECK_SECONDS", 3600.0):
            log.write(b"2\n")
            log.reopen()
            log.write(b"3\n")
        self.assertEqual((rotated.read_bytes(), self.path.read_bytes()), (b"1\n2\n", b"3\n"))

    def test_its_mode_is_private(self) -> None:
        self.opened()
        self.assertEqual(self.path.stat().st_mode & 0o007, 0)

    def test_a_full_disk_costs_lines_and_nothing_else(self) -> None:
        log = self.opened()
        log.write(b"first\n")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (9, limits[1]))
            with self.assertLogs("librarian.web.access_log.log_file", "ERROR") as complaints:
                for _number in range(5):
                    log.write(b"second\n")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, ignored)
        log.write(b"third\n")
        self.assertEqual(len(complaints.output), 1)
        self.assertEqual(self.path.read_bytes(), b"first\nsec\nthird\n")

    def test_where_no_file_can_be(self) -> None:
        self.opened()
        for path in (self.path / "below", self.path.parent):
            with self.assertRaises(OSError):
                LogFile(path)

    def test_no_descriptor_is_left(self) -> None:
        log = self.opened()
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _number in range(20):
            log.reopen()
            log.write(b"x\n")
        self.assertEqual(len(list(Path("/proc/self/fd").iterdir())), before)
