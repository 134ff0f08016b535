"""Room of the store: an optional quota, and space to leave free for others.

What the store holds is summed up in one small file, `usage`, that all processes update under its
lock while they rename or unlink, so it costs microseconds and no scan.  It is raised before a file
gets its name and lowered after a file has lost it: a process killed in between leaves the sum too high,
which refuses early rather than overruns.  It is not fsynced, as fsyncing it would double the cost of a
small put; after a power cut it can lag by what the last seconds brought.  recount() puts both right.
"""

import fcntl
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from errno import EDQUOT, ENOSPC
from typing import Protocol

from librarian import durable
from librarian.store.interfaces import StoreFull

log = logging.getLogger(__name__)


class IsRoom(Protocol):
    """What counts the bytes that are written; see Room."""

    def require(self, more: int, written: int = 0) -> None:
        """Raise StoreFull unless `more` bytes fit, beside the `written` ones of the same upload."""

    def changing(self, difference: int) -> AbstractContextManager[None]:
        """Account for a block that makes the store hold `difference` more bytes (fewer, if negative)."""


class Room:
    """The limits of one store.  `quota` and `keep_free` are bytes; no quota is None."""

    def __init__(self, root: str, quota: int | None, keep_free: int) -> None:
        self._root = root
        self._path = os.path.join(root, "usage")
        self._quota = quota
        self._keep_free = keep_free

    def require(self, more: int, written: int = 0) -> None:
        """Raise StoreFull unless `more` bytes fit, beside the `written` ones of the same upload.

        The quota counts an upload in progress against its own writer only, so several at a time can
        overlap; changing() decides about them one by one.
        """
        if self._quota is not None and (self._read_sum() or 0) + written + more > self._quota:
            raise quota_exhausted(self._quota)
        disk = os.statvfs(self._root)
        if disk.f_bavail * disk.f_frsize - self._keep_free < more:
            raise StoreFull(ENOSPC, "the byte store has no room: the disk is full")

    def left(self) -> int:
        """The number of bytes that the disk and the quota still have room for."""
        disk = os.statvfs(self._root)
        left = disk.f_bavail * disk.f_frsize - self._keep_free
        if self._quota is not None:
            left = min(left, self._quota - (self._read_sum() or 0))
        return max(left, 0)

    @contextmanager
    def changing(self, difference: int) -> Iterator[None]:
        """Account for a block that makes the store hold `difference` more bytes (fewer, if negative)."""
        try:
            ledger = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:  # there never was a quota
            yield
            return
        try:
            fcntl.flock(ledger, fcntl.LOCK_EX)
            with self._account(ledger, difference):
                yield
        finally:
            os.close(ledger)

    def recount(self, sizes: Callable[[], Iterable[int]]) -> int:
        """Replace the sum by what `sizes` adds up to, plus what was accounted for while it was walking.

        Answers what `sizes` adds up to.  Where no quota is or was set, that is all.

        A file that comes or goes in those moments may count twice or not at all; the next recount
        sees it.
        """
        before = self._read_sum()
        found = sum(sizes())
        if self._quota is None and not os.path.exists(self._path):
            return found
        ledger = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, durable.FILE_MODE)
        try:
            os.fchmod(ledger, durable.FILE_MODE)
            fcntl.flock(ledger, fcntl.LOCK_EX)
            meanwhile = 0 if before is None else (_parse(ledger) or 0) - before
            _write(ledger, found + meanwhile)
        finally:
            os.close(ledger)
        log.info("byte store counted bytes=%s before=%s", found, before)
        return found

    def needs_recount(self) -> bool:
        """Whether there is a quota to keep and no usable sum to keep it by."""
        return self._quota is not None and self._read_sum() is None

    @contextmanager
    def _account(self, ledger: int, difference: int) -> Iterator[None]:
        used = _parse(ledger) or 0
        if difference <= 0:
            yield
            _write(ledger, used + difference)
            return
        if self._quota is not None and used + difference > self._quota:
            raise quota_exhausted(self._quota)
        _write(ledger, used + difference)
        try:
            yield
        except BaseException:
            _write(ledger, used)
            raise

    def _read_sum(self) -> int | None:
        try:
            ledger = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            return _parse(ledger)
        finally:
            os.close(ledger)


def quota_exhausted(quota: int) -> StoreFull:
    """The error of an upload that goes beyond `quota`, in bytes."""
    return StoreFull(EDQUOT, f"the byte store has no room: its quota of {quota} bytes is used up")


def _parse(ledger: int) -> int | None:
    """The sum in an open ledger; None if it is empty or mutilated."""
    with suppress(ValueError):
        return int(os.pread(ledger, 64, 0))
    return None


def _write(ledger: int, used: int) -> None:
    """Put the sum down in one write of fixed width, so a reader without the lock sees the old or the new."""
    os.pwrite(ledger, b"%020d\n" % max(used, 0), 0)
