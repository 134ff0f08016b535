"""A byte store in a folder of a local file system.

    incoming/<random>      being written; on the same file system, so that a rename finishes it
    <ab>/<cd>/<sha256>     held: whole, durable, named by its digest; its age is its modification time
    quarantine/<sha256>    damaged, set aside
    fresh, fresh.taken     digests of what was stored since the last scrub
    usage                  the sum of the sizes, where a quota is or was set
    installation           the id that the tree of this installation carries too

Files get mode 0600, directories 0700.  Any number of threads and processes of one machine may share the
folder: whoever changes what is held under a digest holds the flock of its leaf directory.  (Not over NFS,
which locks no directory.)
"""

import errno
import logging
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

from zope.interface import implementer

from librarian import durable
from librarian.interfaces import IClock, LibrarianError
from librarian.store import hashing
from librarian.store.disk.fresh import Fresh
from librarian.store.disk.incoming import Incoming, IncomingFile
from librarian.store.disk.layout import INSTALLATION, Layout, read_installation
from librarian.store.disk.troubles import trouble, troubles
from librarian.store.interfaces import BytesDamaged, BytesNotFound, IByteStore, StoredBytes
from librarian.store.room import Room

log = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@implementer(IByteStore)
class DiskStore:
    """Bytes as plain files under `root`.

    Making one makes the missing folders where it can; a store that can only be read serves what it has.
    After that, a missing `incoming` means that the volume is gone: StoreUnavailable is raised rather than
    the mount point filled.  `quota` limits what is held; `keep_free` is room on the disk left to others,
    such as the database beside the store.  Both are bytes.  With `list_fresh` what is new is listed for
    fresh().
    """

    def __init__(
        self,
        root: Path,
        clock: IClock,
        quota: int | None = None,
        *,
        keep_free: int = 0,
        list_fresh: bool = False,
    ) -> None:
        self._clock = clock
        self._layout = Layout(str(root.absolute()))
        self._incoming = Incoming(self._layout.incoming)
        self._room = Room(self._layout.root, quota, keep_free)
        self._fresh = Fresh(self._layout.root)
        self._list_fresh = list_fresh
        try:
            self._layout.prepare()
            if self._room.needs_recount():
                self.recount()
        except OSError as error:
            log.warning("byte store cannot be prepared error=%s", error)

    def put(
        self,
        stream: BinaryIO,
        *,
        size: int | None = None,
        sha256: str | None = None,
        sha1: str | None = None,
        md5: str | None = None,
    ) -> StoredBytes:
        with self._incoming.file() as file:
            with troubles("make room"):
                self._room.require(size or 0)
            found = hashing.copy_and_hash(stream, _Sink(file, self._room).write, size=size)
            hashing.check_digests(found, sha256=sha256, sha1=sha1, md5=md5)
            with troubles("put"):
                file.settle(_nanoseconds(self._clock.now()))
                self._publish(file, found)
        return found

    def open(self, sha256: str) -> BufferedReader:
        path = self._layout.held(sha256)
        try:
            return open(path, "rb", opener=_open_regular)
        except (FileNotFoundError, IsADirectoryError):
            raise self._absence(sha256) from None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise self._absence(sha256) from None
            log.error("byte store trouble step=open error=%s", error)
            raise trouble(error) from error

    def size(self, sha256: str) -> int:
        return self._stat(sha256).st_size

    def stored_at(self, sha256: str) -> datetime:
        return _EPOCH + timedelta(microseconds=self._stat(sha256).st_mtime_ns // 1000)

    def remove(self, sha256: str, *, stored_before: datetime | None = None) -> bool:
        if not hashing.is_sha256(sha256):
            return False
        limit = None if stored_before is None else _nanoseconds(stored_before)
        with troubles("remove"):
            try:
                with durable.locked_directory(self._layout.leaf(sha256)) as leaf:
                    return self._forget(sha256, leaf, limit)
            except FileNotFoundError:  # nothing was ever stored near it
                self._layout.require_volume()
                return False

    def __contains__(self, sha256: str) -> bool:
        try:
            self._stat(sha256)
        except (BytesNotFound, BytesDamaged):
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        with troubles("iterate"):
            yield from self._layout.walk_held()

    def verify(self, sha256: str, told: Callable[[int], object] | None = None) -> int:
        with self.open(sha256) as file:
            return _verify(file, sha256, told)

    def quarantine(self, sha256: str) -> bool:
        while True:
            try:
                file = self.open(sha256)
            except BytesDamaged:
                return False
            with file:
                try:
                    _verify(file, sha256)
                    return False
                except BytesDamaged:
                    if self._set_aside(sha256, os.fstat(file.fileno())):
                        return True
            # Another put() or remove() came in between: judge what is there now.

    def quarantined(self) -> Iterator[str]:
        with troubles("list quarantine"):
            yield from (sha256 for sha256 in self._layout.walk_aside() if sha256 not in self)

    def fresh(self) -> Iterator[str]:
        with troubles("list what is fresh"):
            yield from self._fresh.take()
            self._fresh.done()

    def noise(self) -> Iterator[str]:
        with troubles("look for noise"):
            self._layout.require_volume()
            yield from self._layout.noise()
            yield from (f"incoming/{name}" for name in self._incoming.noise())

    def clear_incoming(self, older_than: timedelta) -> int:
        return self._incoming.clear(older_than)

    def check(self) -> None:
        with self._incoming.file() as file, troubles("check"):
            self._room.require(1)
            file.write(b"?")

    def spool(self) -> BinaryIO:
        with troubles("spool"):
            return cast(BinaryIO, tempfile.TemporaryFile(dir=self._incoming.path))

    def room(self) -> int | None:
        with troubles("look for room"):
            return self._room.left()

    def installation(self) -> str | None:
        with troubles("read installation"):
            self._layout.require_volume()
            return read_installation(self._layout.root)

    def join(self, installation: str, *, anew: bool = False) -> str:
        with (
            self._incoming.file() as file,
            troubles("join"),
            durable.locked_directory(self._layout.root) as root,
        ):
            held = read_installation(self._layout.root)
            if held is not None and not anew:
                return held
            file.write(f"{installation}\n".encode("ascii"))
            file.settle(_nanoseconds(self._clock.now()))
            file.rename(INSTALLATION, root)
            os.fsync(root)
        return installation

    def recount(self) -> int:
        with troubles("recount"):
            return self._room.recount(self._sizes)

    def _publish(self, file: IncomingFile, found: StoredBytes) -> None:
        """Give the file its final name, durably.

        It replaces what is there, which renews the age and heals a damaged copy without a look at it.
        """
        self._layout.settle(found.sha256)
        with durable.locked_directory(self._layout.leaf(found.sha256)) as leaf:
            replaced = _stat_if_there(found.sha256, leaf)
            with self._room.changing(found.size - (replaced.st_size if replaced else 0)):
                file.rename(found.sha256, leaf)
            os.fsync(leaf)
            self._unlink(self._layout.aside(found.sha256), None, None)
        if self._list_fresh and replaced is None:
            self._fresh.add(found.sha256)

    def _forget(self, sha256: str, leaf: int, limit: int | None) -> bool:
        """Unlink both copies under the lock of the leaf; whether there was one."""
        held = self._unlink(sha256, leaf, limit)
        aside = self._unlink(self._layout.aside(sha256), None, limit)
        if held:
            os.fsync(leaf)
        return held or aside

    def _unlink(self, name: str, directory: int | None, limit: int | None) -> bool:
        """Unlink a file claimed before `limit` (nanoseconds of the epoch; None: always); whether it was."""
        found = _stat_if_there(name, directory)
        if found is None or (limit is not None and found.st_mtime_ns >= limit):
            return False
        with self._room.changing(-found.st_size):
            os.unlink(name, dir_fd=directory)
        return True

    def _set_aside(self, sha256: str, judged: os.stat_result) -> bool:
        """Move a damaged file into quarantine, unless another has taken its place; whether it was moved."""
        with troubles("quarantine"):
            durable.make_directories(self._layout.quarantine)
            with durable.locked_directory(self._layout.leaf(sha256)) as leaf:
                found = _stat_if_there(sha256, leaf)
                if found is None or not os.path.samestat(found, judged):
                    return False
                os.rename(sha256, self._layout.aside(sha256), src_dir_fd=leaf)
                durable.sync_directory(self._layout.quarantine)
                os.fsync(leaf)
        log.error("bytes quarantined sha256=%s", sha256)
        return True

    def _stat(self, sha256: str) -> os.stat_result:
        path = self._layout.held(sha256)
        with troubles("stat"):
            found = _stat_if_there(path, None)
        if found is None:
            raise self._absence(sha256)
        return found

    def _absence(self, sha256: str) -> LibrarianError:
        """Why nothing is held under a digest."""
        with troubles("look for"):
            self._layout.require_volume()
            if _stat_if_there(self._layout.aside(sha256), None) is not None:
                return BytesDamaged(sha256)
        return BytesNotFound(sha256)

    def _sizes(self) -> Iterator[int]:
        held = map(self._layout.held, self._layout.walk_held())
        aside = map(self._layout.aside, self._layout.walk_aside())
        for path in chain(held, aside):
            if (found := _stat_if_there(path, None)) is not None:
                yield found.st_size


class _Sink:
    """Takes the pieces of an upload for as long as there is room."""

    def __init__(self, file: IncomingFile, room: Room) -> None:
        self._file = file
        self._room = room
        self._written = 0

    def write(self, piece: bytes) -> None:
        with troubles("write"):
            self._room.require(len(piece), self._written)
            self._file.write(piece)
        self._written += len(piece)


def _verify(file: BufferedReader, sha256: str, told: Callable[[int], object] | None = None) -> int:
    """The length of a file whose bytes are what its name says; anything else raises BytesDamaged."""
    durable.forget_cached(file.fileno())  # the copy in memory may be sound when the one on the medium is not
    try:
        actual = hashing.sha256_of(file, told)
    except OSError as error:
        # Checksumming file systems and dying disks answer EIO for the damaged part.
        if error.errno != errno.EIO:
            raise trouble(error) from error
        raise BytesDamaged(sha256) from error
    if actual != sha256:
        raise BytesDamaged(sha256)
    return file.tell()


def _open_regular(path: str, flags: int) -> int:
    """Open what the store has put there itself, and it makes no links."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)


def _stat_if_there(name: str, directory: int | None) -> os.stat_result | None:
    """The stat of a regular file; None if there is none of this name."""
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def _nanoseconds(moment: datetime) -> int:
    """An aware time in nanoseconds of the epoch, exactly (float arithmetic would not be)."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
