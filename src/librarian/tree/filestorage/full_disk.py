"""A FileStorage that survives a full disk, and the reserve of bytes that upkeep works with then.

ZODB reads and writes its files through buffers.  What could not be written stays in them, and goes out
later, in front of or behind other transactions.  So after such an error the files are opened anew.
"""

import errno
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any

from ZEO.ClientStorage import ClientStorage
from ZEO.Exceptions import ServerException

from librarian.durable import FILE_MODE, close_to_others
from librarian.log_filters import NO_ROOM, WithoutTraceback
from librarian.tree.filestorage.memory import RememberingFile
from librarian.tree.interfaces import TreeFull

log = logging.getLogger(__name__)

RESERVE = "reserve"  # the name of the file, beside the tree


class _TellingFull:
    """A context manager without a generator, as there is one around each record that is stored."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and not isinstance(error, TreeFull) and error.errno in NO_ROOM:
            raise TreeFull(error.errno or errno.ENOSPC) from error


_telling_full = _TellingFull()


def telling_full() -> AbstractContextManager[None]:
    """Raise TreeFull for the system's errors ENOSPC and EDQUOT."""
    return _telling_full


@contextmanager
def hearing_full() -> Iterator[None]:
    """Raise TreeFull for a ZEO server's error that it has no room."""
    try:
        yield
    except ServerException as error:
        # Its class by name and what that was called with, as ZEO.asyncio.marshal has it.
        match error.args:
            case (str(name), (int(number), *_)) if number in NO_ROOM and name.endswith(
                ("TreeFull", "OSError")
            ):
                raise TreeFull(number) from error
        raise


def hear_full(storage: ClientStorage) -> None:
    """Have a ZEO client raise TreeFull."""
    for name in ("tpc_vote", "tpc_finish", "pack"):
        setattr(storage, name, _hearing(getattr(storage, name)))


def _hearing(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def hear(*arguments: Any, **options: Any) -> Any:
        with hearing_full():
            return method(*arguments, **options)

    return hear


def tell_in_a_line() -> None:
    """Install this filter in ZEO's server."""
    for name in ("ZEO.StorageServer", "ZEO.asyncio.server"):
        logger = logging.getLogger(name)
        if not any(isinstance(found, WithoutTraceback) for found in logger.filters):
            logger.addFilter(WithoutTraceback(NO_ROOM))


class RoomyFile(RememberingFile):
    """A FileStorage that needs no restart after its disk was full."""

    # Of FileStorage, which has no types.
    _file: Any
    _lock: Any

    def store(self, *arguments: Any) -> Any:
        """FileStorage.store().  Raises TreeFull for a disk without room."""
        with telling_full():
            return super().store(*arguments)

    def restore(self, *arguments: Any) -> Any:
        """FileStorage.restore().  Raises TreeFull for a disk without room."""
        with telling_full():
            return super().restore(*arguments)

    def tpc_vote(self, transaction: Any) -> Any:
        with telling_full():
            try:
                return super().tpc_vote(transaction)
            except OSError:
                self._open_anew()
                raise

    def _open_anew(self) -> None:
        """Drop the file's buffer, and cut off the part of it that was written."""
        with self._lock:
            with suppress(OSError):
                self._file.close()
            self._file = open(self._file_name, "r+b")  # noqa: SIM115, PTH123  # as long as the storage is open
            self._file.truncate(self._pos)
            self._files.flush()


class Reserve:
    """A file beside the tree that holds room; it is given up when upkeep needs it to get room back.

    `size` is in bytes; 0 keeps none.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    def keep(self) -> None:
        """Make the reserve file, if it is missing and the disk has room for twice its size."""
        close_to_others(self._path)
        if self._size == 0 or self._path.exists():
            return
        disk = os.statvfs(self._path.parent)
        if disk.f_bavail * disk.f_frsize < 2 * self._size:
            log.warning("no room for a reserve path=%s bytes=%d", self._path, self._size)
            return
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            os.posix_fallocate(file, 0, self._size)
        except OSError as error:
            log.warning("no reserve path=%s error=%s", self._path, error)
            self._path.unlink()
        finally:
            os.close(file)

    def give_up(self) -> bool:
        """Remove the reserve file; False if that fails or there is none."""
        try:
            self._path.unlink()
        except OSError:
            return False
        log.warning("the disk is full, the reserve is given up path=%s bytes=%d", self._path, self._size)
        return True
