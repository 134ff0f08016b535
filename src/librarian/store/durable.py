"""The few file system steps the disk store is made of, each durable when it returns.

On POSIX a new name survives a power cut only when the directory holding it was fsynced, and so on
upwards for directories that are new themselves (fsync(2): syncing a file "does not necessarily ensure"
that its entry has reached the disk).
"""

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from librarian.interfaces import LibrarianError
from librarian.store.interfaces import StoreFull, StoreTrouble, StoreUnavailable

log = logging.getLogger(__name__)

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def trouble(error: OSError) -> StoreTrouble:
    """What a system error means to someone who stores or reads bytes."""
    number = error.errno or errno.EIO
    if number in _NO_ROOM:
        return StoreFull(number, f"the byte store has no room: {os.strerror(number)}")
    return StoreUnavailable(number, f"the byte store is unavailable: {os.strerror(number)}")


@contextmanager
def troubles(step: str) -> Iterator[None]:
    """Turn system errors inside into StoreFull or StoreUnavailable; the log gets the path."""
    try:
        yield
    except LibrarianError:
        raise
    except OSError as error:
        log.error("byte store trouble step=%s error=%s", step, error)
        raise trouble(error) from error


def make_directory(path: str) -> None:
    """Make a directory if it is missing, private whatever the umask, and durable in its parent.

    One that is there already may have been made a moment ago by a process that has not come to
    syncing it, or died before; so the parent is fsynced in either case.
    """
    with suppress(FileExistsError):
        os.mkdir(path, DIRECTORY_MODE)
        os.chmod(path, DIRECTORY_MODE)
    sync_directory(os.path.dirname(path))


def make_directories(path: str) -> None:
    """Make a directory and whatever is missing above it, each durable in its parent.

    The names of the ones that are there already are made durable too, as far up as they are ours:
    a process that made them may have died before it came to syncing them.
    """
    parent = os.path.dirname(path)
    if not os.path.isdir(path):
        if parent != path:
            make_directories(parent)
        make_directory(path)
    elif parent != path and os.stat(path).st_uid == os.geteuid():
        with suppress(PermissionError):
            sync_directory(parent)
        make_directories(parent)


def sync_directory(path: str) -> None:
    """Make what was linked into or unlinked from a directory so far durable."""
    directory = open_directory(path)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def open_directory(path: str) -> int:
    """A descriptor of a directory, the caller's to close."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


@contextmanager
def locked_directory(path: str) -> Iterator[int]:
    """Hold a directory's exclusive lock, against other threads and processes alike; gives its descriptor.

    The lock belongs to the descriptor (flock(2)), so the kernel drops it when its holder dies.
    """
    directory = open_directory(path)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield directory
    finally:
        os.close(directory)


def write_fully(file: int, data: bytes) -> None:
    """Write all of `data`; a disk that fills up may take only a part at first."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def forget_cached(file: int, offset: int = 0, length: int = 0) -> None:
    """Tell the kernel that a part of an open file (length 0: all from `offset`) is not needed in memory.

    What is not on the medium yet begins to be written, without waiting for it; the rest is read from
    the medium next time.  Only advice (posix_fadvise(2)): a system without it does as it likes.
    """
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(file, offset, length, os.POSIX_FADV_DONTNEED)
