"""Bytes are verified when they are read, as disks and memory change some of them without a word.

A small file costs next to nothing: it is hashed before anything of it is sent.  A larger one is hashed
in the background when it is first read in a day, beside the kernel that sends it, so that a wrong byte
goes out once at most.  Damaged files are quarantined at once.

A store in the network verifies what it gives (`IByteStore.verifies_reads`), and tells of damage that a reader
has met (`librarian.store.events`).  What it holds is read twice more in the background then, and quarantined
if it is wrong both times, since one wrong answer may be that of one copy of several.
"""

import errno
import hashlib
import io
import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import Any, BinaryIO, cast

from zope.component import getUtility
from zope.interface import implementer

from librarian.interfaces import IClock, ISettings
from librarian.library.events.files import announce_damage
from librarian.library.interfaces import IVerifiedReads
from librarian.library.library_file import FileWrapper
from librarian.library.settings import ReadSettings
from librarian.security.audit import record_event
from librarian.security.interaction import acting_as
from librarian.security.principals import SYSTEM
from librarian.store import hashing
from librarian.store.events import DamageSeen
from librarian.store.interfaces import BytesDamaged, BytesNotFound, IByteStore, StoreTrouble
from librarian.tree.interfaces import ITree

log = logging.getLogger(__name__)

# Hashing as much takes 37 us where the processor has instructions for it and a multiple where it has none;
# a download of it took 385 us of processor time without, and 430 with; of 1 KiB 370 in either case.  It is
# also what delivery reads at once.
SMALL = 64 * 1024  # bytes
MOST_A_DAY = 100_000  # files, at most, that are remembered as verified or known
MOST_WAITING = 10_000


