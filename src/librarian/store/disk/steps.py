"""The few file system steps the disk store is made of, each durable when it returns."""

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from librarian.durable import (
    DIRECTORY_MODE,
    FILE_MODE,
    make_directories,
    make_directory,
    open_directory,
    sync_directory,
)
from librarian.interfaces import LibrarianError
from librarian.log_filters import EXHAUSTED, NO_ROOM, Rarely
from librarian.store.interfaces import StoreFull, StoreTrouble, StoreUnavailable

__all__ = [
    "DIRECTORY_MODE",
    "FILE_MODE",
    "forget_cached",
    "locked_directory",
    "make_directories",
    "make_directory",
    "open_directory",
    "sync_directory",
    "trouble",
    "troubles",
    "write_fully",
]

log = logging.getLogger(__name__)
log.addFilter(Rarely(EXHAUSTED | NO_ROOM))


def trouble(error: OSError) -> StoreTrouble:
    """What a system error means to someone who stores or reads bytes."""
    number = error.errno or errno.EIO
    if number in NO_ROOM:
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
