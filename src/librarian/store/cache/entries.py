"""The files of the cache: found, locked, published and evicted.

    entries/<ab>/<sha256>             an object, whole
    entries/<ab>/<sha256>.d/<n>       a slice of a large object, with its own SHA-256 behind it
    entries/<ab>/<sha256>.d/digests   the size, and what the slices must hash to once that is known
    incoming/<random>                 being fetched
    locks/<000..fff>                  held while an entry is fetched
    locks/long-<000..fff>             held while the whole of a large object is read
    trimming                          held by the process that evicts

The modification time of an entry is the time of its last use, to the minute.
"""

import fcntl
import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from io import BufferedReader
from pathlib import Path
from shutil import rmtree

from librarian import durable
from librarian.store.disk.incoming import Incoming, IncomingFile
from librarian.store.interfaces import StoreUnavailable

TOUCH_SECONDS = 60  # a hit writes no more often than this
BLOCK_BYTES = 512  # the unit of st_blocks
KEEP = 0.9  # of the limit is left by an eviction, so that the next is not due at once
ABANDONED = timedelta(minutes=1)


class Entries:
    """The files below one folder.  Names are those of the module's drawing, below ``entries``."""

    def __init__(self, folder: Path) -> None:
        self._root = str(folder.absolute())
        self._incoming = Incoming(f"{self._root}/incoming")

    def prepare(self) -> None:
        """Make the folders that are missing."""
        for name in ("entries", "incoming", "locks"):
            durable.make_shared_directories(f"{self._root}/{name}")

    def open(self, name: str) -> BufferedReader | None:
        """An entry, which is marked as used now; None where there is none."""
        try:
            file = open_file(self._path(name))
        except FileNotFoundError:
            return None
        _mark_as_used(file.fileno())
        return file

    def open_descriptor(self, name: str) -> int:
        """The descriptor of an entry, which is marked as used now.  Raises FileNotFoundError."""
        found = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC)
        _mark_as_used(found)
        return found

    def has(self, name: str) -> bool:
        """Whether there is such an entry, which is not marked as used."""
        return os.path.exists(self._path(name))

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Keep others, threads and processes, from fetching the same entry (and one in 4096 others)."""
        turn = hashlib.sha256(name.encode("ascii")).hexdigest()[:3]
        with self._lock(f"locks/{turn}", fcntl.LOCK_EX):
            yield

    @contextmanager
    def claimed(self, name: str) -> Iterator[bool]:
        """Keep others from the same work for as long as it takes; False if another does it."""
        turn = hashlib.sha256(name.encode("ascii")).hexdigest()
        with ExitStack() as stack:
            try:
                stack.enter_context(self._lock(f"locks/long-{turn[:3]}", fcntl.LOCK_EX | fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True

    def create(self) -> IncomingFile:
        """A new file, the caller's to fill, to publish and to close."""
        with suppress(StoreUnavailable):
            return self._incoming.create()
        self.prepare()  # the folder may have been deleted to make room
        return self._incoming.create()

    def publish(self, draft: IncomingFile, name: str) -> None:
        """Make a draft an entry, all of it on the disk first: a power cut leaves no piece of one."""
        draft.settle(time.time_ns())
        durable.move_into_place(draft.path, self._path(name))

    def drop(self, name: str) -> None:
        """Unlink an entry; readers keep it."""
        with suppress(FileNotFoundError):
            os.unlink(self._path(name))

    def drop_slices(self, sha256: str) -> None:
        """Unlink all that is kept of a large object."""
        rmtree(self._path(f"{sha256}.d"), ignore_errors=True)

    def trim(self, limit: int) -> int:
        """Evict down to KEEP of `limit` bytes if there are more; the bytes freed."""
        try:
            with self._lock("trimming", fcntl.LOCK_EX | fcntl.LOCK_NB):
                self._incoming.clear(ABANDONED)
                return self._evict(limit)
        except BlockingIOError:
            return 0

    def _evict(self, limit: int) -> int:
        # Two walks and a sum for each minute, instead of a list of what may be millions of files.
        used: Counter[int] = Counter()
        for entry in self._walk(f"{self._root}/entries"):
            with suppress(FileNotFoundError):
                found = entry.stat(follow_symlinks=False)
                used[_minute(found)] += found.st_blocks * BLOCK_BYTES
        excess = used.total() - int(limit * KEEP) if used.total() > limit else 0
        return self._evict_until(_last_minute(used, excess), excess) if excess > 0 else 0

    def _evict_until(self, minute: int, excess: int) -> int:
        """Evict what was last used before `minute`, and of that minute as much as `excess` bytes need."""
        freed = 0
        for last in (minute - 1, minute):
            for entry in self._walk(f"{self._root}/entries"):
                if freed >= excess:
                    return freed
                with suppress(FileNotFoundError):
                    found = entry.stat(follow_symlinks=False)
                    if _minute(found) <= last:
                        os.unlink(entry.path)
                        freed += found.st_blocks * BLOCK_BYTES
        return freed

    def _walk(self, folder: str) -> Iterator[os.DirEntry[str]]:
        """The files, at any depth; folders that are empty are removed."""
        with suppress(FileNotFoundError), os.scandir(folder) as found:
            for entry in found:
                if not entry.is_dir(follow_symlinks=False):
                    yield entry
                    continue
                yield from self._walk(entry.path)
                with suppress(OSError):  # not empty
                    os.rmdir(entry.path)

    @contextmanager
    def _lock(self, name: str, how: int) -> Iterator[None]:
        file = self._open_lock(f"{self._root}/{name}")
        try:
            fcntl.flock(file, how)
            yield
        finally:
            os.close(file)

    def _open_lock(self, path: str) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        with suppress(FileNotFoundError):
            return os.open(path, flags, durable.FILE_MODE)
        self.prepare()
        return os.open(path, flags, durable.FILE_MODE)

    def _path(self, name: str) -> str:
        return f"{self._root}/entries/{name[:2]}/{name}"


def open_file(path: str) -> BufferedReader:
    """A file to read, the caller's to close.  Raises FileNotFoundError."""
    return open(path, "rb")


def _mark_as_used(file: int) -> None:
    if time.time() - os.fstat(file).st_mtime > TOUCH_SECONDS:
        with suppress(OSError):  # a read-only file system still serves
            os.utime(file)


def _minute(found: os.stat_result) -> int:
    return int(found.st_mtime) // TOUCH_SECONDS


def _last_minute(used: Counter[int], excess: int) -> int:
    """The minute up to which entries must go for `excess` bytes to be freed."""
    last, freed = 0, 0
    for minute in sorted(used):
        if freed >= excess:
            break
        last, freed = minute, freed + used[minute]
    return last