@implementer(IVerifiedReads)
class VerifiedReads:
    """The digests that this process has verified today, and a thread that verifies the next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._store: IByteStore | None = None
        self._day: date | None = None
        self._seen: set[str] = set()
        self._sound: set[str] = set()  # the verified ones of these
        self._suspected: set[str] = set()  # damage was met, and is not judged yet
        self._due: queue.Queue[tuple[Callable[[IByteStore, str], None], IByteStore, str]]
        self._due = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None

    @property
    def _mode(self) -> str:
        return getUtility(ISettings).section(ReadSettings).verify_reads

    def open(self, store: IByteStore, sha256: str, size: int) -> BinaryIO:
        return self.checked(store, store.open(sha256), sha256, size)

    def checked(
        self, store: IByteStore, file: BinaryIO, sha256: str, size: int, whole: bool = True
    ) -> BinaryIO:
        mode = self._mode
        if mode == "never" or store.verifies_reads:
            return file
        if size <= SMALL:
            return self._small(store, file, sha256, size)
        if mode == "daily":
            self._note(store, sha256)
            return file
        if whole:
            return cast(BinaryIO, CheckedFile(self, store, file, sha256, size))
        return self._verified(store, file, sha256)

    def is_sound(self, sha256: str, size: int) -> bool:
        if size <= SMALL or self._mode != "daily":
            return True
        today = getUtility(IClock).now().date()
        with self._lock:
            return today == self._day and sha256 in self._sound

    def must_stream(self, size: int) -> bool:
        return self._mode == "always" and size > SMALL

    def quarantine(self, store: IByteStore, sha256: str) -> bool:
        try:
            if not store.quarantine(sha256):
                return False
        except BytesNotFound:
            return False
        except StoreTrouble as error:  # it could not be moved to quarantine; it is refused nevertheless
            log.error("bytes not quarantined sha256=%s error=%s", sha256, error)
            return True
        with self._lock:
            self._sound.discard(sha256)
            self._seen.discard(sha256)  # a file stored again under this digest must be verified anew
        record_event("bytes damaged", sha256=sha256, aliases=_aliases_of(sha256))
        announce_damage(getUtility(ITree), store, sha256, "damaged")
        return True

    def suspect(self, store: IByteStore, sha256: str) -> None:
        with self._lock:
            if sha256 not in self._suspected and self._enqueue(self._judge, store, sha256):
                self._suspected.add(sha256)

    def finish(self) -> None:
        self._due.join()

    def _small(self, store: IByteStore, file: BinaryIO, sha256: str, size: int) -> BinaryIO:
        """The bytes, read once and verified."""
        data = _read_all(file, size)
        if not _is(data, sha256):
            # The copy in memory may be wrong and the one on disk right; quarantine() reads the disk again.
            if self.quarantine(store, sha256):
                raise BytesDamaged(sha256)
            data = _read_all(store.open(sha256), size)
            if not _is(data, sha256):
                raise BytesDamaged(sha256)
        return io.BytesIO(data)

    def _verified(self, store: IByteStore, file: BinaryIO, sha256: str) -> BinaryIO:
        """The file at its beginning, once all of it is read."""
        try:
            if _sha256_of(file) != sha256:
                self.quarantine(store, sha256)
                raise BytesDamaged(sha256)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def _note(self, store: IByteStore, sha256: str) -> None:
        """Have a file verified, if it was not today."""
        today = getUtility(IClock).now().date()
        with self._lock:
            if store is not self._store or today != self._day:
                self._store, self._day, self._seen, self._sound = store, today, set(), set()
            if sha256 in self._seen or len(self._seen) >= MOST_A_DAY:
                return
            if self._enqueue(self._look, store, sha256):
                self._seen.add(sha256)

    def _enqueue(self, work: Callable[[IByteStore, str], None], store: IByteStore, sha256: str) -> bool:
        """Have the thread do it; False if too much is waiting, so that it is for the next read."""
        try:
            self._due.put_nowait((work, store, sha256))
        except queue.Full:
            return False
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="verifier", daemon=True)
            self._thread.start()
        return True

    def _work(self) -> None:
        while True:
            work, store, sha256 = self._due.get()
            try:
                with acting_as(SYSTEM):
                    work(store, sha256)
            except (BytesNotFound, BytesDamaged, StoreTrouble) as error:
                log.info("not verified sha256=%s error=%s", sha256, error)
            except Exception:  # the thread must outlive any file
                log.exception("not verified sha256=%s", sha256)
            finally:
                self._due.task_done()

    def _look(self, store: IByteStore, sha256: str) -> None:
        # The bytes in the page cache are sent, so they are hashed; a scrub reads the disk.
        with store.open(sha256) as file:
            if _sha256_of(file) == sha256:
                with self._lock:
                    self._sound.add(sha256)
                return
        self.quarantine(store, sha256)

    def _judge(self, store: IByteStore, sha256: str) -> None:
        with self._lock:
            self._suspected.discard(sha256)
        if self.quarantine(store, sha256):
            return
        try:
            store.size(sha256)
        except BytesNotFound:
            # A store that has seen the damage itself may have thrown the bytes out.
            aliases = _aliases_of(sha256)
            if aliases:
                record_event("bytes missing", sha256=sha256, aliases=aliases)
                announce_damage(getUtility(ITree), store, sha256, "missing")


def suspect_damage(event: DamageSeen) -> None:
    """A subscriber: have what a reader has met judged."""
    getUtility(IVerifiedReads).suspect(getUtility(IByteStore), event.sha256)


class CheckedFile(FileWrapper):
    """A file that hashes what is read of it, and raises BytesDamaged instead of giving its last piece
    where all of it is not what it should be.  Has no descriptor, so no server sends it by itself."""

    def __init__(
        self, reads: VerifiedReads, store: IByteStore, file: BinaryIO, sha256: str, size: int
    ) -> None:
        super().__init__(file)
        self._reads = reads
        self._store = store
        self._sha256 = sha256
        self._size = size
        self._digest = hashlib.sha256()
        self._hashed = 0  # bytes, from the beginning

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes (-1: to the end), b"" at the end; hashed on the way.  Raises BytesDamaged."""
        start = self._file.tell()
        data = self._file.read(size)
        stop = start + len(data)
        if stop > self._hashed:
            self._hash_gap(start, stop)
            self._digest.update(memoryview(data)[max(self._hashed - start, 0) :])
            self._hashed = stop
            if stop >= self._size and self._digest.hexdigest() != self._sha256:
                self._reads.quarantine(self._store, self._sha256)
                raise BytesDamaged(self._sha256)
        return data

    def _hash_gap(self, start: int, stop: int) -> None:
        """Hash the bytes that a seek() passed over, then return to the position."""
        if start > self._hashed:
            self._file.seek(self._hashed)
            for piece in hashing.read_chunks(self._file, start - self._hashed):
                self._digest.update(piece)
            self._hashed = start
            self._file.seek(stop)

    @property
    def closed(self) -> bool:
        """As io.IOBase has it."""
        return self._file.closed

    def fileno(self) -> int:
        """Raises io.UnsupportedOperation: a server that used sendfile() would send bytes unverified."""
        raise io.UnsupportedOperation("fileno")


def _is(data: bytes, sha256: str) -> bool:
    return hashlib.sha256(data).hexdigest() == sha256


def _read_all(file: BinaryIO, size: int) -> bytes:
    """All bytes, or one too many; nothing where the medium does not give them back.  Closes the file."""
    with file:
        try:
            return file.read(size + 1)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return b""


def _sha256_of(file: BinaryIO) -> str:
    """The SHA-256 of a file's bytes, in hex; empty if the disk cannot read them."""
    try:
        return hashing.sha256_of(cast(io.BufferedReader, file))
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return ""


def _aliases_of(sha256: str) -> list[int]:
    """The ids of the files that are concerned; none where the tree cannot be asked."""
    with suppress(Exception):
        tree: Any = getUtility(ITree)
        with tree.session():
            return [record.id for record in tree.subtree("library").aliases_of(bytes.fromhex(sha256))]
    return []
