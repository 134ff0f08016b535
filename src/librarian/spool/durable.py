"""File system steps that either have happened or have not, even if the power fails."""

import ctypes
import errno
import os
from functools import cache
from pathlib import Path
from typing import Any

AT_FDCWD = -100
RENAME_NOREPLACE = 1  # renameat2(2)


def sync_directory(path: Path) -> None:
    """Make the entries of a directory durable: a rename is not until this has returned."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_file(path: Path) -> None:
    """Make the bytes of a file durable, whoever wrote them."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


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
