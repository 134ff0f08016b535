"""The number of the last transaction, in eight bytes of memory that the processes of one machine share.

A process that has heard of every commit up to this number knows, without a question, that what it remembers
is as fresh as the database.  The number is written before a commit is acknowledged; it may name a transaction
that a crash then loses, which only makes readers ask.  Other databases of the same name do no more harm.

Each process that has the memory open holds a lock on it.  The last one removes the file; those that killed
processes leave are removed by the next process that makes one, of whatever database.
"""

import fcntl
import logging
import mmap
import os
import re
import stat
import struct
import threading
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

log = logging.getLogger(__name__)

FOLDER = "/dev/shm"  # noqa: S108  # in memory; a file's owner and mode are looked at
LENGTH = 8  # bytes of a transaction's number (ZODB's tid), which can be compared as they are
LEFT_SECONDS = 3600.0  # a process that makes one holds no lock for a moment; an older version holds none
NAME = re.compile(r"librarian-[0-9a-f]{32}")
UNKNOWN = b"\xff" * LENGTH  # no process has heard of it: readers ask


class LastCommit:
    """The number, for one database.  Where it cannot be shared, `tid` is UNKNOWN."""

    def __init__(self, database: str, *, create: bool) -> None:
        self._path = f"{FOLDER}/librarian-{sha256(database.encode()).hexdigest()[:32]}"
        self._lock = threading.Lock()
        self._file = -1
        self._memory: mmap.mmap | None = None
        if create:
            _remove_left()
        try:
            self._file = _opened(self._path, create)
            self._memory = mmap.mmap(self._file, LENGTH)
        except (OSError, ValueError) as error:
            log.info("last commit is not shared error=%s", error)
            self.close()

    @property
    def tid(self) -> bytes:
        """The number at present."""
        memory = self._memory
        try:
            return UNKNOWN if memory is None else memory[:LENGTH]
        except ValueError:  # closed just now
            return UNKNOWN

    def set(self, tid: bytes) -> None:
        """Write the number; for the one process through which all commits pass."""
        if self._memory is not None:
            self._memory[:LENGTH] = tid

    def raise_to(self, tid: bytes) -> None:
        """Write the number unless a later one is there; for several processes."""
        with self._lock:
            if self._memory is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX)
                try:
                    self._memory[:LENGTH] = max(self._memory[:LENGTH], tid)
                finally:
                    fcntl.flock(self._file, fcntl.LOCK_UN)

    def withdraw(self) -> None:
        """Say UNKNOWN to those who read it, and remove the file: its one writer ends."""
        self.set(UNKNOWN)
        if self._memory is not None:
            with suppress(FileNotFoundError):
                os.unlink(self._path)  # noqa: PTH108
        self.close()

    def close(self) -> None:
        """Forget the memory; the number stays there for others, if there are any."""
        with self._lock:
            memory, self._memory = self._memory, None
            if memory is not None:
                memory.close()
            if self._file >= 0:
                _remove_if_unused(self._path, self._file)
                os.close(self._file)
                self._file = -1


def _opened(path: str, create: bool) -> int:
    """A descriptor of the file, locked against removal.  Raises OSError."""
    while True:
        file = _opened_own(path, create)
        try:
            _lock(file, fcntl.F_RDLCK)  # waits for a process that is about to remove it
            if os.fstat(file).st_nlink:
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _lock(file: int, kind: int, command: int = fcntl.F_OFD_SETLKW) -> None:
    """Lock a file for this descriptor: F_RDLCK with others, F_WRLCK alone.  See fcntl(2), struct flock."""
    fcntl.fcntl(file, command, struct.pack("hhqqi", kind, os.SEEK_SET, 0, 1, 0))


def _remove_if_unused(path: str, file: int) -> None:
    """Remove the file of a descriptor, unless another has it locked, or another file has its place."""
    with suppress(OSError):
        _lock(file, fcntl.F_WRLCK, fcntl.F_OFD_SETLK)
        if os.path.samestat(Path(path).lstat(), os.fstat(file)):
            os.unlink(path)  # noqa: PTH108


def _remove_left() -> None:
    """Remove the files of this user that killed processes left behind, once they are LEFT_SECONDS old."""
    with suppress(OSError):
        for path in Path(FOLDER).iterdir():
            with suppress(OSError):
                if NAME.fullmatch(path.name) and time.time() - path.lstat().st_mtime > LEFT_SECONDS:
                    file = _opened_own(str(path), create=False)
                    _remove_if_unused(str(path), file)
                    os.close(file)


def _opened_own(path: str, create: bool) -> int:
    """A descriptor of the file, which must be this user's own: the folder is everyone's.  Raises OSError."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        file = os.open(path, flags)
    except FileNotFoundError:
        if not create:
            raise
        file = os.open(path, flags | os.O_CREAT, 0o600)
    try:
        found = os.fstat(file)
        own = found.st_uid == os.geteuid() or os.geteuid() == 0
        if not own or not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077:
            raise PermissionError(f"{path} is another user's")
        os.posix_fallocate(file, 0, LENGTH)  # writing to memory that cannot be had is no error but the end
    except BaseException:
        os.close(file)
        raise
    return file


def name_of_file(path: Path) -> str:
    """The name of a database in a file, the same by whatever way to the file."""
    folder = path.absolute().parent.stat()
    return f"file:{folder.st_dev}:{folder.st_ino}:{path.name}"


def name_of_uri(uri: str) -> str:
    """The name of a database behind a URI, the same whatever options a process has for it."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
