"""The filters that let a message through once a minute."""

import errno
import logging
import sys
import unittest
from inspect import getsource

import librarian.events.task
import librarian.library.catalogue.task
import librarian.library.counts.task
import librarian.mirrors.runs.periodic  # noqa: F401
from librarian.log_filters import EXHAUSTED, NO_ROOM, Rarely, WithoutTraceback
from librarian.periodic import PeriodicTask


class Filtering(unittest.TestCase):
    def setUp(self) -> None:
        self.now = 1000.0
        self.said: list[str] = []
        self.records: list[logging.LogRecord] = []
        self.log = logging.Logger("test")  # noqa: LOG001  # one that no other test has
        handler = logging.Handler()
        handler.emit = self.emit  # type: ignore[method-assign]
        self.log.addHandler(handler)

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())
        self.records.append(record)

    def test_once_a_minute_and_how_many_were_left_out(self) -> None:
        self.log.addFilter(Rarely(monotonic=lambda: self.now))
        for number in range(5):
            self.log.error("crowded number=%d", number)
        self.log.error("something else")
        self.now += 59.9
        self.log.error("crowded number=%d", 5)
        self.now += 0.2
        self.log.error("crowded number=%d", 6)
        self.log.error("crowded number=%d", 7)
        self.assertEqual(self.said, ["crowded number=0", "something else", "crowded number=6 left_out=5"])

    def test_only_errors_of_some_numbers(self) -> None:
        self.log.addFilter(Rarely(EXHAUSTED, "total", monotonic=lambda: self.now))
        for path in "ab":
            self.log.error("cannot path=%s error=%r", path, OSError(errno.EMFILE, "too many"))
            self.log.error("cannot path=%s error=%r", path, OSError(errno.EIO, "broken"))
            self.log.error("total of %s", path)
        try:
            raise OSError(errno.ENFILE, "too many")
        except OSError:
            for _ in range(3):
                self.log.exception("raised")
        self.assertEqual(
            [line[:13] for line in self.said],
            ["cannot path=a"] * 2 + ["total of a", "cannot path=b", "raised"],
        )

    def test_a_full_disk_is_told_in_a_line_without_a_traceback(self) -> None:
        self.log.addFilter(WithoutTraceback(NO_ROOM, monotonic=lambda: self.now))
        for error in (OSError(errno.ENOSPC, "full"), OSError(errno.ENOSPC, "full"), ValueError("else")):
            try:
                raise error
            except (OSError, ValueError):
                self.log.exception("task=%s failed", "a")
        self.assertEqual(self.said, ["task=a failed error=[Errno 28] full", "task=a failed"])
        self.assertEqual([record.exc_info is None for record in self.records], [True, False])


class Tasks(unittest.TestCase):
    def test_every_task_of_a_server_tells_a_full_disk_in_a_line(self) -> None:
        modules = [sys.modules[each.__module__] for each in PeriodicTask.__subclasses__()]
        modules = [module for module in modules if "log.exception(" in getsource(module)]
        self.assertGreaterEqual(len(modules), 4)
        for module in modules:
            with self.subTest(module.__name__):
                filters = module.log.filters
                self.assertTrue(any(isinstance(each, WithoutTraceback) for each in filters))
