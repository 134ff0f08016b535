"""A log that several processes append to, and that may be moved away at any time.

logging.handlers.WatchedFileHandler follows a file that is moved as well, but writes through Python's buffer.
On a full disk the buffer keeps the rest of a line, and writes it later, behind what other processes have
appended meanwhile: two lines become one that is wrong (tried with RLIMIT_FSIZE).  It also prints a traceback
for each line that is lost, and makes the file with the rights of the umask.
"""

import logging
import os
import threading
from pathlib import Path
from time import monotonic

from librarian import durable

log = logging.getLogger(__name__)

CHECK_SECONDS = 1.0  # how often it is checked whether the file was moved
MODE = 0o600  # for its owner only: clients' addresses are in it


class LogFile:
    """Lines at the end of the file at `path`, which is made if it is missing.

    Each line is one write() to a descriptor opened with O_APPEND, so that lines of several
    processes do not mix.  When the file has been moved, or reopen() was called, the next line goes
    to a new file at the same path.  Raises OSError if the file cannot be opened at first; later a
    log that cannot be written does not stop the request that is logged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._stale = False
        self._failing = False
        self._torn = False
        durable.make_directories(str(self.path.absolute().parent))
        self._descriptor = self._open()

    def reopen(self) -> None:
        """Have the next line go to the file that is at the path then; safe in a signal handler."""
        self._stale = True

    def write(self, line: bytes) -> None:
        """Append `line`, which has its end."""
        with self._lock:
            try:
                self._follow()
                whole = b"\n" + line if self._torn else line
                written = os.write(self._descriptor, whole)
            except OSError as error:
                self._complain(error)
                return
            self._torn = written < len(whole)  # the disk is full: the next line begins anew
            self._failing = False

    def close(self) -> None:
        """Close the descriptor; no line can be written afterwards."""
        with self._lock:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> int:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)
        durable.close_to_others(descriptor)
        self._identity = _identity(os.fstat(descriptor))
        self._checked = monotonic()
        self._stale = False
        return descriptor

    def _follow(self) -> None:
        """Open the file at the path if it is another one than ours."""
        if not self._stale and monotonic() - self._checked < CHECK_SECONDS:
            return
        self._checked = monotonic()
        if self._stale or self._moved():
            old, self._descriptor = self._descriptor, self._open()
            os.close(old)

    def _moved(self) -> bool:
        try:
            return _identity(self.path.stat()) != self._identity
        except FileNotFoundError:
            return True

    def _complain(self, error: OSError) -> None:
        """Log the error once, not for each line that is lost."""
        if not self._failing:
            log.error("log cannot be written path=%s error=%s", self.path, error)
        self._failing = True


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
