"""Locks between the processes of one machine that share a cache.

No library has these locks.  fasteners 0.20 locks with fcntl(2), so two threads of one process both get an
exclusive lock, and closing one file frees the locks of the other.  The reader-writer lock of filelock 4.2
is a SQLite file, which must not be deleted while it is used, and it cannot turn a shared lock into an
exclusive one.  A cache of a million files deletes the locks of removed files, so that matters: three
processes that counted under a lock and deleted its file now and then lost 579 of 600 steps with fasteners,
and two of them failed with filelock.  flock(2) belongs to the open file, between threads as between
processes; FcntlLock adds the check that the locked file is still the one at its path.
"""

import fcntl
import os
from io import FileIO
from types import TracebackType
from typing import Self

from librarian.durable import make_shared_directories, remove_empty_directories
from librarian.tracker.client.versioned_names import checked_split

#: Appended to a lock file's name.  ``@`` occurs in no directory of a name, so the lock of ``/a`` is
#: never in the way of the lock of ``/a/b``.
_MARK = "@"


class LockManager:
    """Makes locks, one for each name; a version in the name is ignored."""

    class Lock:
        """A lock on one name, held by one owner exclusively or by any number shared.

        It is a context manager: leaving it closes the lock.
        """

        def lock_shared(self) -> None:
            """Wait until held shared.  An exclusive lock is turned into a shared one."""
            raise NotImplementedError

        def lock_exclusive(self) -> None:
            """Wait until held exclusively.

            When a shared lock is turned into an exclusive one, another owner may have it in between, so
            what was read under the shared lock must be read again.
            """
            raise NotImplementedError

        def try_lock_exclusive(self) -> bool:
            """As lock_exclusive(), but without waiting; returns whether it is held now."""
            raise NotImplementedError

        def unlock(self) -> None:
            """Release the lock; does nothing if it is not held."""
            raise NotImplementedError

        def close(self, delete: bool = False) -> None:
            """Release the lock and close its file; closing again does nothing.

            `delete` also removes the file, which only the exclusive owner may do.
            """

        def __enter__(self) -> Self:
            return self

        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
        ) -> None:
            self.close()

    def lock_for(self, name: str) -> "LockManager.Lock":
        """The lock of this name, not yet held.  Raises InvalidName."""
        raise NotImplementedError


class FcntlLockManager(LockManager):
    """Locks by flock(2) on files below `dir`: the kernel releases them when their process dies."""

    class FcntlLock(LockManager.Lock):
        """Held by an open file, so a lock that is garbage-collected is released."""

        def __init__(self, filename: str, root: str) -> None:
            self.filename = filename
            self._root = root
            self._file = _open_lock_file(filename)
            os.utime(self._file.fileno())  # the time of its last use

        def lock_shared(self) -> None:
            self._acquire(fcntl.LOCK_SH)

        def lock_exclusive(self) -> None:
            self._acquire(fcntl.LOCK_EX)

        def try_lock_exclusive(self) -> bool:
            try:
                self._acquire(fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        def unlock(self) -> None:
            fcntl.flock(self._file, fcntl.LOCK_UN)

        def close(self, delete: bool = False) -> None:
            if self._file.closed:
                return
            with self._file:  # closing it releases the lock
                if delete:
                    os.unlink(self.filename)
                    remove_empty_directories(os.path.dirname(self.filename), self._root)

        def _acquire(self, how: int) -> None:
            """Lock the file that is at the path now.

            The former owner may have deleted the file that was opened here; then the next one to open the
            path would lock another file.
            """
            fcntl.flock(self._file, how)
            while not self._is_current():
                self._file.close()
                self._file = _open_lock_file(self.filename)
                fcntl.flock(self._file, how)

        def _is_current(self) -> bool:
            try:
                return os.path.samestat(os.stat(self.filename), os.fstat(self._file.fileno()))
            except (FileNotFoundError, NotADirectoryError):
                return False

    def __init__(self, dir: str) -> None:  # noqa: A002  # the name filetracker gives it
        self.dir = dir
        make_shared_directories(dir)

    def lock_for(self, name: str) -> "FcntlLockManager.FcntlLock":
        unversioned, _version = checked_split(name)
        return self.FcntlLock(self.dir + unversioned + _MARK, self.dir)


class NoOpLockManager(LockManager):
    """Locks that lock nothing, for a client without a cache."""

    class NoOpLock(LockManager.Lock):
        def lock_shared(self) -> None:
            """Always granted."""

        def lock_exclusive(self) -> None:
            """Always granted."""

        def try_lock_exclusive(self) -> bool:
            return True

        def unlock(self) -> None:
            """There is nothing to release."""

    def lock_for(self, name: str) -> "NoOpLockManager.NoOpLock":
        checked_split(name)
        return self.NoOpLock()


def _open_privately(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _open_lock_file(filename: str) -> FileIO:
    while True:
        make_shared_directories(os.path.dirname(filename))
        try:
            return FileIO(filename, "a", opener=_open_privately)
        except FileNotFoundError:
            continue  # another process removed the directory while it was empty
