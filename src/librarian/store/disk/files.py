"""The files of a store: found, published, removed and quarantined.

What changes the file of a digest holds the flock of its leaf directory meanwhile.
"""

import errno
import logging
import os
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BufferedReader
from itertools import chain

from librarian import durable
from librarian.interfaces import LibrarianError
from librarian.store import hashing
from librarian.store.disk.drafts import Draft
from librarian.store.disk.layout import Layout
from librarian.store.disk.troubles import logged_trouble, trouble, troubles
from librarian.store.interfaces import BytesDamaged, BytesNotFound
from librarian.store.room import Room

log = logging.getLogger(__name__)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class HeldFiles:
    """The files below the root of a store, by digest."""

    def __init__(self, layout: Layout, room: Room) -> None:
        self._layout = layout
        self._room = room

    def open(self, sha256: str) -> BufferedReader:
        """The held file, open for reading.  Raises BytesNotFound, BytesDamaged, StoreUnavailable."""
        path = self._layout.held(sha256)
        try:
            return open(path, "rb", opener=_open_regular)
        except (FileNotFoundError, IsADirectoryError):
            raise self.absence(sha256) from None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise self.absence(sha256) from None
            raise logged_trouble("open", error) from error

    def open_descriptor(self, sha256: str) -> int:
        """A descriptor of the held file, for reading.  Raises OSError; BytesNotFound if it is no digest."""
        return _open_regular(self._layout.held(sha256), os.O_RDONLY)

    def publish(self, file: Draft, sha256: str, size: int, *, sync: bool = True) -> bool:
        """Give a file of `size` bytes its final name; whether nothing was held there before.

        It replaces what is there, which renews the age and heals a damaged copy without a look at it.
        Without `sync` the caller has made the leaf, and makes the name durable.
        """
        if sync:
            self._layout.settle(sha256)
        with durable.locked_directory(self._layout.leaf(sha256)) as leaf:
            replaced = stat_if_there(sha256, leaf)
            more = size - file.accounted - (replaced.st_size if replaced else 0)
            with self._room.changing(more):
                file.rename(sha256, leaf)
            if sync:
                os.fsync(leaf)
            self._unlink(self._layout.quarantined(sha256), None, None)
        return replaced is None

    def forget(self, sha256: str, leaf: int, limit: int | None) -> bool:
        """Unlink both copies under the lock of the leaf; whether there was one."""
        held = self._unlink(sha256, leaf, limit)
        quarantined = self._unlink(self._layout.quarantined(sha256), None, limit)
        if held:
            os.fsync(leaf)
        return held or quarantined

    def _unlink(self, name: str, directory: int | None, limit: int | None) -> bool:
        """Unlink a file claimed before `limit` (nanoseconds of the epoch; None: always); whether it was."""
        found = stat_if_there(name, directory)
        if found is None or (limit is not None and found.st_mtime_ns >= limit):
            return False
        with self._room.changing(-found.st_size):
            os.unlink(name, dir_fd=directory)
        return True

    def move_to_quarantine(self, sha256: str, judged: os.stat_result) -> bool:
        """Move a damaged file into quarantine, unless another has taken its place; whether it was moved."""
        with troubles("quarantine"):
            durable.make_directories(self._layout.quarantine)
            with durable.locked_directory(self._layout.leaf(sha256)) as leaf:
                found = stat_if_there(sha256, leaf)
                if found is None or not os.path.samestat(found, judged):
                    return False
                os.rename(sha256, self._layout.quarantined(sha256), src_dir_fd=leaf)
                durable.sync_directory(self._layout.quarantine)
                os.fsync(leaf)
        log.error("bytes quarantined sha256=%s", sha256)
        return True

    def stat(self, sha256: str) -> os.stat_result:
        """The status of a held file, by its SHA-256 in hex.  Raises BytesNotFound, StoreUnavailable."""
        path = self._layout.held(sha256)
        with troubles("stat"):
            found = stat_if_there(path, None)
        if found is None:
            raise self.absence(sha256)
        return found

    def absence(self, sha256: str) -> LibrarianError:
        """Why nothing is held under a digest."""
        with troubles("look for"):
            self._layout.require_volume()
            if stat_if_there(self._layout.quarantined(sha256), None) is not None:
                return BytesDamaged(sha256)
        return BytesNotFound(sha256)

    def sizes(self) -> Iterator[int]:
        """The size in bytes of each file, also of quarantined ones."""
        held = map(self._layout.held, self._layout.walk_held())
        quarantined = map(self._layout.quarantined, self._layout.walk_quarantine())
        for path in chain(held, quarantined):
            if (found := stat_if_there(path, None)) is not None:
                yield found.st_size


def verify_file(file: BufferedReader, sha256: str, progress: Callable[[int], object] | None = None) -> int:
    """The length of a file, in bytes, if its SHA-256 is its name; else BytesDamaged is raised."""
    durable.forget_cached(file.fileno())  # the copy in memory may be sound when the one on the medium is not
    try:
        actual = hashing.sha256_of(file, progress)
    except OSError as error:
        # Checksumming file systems and dying disks answer EIO for the damaged part.
        if error.errno != errno.EIO:
            raise trouble(error) from error
        raise BytesDamaged(sha256) from error
    if actual != sha256:
        raise BytesDamaged(sha256)
    return file.tell()


def _open_regular(path: str, flags: int) -> int:
    """Open a regular file, never a link: the store makes no links."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)


def stat_if_there(name: str, directory: int | None) -> os.stat_result | None:
    """The stat of a regular file; None if there is none of this name."""
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def nanoseconds(moment: datetime) -> int:
    """An aware time in nanoseconds of the epoch, exactly (float arithmetic would not be)."""
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000
