"""The filter that lets a message through once a minute."""

import errno
import logging
import unittest

from librarian.log_filters import EXHAUSTED, Rarely


class Filtering(unittest.TestCase):
    def setUp(self) -> None:
        self.now = 1000.0
        self.said: list[str] = []
        self.log = logging.Logger("test")  # noqa: LOG001  # one that no other test has
        handler = logging.Handler()
        handler.emit = lambda record: self.said.append(record.getMessage())  # type: ignore[method-assign]
        self.log.addHandler(handler)

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
