"""File system steps that have lasted, even through a power cut, when they return.

On POSIX a new name survives a power cut only when the directory holding it was fsynced, and so on
upwards for directories that are new themselves (fsync(2): syncing a file "does not necessarily ensure"
that its entry has reached the disk).
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


def make_directory(path: str) -> None:
    """Make a directory if it is missing, private whatever the umask, and durable in its parent.

    One that is there already may have been made a moment ago by a process that has not come to
    syncing it, or died before; so the parent is fsynced in either case.
    """
    with suppress(FileExistsError):
        Path(path).mkdir(DIRECTORY_MODE)
        Path(path).chmod(DIRECTORY_MODE)
    sync_directory(os.path.dirname(path))  # a plain path in, a plain path out


def make_directories(path: str) -> None:
    """Make a directory and whatever is missing above it, each durable in its parent.

    The names of the ones that are there already are made durable too, as far up as they are ours:
    a process that made them may have died before it came to syncing them.  `path` is absolute.
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


def close_to_others(path: str | Path | int) -> None:
    """Take away what others than its owner may do with a file or directory of ours.

    `path` may be a descriptor.  What is missing, or belongs to another, or is no file (as
    /dev/stdout), stays as it is.
    """
    with suppress(FileNotFoundError):
        found = os.stat(path)
        kind_is_ours = (
            stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode) or stat.S_ISSOCK(found.st_mode)
        )
        if kind_is_ours and found.st_uid == os.geteuid() and found.st_mode & 0o077:
            os.chmod(path, stat.S_IMODE(found.st_mode) & 0o700)  # of a descriptor too


def sync_directory(path: str | Path) -> None:
    """Make what was linked into or unlinked from a directory so far durable."""
    directory = open_directory(path)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def sync_file(path: str | Path) -> None:
    """Make the bytes of a file durable, whoever wrote them."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def write_new(path: Path, data: bytes) -> None:
    """Write a file under a name that is free, private and whole or not at all.

    The name is not durable before its directory is synced.  Raises FileExistsError.
    """
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    try:
        write_durably(unfinished, data)
        os.link(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_durably(path: Path, data: bytes) -> None:
    """Write a private file whose bytes are durable when this returns."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, FILE_MODE), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def open_directory(path: str | Path) -> int:
    """A descriptor of a directory, the caller's to close."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
