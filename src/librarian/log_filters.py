"""Filters for loggers: of what would be said thousands of times, one line a minute; and for warnings."""

import errno
import logging
import threading
import time
import warnings
from collections.abc import Callable

# What a process, or the machine, has run out of.
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

MINUTE = 60.0  # seconds


class Rarely(logging.Filter):
    """Lets each message through once a minute; the next time with how many were left out.

    With `errors` or `beginning`, only messages that carry an OSError of such a number, or begin so, are
    held back: the others pass.  Equal are those with the same text before its arguments are filled in,
    and the same number.
    """

    def __init__(
        self,
        errors: frozenset[int] = frozenset(),
        beginning: str = "",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._errors = errors
        self._beginning = beginning
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._said: dict[tuple[str, int | None], tuple[float, int]] = {}  # -> when, left out since

    def filter(self, record: logging.LogRecord) -> bool:
        number = error_number(record)
        if self._errors and number not in self._errors and not self._begins(record):
            return True
        key, now = (str(record.msg), number), self._monotonic()
        with self._lock:
            said, left_out = self._said.get(key, (now - MINUTE, 0))
            if now - said < MINUTE:
                self._said[key] = (said, left_out + 1)
                return False
            self._said[key] = (now, 0)
        if left_out:
            record.msg = f"{record.msg} left_out={left_out}"
        return True

    def _begins(self, record: logging.LogRecord) -> bool:
        return bool(self._beginning) and str(record.msg).startswith(self._beginning)


class WithoutTraceback(Rarely):
    """Lets an error of such a number through once a minute, as one line: where it was met says nothing."""

    def filter(self, record: logging.LogRecord) -> bool:
        passes = super().filter(record)
        if passes and record.exc_info and error_number(record) in self._errors:
            record.msg = f"{record.getMessage()} error={record.exc_info[1]}"
            record.args, record.exc_info = (), None
        return passes


def error_number(record: logging.LogRecord) -> int | None:
    """The number of the OSError that a record carries, if it does."""
    values = record.args if isinstance(record.args, tuple) else ()
    carried = [*values, record.exc_info[1] if isinstance(record.exc_info, tuple) else None]
    return next((value.errno for value in carried if isinstance(value, OSError)), None)


def hide_setuptools_warning() -> None:
    """Hide what setuptools 80.9 to 81 print when Pyramid imports pkg_resources: it needs no action."""
    warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)
