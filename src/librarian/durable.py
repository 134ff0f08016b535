"""File system steps that outlast a power cut once they have returned, or that happen whole or not at all.

On POSIX a new name survives a power cut only when the directory holding it was fsynced, and so on
upwards for directories that are new themselves (fsync(2): syncing a file "does not necessarily ensure"
that its entry has reached the disk).
"""

import ctypes
import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700

AT_FDCWD = -100
RENAME_NOREPLACE = 1  # renameat2(2)

# Of statfs(2), for file systems whose syncfs() waits until all data and names are on the medium.  Others may
# promise less than fsync() does: one in user space (FUSE) need not be told at all.
EXT4, XFS, BTRFS, F2FS = 0xEF53, 0x58465342, 0x9123683E, 0xF2F52010
FIRST_KERNEL = (5, 8)  # before it syncfs(2) does not report what could not be written
STATFS_BYTES = 512  # more than any system's structure has; it begins with the type


def make_directory(path: str) -> None:
    """Make a directory if it is missing, private whatever the umask, and durable in its parent.

    One that is there already may have been made a moment ago by a process that has not come to
    syncing it, or died before; so the parent is fsynced in either case.
    """
    make_private(path)
    sync_directory(os.path.dirname(path))  # a plain path in, a plain path out


def make_private(path: str) -> None:
    """Make a directory if it is missing, private whatever the umask; its name is not durable yet."""
    with suppress(FileExistsError):
        os.mkdir(path, DIRECTORY_MODE)
        os.chmod(path, DIRECTORY_MODE)


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


def sync_file(path: str | Path, *, follow_symlinks: bool = True) -> None:
    """Make the bytes of a file durable, also those that another process wrote."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | (0 if follow_symlinks else os.O_NOFOLLOW))
    try:
        os.fsync(file)
    finally:
        os.close(file)


def sync_file_system(directory: int) -> bool:
    """Make durable what was written, and named, on the file system of an open directory.

    False, and nothing is done, where that cannot be relied on: then each file has to be fsynced.  Raises
    OSError for what could not be written.
    """
    library = _syncing_library()
    if library is None or not _is_known(library, directory):
        return False
    if library.syncfs(directory) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return True


def _is_known(library: Any, directory: int) -> bool:
    found = ctypes.create_string_buffer(STATFS_BYTES)
    if library.fstatfs(directory, found) != 0:
        return False
    return ctypes.c_ulong.from_buffer(found).value in {EXT4, XFS, BTRFS, F2FS}


@cache
def _syncing_library() -> Any:
    """The C library, or None without a syncfs() that reports errors."""
    kernel = re.match(r"(\d+)\.(\d+)", os.uname().release)
    library = ctypes.CDLL(None, use_errno=True)
    if os.uname().sysname != "Linux" or kernel is None or not hasattr(library, "syncfs"):
        return None
    return library if tuple(map(int, kernel.groups())) >= FIRST_KERNEL else None


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


def rename_new(source: Path, target: Path) -> None:
    """Rename in one step, unless `target` is there: FileExistsError, and nothing has changed.

    rename(2) would overwrite silently, and looking first would leave a gap.  The kernel's
    RENAME_NOREPLACE has none.  File systems without it get link(2) and unlink(2): as safe for
    `target`, but a crash between the two leaves the file under both names.
    """
    renameat2 = _renameat2()
    if renameat2 is not None:
        if renameat2(AT_FDCWD, os.fsencode(source), AT_FDCWD, os.fsencode(target), RENAME_NOREPLACE) == 0:
            return
        code = ctypes.get_errno()
        if code not in {errno.ENOSYS, errno.EINVAL}:
            raise OSError(code, os.strerror(code), str(source), None, str(target))
    _link_new(source, target)


def _link_new(source: Path, target: Path) -> None:
    os.link(source, target, follow_symlinks=False)
    source.unlink()


@cache
def _renameat2() -> Any:
    """The C library's function, or None where it has none; cached, as a lookup opens the library."""
    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


def make_shared_directories(path: str) -> None:
    """Make `path` and what is above it, private, where other processes remove directories that are empty.

    The one above may be removed while the one below it is made; it is then made again.  Not durable: meant
    for what can be fetched again.
    """
    for _attempt in range(100):
        try:
            os.makedirs(path, 0o700, exist_ok=True)
        except FileNotFoundError:
            continue
        except FileExistsError:
            if os.path.lexists(path) and not os.path.isdir(path):
                raise  # a file, and not a directory that was there and is gone
            continue
        return
    os.makedirs(path, 0o700, exist_ok=True)


def remove_empty_directories(path: str, root: str) -> None:
    """Remove `path` and what is above it, up to but without `root`, as long as they are empty."""
    while path != root and path.startswith(root):
        try:
            os.rmdir(path)
        except OSError:
            return  # not empty, or already gone
        path = os.path.dirname(path)


def sync_removal(path: str) -> None:
    """Make durable what was removed from the directory `path`, or with it: syncs the nearest one there is."""
    while True:
        try:
            sync_directory(path)
            return
        except FileNotFoundError:
            path = os.path.dirname(path)


@contextmanager
def replacing(
    path: str, *, version: int | None = None, temporary: str | None = None, durable: bool = False
) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` in one step when the block ends without an error.

    Until then it is written in the directory `temporary` (by default that of `path`), which must be on the
    same file system.  `version` (seconds of the epoch) becomes its modification time.  With `durable`, file
    and name survive a power cut.  After an error nothing is left of it and `path` is as it was.
    """
    directory = os.path.dirname(path) or "."
    draft = os.path.join(temporary or directory, f".{secrets.token_hex(12)}.part")
    with open(draft, "xb") as file:
        try:
            yield file
            file.flush()
            if version is not None:
                os.utime(file.fileno(), (version, version))
            if durable:
                os.fsync(file.fileno())
            move_into_place(draft, path)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(draft)
            raise
    if durable:
        sync_directory(directory)


def move_into_place(draft: str, path: str) -> None:
    """Rename; makes the directory of `path` again if another process removed it while it was empty."""
    for _attempt in range(100):
        try:
            os.replace(draft, path)
            return
        except FileNotFoundError:
            if not os.path.exists(draft):
                raise
            make_shared_directories(os.path.dirname(path))
    os.replace(draft, path)
