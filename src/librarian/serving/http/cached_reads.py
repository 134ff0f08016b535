"""Reads that do not wait for a disk: the loop must not stand still for a file that is not in the memory."""

import errno
import os

_UNSUPPORTED = frozenset((errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL))


def read_cached(descriptor: int, most: int) -> bytes:
    """The beginning of a file that should have `most` - 1 bytes: so many, or one more if it is longer.

    Raises BlockingIOError where they are not all in the kernel's cache, or the file is shorter.
    """
    buffer = bytearray(most)
    try:
        found = os.preadv(descriptor, [buffer], 0, os.RWF_NOWAIT)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:  # some file systems cannot tell
            raise
        return os.pread(descriptor, most, 0)
    if found < most - 1:
        raise BlockingIOError(errno.EAGAIN, "not in the cache")
    return bytes(memoryview(buffer)[:found])


def is_cached(descriptor: int, offset: int, size: int) -> bool:
    """Whether a part of a file seems to be in the kernel's cache, by its first and last page."""
    probe = [bytearray(1)]
    try:
        os.preadv(descriptor, probe, offset, os.RWF_NOWAIT)
        os.preadv(descriptor, probe, offset + max(size - 1, 0), os.RWF_NOWAIT)
    except BlockingIOError:
        return False
    except OSError:  # what is wrong, sending finds out
        return True
    return True


def fetch(descriptor: int, offset: int, size: int) -> None:
    """Have a part of a file read into the kernel's cache, and what follows it soon; for a thread."""
    os.posix_fadvise(descriptor, offset, 8 * size, os.POSIX_FADV_WILLNEED)
    end = offset + size
    while offset < end and (read := len(os.pread(descriptor, min(end - offset, 1 << 18), offset))):
        offset += read
