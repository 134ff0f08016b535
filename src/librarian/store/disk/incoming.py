"""The folder where bytes arrive, before they have earned their final name."""

import fcntl
import logging
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

from librarian import durable
from librarian.store.disk.troubles import troubles

log = logging.getLogger(__name__)

# A gigabyte that waits for the fsync would all have to go out then, and on ext4 the fsyncs of small files
# beside it would wait for it too.  So the disk is kept busy from this many bytes on.
WRITE_OUT_BYTES = 8 << 20

_OWN_NAME = re.compile("[0-9a-f]{32}")


def _is_own(name: str) -> bool:
    return _OWN_NAME.fullmatch(name) is not None


class IncomingFile:
    """A file being written.  Its writer holds a lock on it for as long as it is in this folder."""

    def __init__(self, path: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self.accounted = 0  # bytes of it that the room counts already
        self._path: str | None = path
        self._written = 0  # bytes
        self._sent_out = 0  # bytes
        self._file = os.open(path, flags, durable.FILE_MODE)
        try:
            os.fchmod(self._file, durable.FILE_MODE)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> str:
        """The path of the draft; valid until it is renamed."""
        assert self._path is not None
        return self._path

    @property
    def is_renamed(self) -> bool:
        """Whether the file has left the folder."""
        return self._path is None

    def is_cleared(self) -> bool:
        """Whether clear() removed the file before it was locked."""
        return os.fstat(self._file).st_nlink == 0

    def write(self, data: bytes) -> None:
        """Append bytes.  Raises OSError, on a full disk too."""
        durable.write_fully(self._file, data)
        self._written += len(data)
        if self._written - self._sent_out >= WRITE_OUT_BYTES:
            durable.forget_cached(self._file, self._sent_out, self._written - self._sent_out)
            self._sent_out = self._written

    def settle(self, mtime_ns: int) -> None:
        """Give the file its modification time (nanoseconds of the epoch) and make all of it durable."""
        self.set_age(mtime_ns)
        os.fsync(self._file)

    def set_age(self, mtime_ns: int) -> None:
        """Give the file its modification time, in nanoseconds of the epoch."""
        os.utime(self._file, ns=(mtime_ns, mtime_ns))

    def rename(self, name: str, directory: int) -> None:
        """Move the file over whatever is called `name` in an open directory (which is not fsynced)."""
        assert self._path is not None
        os.rename(self._path, name, dst_dir_fd=directory)
        self._path = None

    def close(self) -> None:
        """Close the file, and remove it unless it was renamed away."""
        try:
            if self._path is not None:
                os.unlink(self._path)
        except FileNotFoundError:
            pass
        except OSError as error:
            # The error that led here is reported already; clear() tries again at the next start.
            log.warning("incoming file left behind error=%s", error)
        finally:
            os.close(self._file)


class Incoming:
    """The folder of half-written files."""

    def __init__(self, path: str) -> None:
        self.path = path

    @contextmanager
    def file(self) -> Iterator[IncomingFile]:
        """A new file, gone at the end of the block unless it was renamed away."""
        with closing(self.create()) as file:
            yield file

    def create(self) -> IncomingFile:
        """A new file, the caller's to close."""
        with troubles("create"):
            return self._create()

    def clear(self, older_than: timedelta) -> int:
        """Remove files without a living writer, unchanged for `older_than`; their number."""
        # By the machine's clock and not IClock: these times were set by the kernel.
        limit = time.time() - older_than.total_seconds()
        with troubles("clear incoming"), os.scandir(self.path) as entries:
            return sum(self._clear_one(entry.name, limit) for entry in entries if _is_own(entry.name))

    def strays(self) -> Iterator[str]:
        """Names in the folder that no writer of ours would give, with the folder's."""
        folder = os.path.basename(self.path)
        with troubles("list incoming"), os.scandir(self.path) as entries:
            yield from (f"{folder}/{entry.name}" for entry in entries if not _is_own(entry.name))

    def _create(self) -> IncomingFile:
        while True:
            file = IncomingFile(os.path.join(self.path, secrets.token_hex(16)))
            if not file.is_cleared():
                return file
            file.close()

    def _clear_one(self, name: str, limit: float) -> bool:
        path = os.path.join(self.path, name)
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            if os.fstat(file).st_mtime > limit:
                return False
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)
        except (BlockingIOError, FileNotFoundError):  # its writer lives, or has just renamed it
            return False
        finally:
            os.close(file)
        log.info("incoming file cleared name=%s", name)
        return True
