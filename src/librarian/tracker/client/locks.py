"""Locks between the processes of one machine that share a cache."""

import fcntl
import os
from io import FileIO
from types import TracebackType
from typing import Self

from librarian.durable import make_shared_directories, remove_empty_directories
from librarian.tracker.client.file_names import checked_split

#: Appended to a lock file's name.  ``@`` occurs in no directory of a name, so the lock of ``/a`` is
#: never in the way of the lock of ``/a/b``.
_MARK = "@"


class LockManager:
    """A factory of locks, one per name; a version in the name is ignored."""

    class Lock:
        """A lock on one name, held by at most one owner exclusively or by many shared.

        A context manager: leaving it closes it.
        """

        def lock_shared(self) -> None:
            """Wait until held shared.  An exclusive lock is turned into a shared one."""
            raise NotImplementedError

        def lock_exclusive(self) -> None:
            """Wait until held exclusively.  Turning a shared lock into an exclusive one may let
            others in between: look again at what was seen under the shared lock."""
            raise NotImplementedError

        def try_lock_exclusive(self) -> bool:
            """As lock_exclusive(), but without waiting; whether it is held now."""
            raise NotImplementedError

        def unlock(self) -> None:
            """Let go; does nothing if it is not held."""
            raise NotImplementedError

        def close(self, delete: bool = False) -> None:
            """Let go and free what the lock uses.  `delete` also removes its file; only the
            exclusive owner may ask for that.  Closing again does nothing."""

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
    """Locks by ``flock(2)`` on files under `dir`: the kernel frees them when their process dies."""

    class FcntlLock(LockManager.Lock):
        """Held through an open file, so that whoever forgets a lock lets go of it."""

        def __init__(self, filename: str, root: str) -> None:
            self.filename = filename
            self._root = root
            self._file = _open_lock_file(filename)
            os.utime(self._file.fileno())  # its age tells the cache cleaner how long nobody wanted it

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
            with self._file:  # closing it lets go of the lock
                if delete:
                    os.unlink(self.filename)
                    remove_empty_directories(os.path.dirname(self.filename), self._root)

        def _acquire(self, how: int) -> None:
            """Lock the file that is at the path *now*: its last owner may have deleted the one that
            was opened, and then a newcomer would lock a different file."""
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
            """There is nothing to let go of."""

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
            continue  # another process removed the directory, empty for a moment, under our feet
