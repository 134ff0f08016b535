"""The mark of a partial upload: how many of its bytes are durable, and its lock.

    <offset, 20 digits> <boot id> <writer>

A kill leaves everything that was written in the kernel's memory, a power cut only what was fsynced.  So bytes
behind the offset are sound as long as the machine has not been started anew since the mark was written; the
boot id tells.  `-` in its place means that bytes behind the offset are not to be believed in any case.  The
writer is a random name for each time the file was opened: two that are equal mean that no other process has
written in between.
"""

import fcntl
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from librarian import durable
from librarian.store.interfaces import PartialBusy, PartialNotFound

HELD_BACK = "-"
_LENGTH = 128  # bytes, more than a mark has


@cache
def boot_id() -> str:
    """The id of the time since this machine was started; HELD_BACK where the system tells none."""
    with suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
    return HELD_BACK


@dataclass(frozen=True)
class Mark:
    """`offset` bytes are durable."""

    offset: int
    boot: str
    writer: str

    def sound_size(self, size: int) -> int:
        """How many of the `size` bytes in the file are sound."""
        believed = self.boot != HELD_BACK and self.boot == boot_id()
        return size if believed else min(size, self.offset)


class MarkFile:
    """The open and locked mark."""

    def __init__(self, descriptor: int) -> None:
        self._file = descriptor
        self.writer = secrets.token_hex(8)

    @classmethod
    def create(cls, path: str) -> "MarkFile":
        """A new one.  Raises FileExistsError."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return cls(_locked(os.open(path, flags, durable.FILE_MODE)))

    @classmethod
    def open(cls, path: str, partial_id: str) -> "MarkFile":
        """The one at `path`.  Raises PartialBusy, PartialNotFound."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise PartialNotFound(partial_id) from None
        try:
            _locked(descriptor)
        except BlockingIOError:
            raise PartialBusy(partial_id) from None
        if not os.fstat(descriptor).st_nlink:
            os.close(descriptor)
            raise PartialNotFound(partial_id)
        return cls(descriptor)

    def read(self) -> Mark:
        """What is written; a mark that a power cut has mutilated says that nothing is durable."""
        parts = os.pread(self._file, _LENGTH, 0).decode("ascii", "replace").split()
        if len(parts) != 3 or not parts[0].isdecimal():
            return Mark(0, HELD_BACK, "")
        return Mark(int(parts[0]), parts[1], parts[2])

    def write(self, offset: int, *, held_back: bool = False, sync: bool = False) -> None:
        """Say that `offset` bytes are durable; the caller has made them so."""
        boot = HELD_BACK if held_back else boot_id()
        os.pwrite(self._file, f"{offset:020d} {boot:<36} {self.writer}\n".encode("ascii"), 0)
        if sync:
            os.fsync(self._file)

    def close(self) -> None:
        """Let the next writer in."""
        os.close(self._file)


def _locked(descriptor: int) -> int:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
