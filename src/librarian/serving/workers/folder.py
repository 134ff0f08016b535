"""The folder that a parent and its workers share: small files, which are gone with the server."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from librarian.durable import FILE_MODE
from librarian.operations.processes import COUNTERS, PROCESSES

PREFIX = "librarian-workers-"
IN_MEMORY = Path("/dev/shm")  # noqa: S108  # mkdtemp() makes a folder there for this user alone


class Folder:
    """A folder in memory where the system has one, else in the system's temporary folder.

    Its lock is held by the parent; the folders of parents that were killed are removed by the next.
    """

    def __init__(self) -> None:
        base = IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
        for left in base.glob(f"{PREFIX}*"):
            _remove_if_left(left)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        self._lock: int | None = _locked_anew(self.path)

    @property
    def environ(self) -> dict[str, str]:
        """The variables of a worker's environment that name the folder."""
        return {COUNTERS: str(self.path)}

    def note_processes(self, pids: Iterable[int]) -> None:
        """Note the ids of the parent and of all workers, for ``/metrics``."""
        draft = self.path / f"{PROCESSES}.new"
        draft.write_text(" ".join(map(str, pids)), encoding="ascii")
        draft.rename(self.path / PROCESSES)

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _locked_anew(path: Path) -> int:
    """A descriptor that holds the lock of a new folder.

    The lock gets its name once it is held: a server that starts at the same moment finds none until then, and
    takes a folder without one for no folder that was left behind.
    """
    draft = path / "lock.new"
    lock = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    draft.rename(path / "lock")
    return lock


def _locked(path: Path) -> int | None:
    """A descriptor that holds the lock of a folder; None if another process does, or it is another user's."""
    try:
        lock = os.open(path / "lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _remove_if_left(path: Path) -> None:
    lock = _locked(path)
    if lock is not None:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)
