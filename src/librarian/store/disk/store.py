"""A byte store in a folder of a local file system.

    incoming/<random>      being written; on the same file system, so that a rename finishes it
    partial/<id>.*         partial uploads
    <ab>/<cd>/<sha256>     held: whole, durable, named by its digest; its age is its modification time
    quarantine/<sha256>    damaged
    fresh, fresh.taken     digests of what was stored since the last scrub
    usage                  the sum of the sizes, where a quota is or was set
    installation           the id that the tree of this installation carries too

Files get mode 0600, directories 0700.  Any number of threads and processes of one machine may share the
folder: the flock of a leaf directory is held while what is held under its digests is changed.  (Not over
NFS, which locks no directory.)
"""

import logging
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from zope.interface import implementer

from librarian import durable
from librarian.interfaces import IClock
from librarian.store import hashing
from librarian.store.disk.drafts import Draft
from librarian.store.disk.files import EPOCH, HeldFiles, nanoseconds, verify_file
from librarian.store.disk.fresh import Fresh
from librarian.store.disk.incoming import Incoming
from librarian.store.disk.interfaces import ILocalFiles
from librarian.store.disk.layout import INSTALLATION, Layout, read_installation
from librarian.store.disk.many import ManyPuts
from librarian.store.disk.partials import PartialFiles
from librarian.store.disk.receiving import DiskReceivedFile, DiskReceiving, Drafts
from librarian.store.disk.troubles import troubles
from librarian.store.interfaces import BytesDamaged, IByteStore, IReceivedFile, StoredBytes
from librarian.store.receiving import PutsByReceiving
from librarian.store.room import Room

log = logging.getLogger(__name__)


@implementer(IByteStore, ILocalFiles)
class DiskStore(PutsByReceiving):
    """Bytes as plain files under `root`.

    Making one makes the missing folders where it can; a store that can only be read serves what it has.
    After that, a missing `incoming` means that the volume is gone: StoreUnavailable is raised rather than
    the mount point filled.  `quota` limits what is held; `keep_free` is room on the disk left to others,
    such as the database beside the store.  Both are bytes.  With `list_fresh` what is new is listed for
    fresh().
    """

    verifies_reads = False

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
        self._held = HeldFiles(self._layout, self._room)
        self._drafts = Drafts(self._incoming, self._room)
        self.partials = PartialFiles(self._layout.partial, self._room, self._as_received)
        self._fresh = Fresh(self._layout.root)
        self._list_fresh = list_fresh
        try:
            self._layout.prepare()
            if self._room.needs_recount():
                self.recount()
        except OSError as error:
            log.warning("byte store cannot be prepared error=%s", error)

    def receive(self, size: int | None = None) -> DiskReceiving:
        return DiskReceiving(self._drafts, size, self.open)

    def keep(
        self,
        received: IReceivedFile,
        *,
        sha256: str | None = None,
        sha1: str | None = None,
        md5: str | None = None,
    ) -> StoredBytes:
        assert isinstance(received, DiskReceivedFile)
        hashing.check_digests(received.found, sha256=sha256, sha1=sha1, md5=md5)
        if received.is_kept:
            with received.open() as file:
                return self.put(file, sha256=received.sha256)
        try:
            is_new = self._publish(received)
        finally:
            received.release_if_renamed()
        if is_new and self._list_fresh:
            self._fresh.add(received.sha256)
        return received.found

    def _publish(self, received: DiskReceivedFile) -> bool:
        """Make the file durable under its final name; whether nothing was held there before."""
        with troubles("put"):
            draft = received.draft()
            draft.settle(nanoseconds(self._clock.now()))
            return self._held.publish(draft, received.sha256, received.size)

    def many_puts(self) -> ManyPuts:
        """A context manager in which many files are put at the price of a few; see `many`."""
        return ManyPuts(self._layout, self._drafts, self._held, nanoseconds(self._clock.now()))

    def open(self, sha256: str) -> BufferedReader:
        return self._held.open(sha256)

    def open_descriptor(self, sha256: str) -> int:
        return self._held.open_descriptor(sha256)

    def size(self, sha256: str) -> int:
        return self._held.stat(sha256).st_size

    def stored_at(self, sha256: str) -> datetime:
        return EPOCH + timedelta(microseconds=self._held.stat(sha256).st_mtime_ns // 1000)

    def remove(self, sha256: str, *, stored_before: datetime | None = None) -> bool:
        if not hashing.is_sha256(sha256):
            return False
        limit = None if stored_before is None else nanoseconds(stored_before)
        with troubles("remove"):
            try:
                with durable.locked_directory(self._layout.leaf(sha256)) as leaf:
                    return self._held.forget(sha256, leaf, limit)
            except FileNotFoundError:  # nothing was ever stored near it
                self._layout.require_volume()
                return False

    def __iter__(self) -> Iterator[str]:
        with troubles("iterate"):
            yield from self._layout.walk_held()

    def verify(self, sha256: str, progress: Callable[[int], object] | None = None) -> int:
        with self.open(sha256) as file:
            return verify_file(file, sha256, progress)

    def quarantine(self, sha256: str) -> bool:
        while True:
            try:
                file = self.open(sha256)
            except BytesDamaged:
                return False
            with file:
                try:
                    verify_file(file, sha256)
                    return False
                except BytesDamaged:
                    if self._held.move_to_quarantine(sha256, os.fstat(file.fileno())):
                        return True
            # Another put() or remove() came in between: judge what is there now.

    def quarantined(self) -> Iterator[str]:
        with troubles("list quarantine"):
            yield from (sha256 for sha256 in self._layout.walk_quarantine() if sha256 not in self)

    def fresh(self) -> Iterator[str]:
        return self._fresh.each()

    def strays(self) -> Iterator[str]:
        with troubles("list strays"):
            self._layout.require_volume()
            yield from self._layout.strays()
            yield from self._incoming.strays()

    def clear_incoming(self, older_than: timedelta) -> int:
        return self._incoming.clear(older_than) + self.partials.clear(older_than)

    def check(self) -> None:
        with self._incoming.file() as file, troubles("check"):
            self._room.require(1)
            file.write(b"?")

    def spool(self) -> BinaryIO:
        return self._drafts.spool()

    def room(self) -> int | None:
        return self._drafts.left()

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
            file.settle(nanoseconds(self._clock.now()))
            file.rename(INSTALLATION, root)
            os.fsync(root)
        return installation

    def recount(self) -> int:
        with troubles("recount"):
            return self._room.recount(lambda: chain(self._held.sizes(), self.partials.sizes()))

    def _as_received(self, found: StoredBytes, draft: Draft) -> DiskReceivedFile:
        return DiskReceivedFile(found, self._drafts, draft, None, self.open)
