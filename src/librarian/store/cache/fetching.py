"""Entries of the cache as they are filled and read: nothing wrong goes in, and nothing wrong comes out."""

import hashlib
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import closing
from errno import EIO
from io import BufferedReader

from librarian.log_filters import NO_ROOM
from librarian.store import hashing
from librarian.store.cache.entries import Entries, open_file
from librarian.store.disk.incoming import IncomingFile
from librarian.store.disk.troubles import troubles
from librarian.store.events import damage_seen
from librarian.store.interfaces import BytesNotFound

log = logging.getLogger(__name__)

SMALL_BYTES = 1 << 16  # hashed at every opening: it costs 37 us where a download costs 350
LASTING_SECONDS = 86400.0  # for which a larger entry that was hashed is believed
MOST_REMEMBERED = 100_000  # entries
ATTEMPTS = 2  # a store may send a rotten byte once, and the right one from another copy

Fetch = Callable[[], Iterable[bytes]]


class Filler:
    """Opens entries that are there, and fetches those that are not, each once however many want it."""

    def __init__(self, entries: Entries, limit: int, filled: Callable[[int], object]) -> None:
        """`filled` is called with the size in bytes of each new entry."""
        self._entries = entries
        self._limit = limit
        self._filled = filled
        self._sound = SoundEntries()

    def open(self, name: str, check: "Check", fetch: Fetch) -> BufferedReader:
        """The entry `name`, sound, at its beginning.  Raises BytesDamaged, StoreTrouble, those of `fetch`."""
        with troubles("read the cache"):
            found = self.held(name, check)
            if found is not None:
                return found
            with self._entries.locked(name):
                return self.held(name, check) or self._fill(name, check, fetch)

    def held(self, name: str, check: "Check") -> BufferedReader | None:
        """The entry at its beginning if it is there and sound; one that is not sound is dropped."""
        file = self._entries.open(name)
        if file is None or self._sound.has(name, file) or self._is_sound(name, check, file):
            return file
        file.close()
        log.warning("cache entry damaged name=%s", name)
        self._entries.drop(name)
        return None

    def _is_sound(self, name: str, check: "Check", file: BufferedReader) -> bool:
        try:
            sound = check.holds(file)
        except OSError as error:
            if error.errno != EIO:
                raise
            return False
        if sound:
            self._sound.add(name, file)
            file.seek(0)
        return sound

    def _fill(self, name: str, check: "Check", fetch: Fetch) -> BufferedReader:
        try:
            return self._fetched(name, check, fetch)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            self._entries.trim(self._limit // 2)  # the disk is smaller than the limit
            return self._fetched(name, check, fetch)

    def _fetched(self, name: str, check: "Check", fetch: Fetch) -> BufferedReader:
        """The entry as fetched now."""
        for attempt in range(ATTEMPTS):
            with closing(self._entries.create()) as draft:
                try:
                    if check.receive(draft, fetch()):
                        return self._published(draft, name)
                except BytesNotFound:
                    if attempt:  # a store that has seen the damage itself hides what it sent before
                        break
                    raise
            log.error("bytes fetched are damaged name=%s attempt=%d", name, attempt + 1)
        raise damage_seen(check.sha256)

    def _published(self, draft: IncomingFile, name: str) -> BufferedReader:
        # Opened first: it may be evicted as soon as it has its name.
        file = open_file(draft.path)
        try:
            self._entries.publish(draft, name)
            self._sound.add(name, file)
        except BaseException:
            file.close()
            raise
        self._filled(os.fstat(file.fileno()).st_size)
        return file


class Check:
    """What an entry must be: `size` bytes with a SHA-256 that is known (hex)."""

    def __init__(self, sha256: str, size: int) -> None:
        self.sha256 = sha256
        self.size = size

    def holds(self, file: BufferedReader) -> bool:
        """Whether an entry that is at its beginning is right."""
        return os.fstat(file.fileno()).st_size == self.size and hashing.sha256_of(file) == self.sha256

    def receive(self, draft: IncomingFile, pieces: Iterable[bytes]) -> bool:
        """Write what is fetched; whether it is right."""
        return received(draft, pieces, self.size) == self.sha256


def received(draft: IncomingFile, pieces: Iterable[bytes], size: int) -> str | None:
    """Write `pieces` to a draft; their SHA-256 in hex, or None unless they are `size` bytes."""
    digest, left = hashlib.sha256(), size
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            return None
        digest.update(piece)
        draft.write(piece)
    return None if left else digest.hexdigest()


class SoundEntries:
    """The larger entries that this process has hashed within a day, each by its name and inode."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: OrderedDict[tuple[str, int], float] = OrderedDict()

    def has(self, name: str, file: BufferedReader) -> bool:
        """Whether the file that is open as `name` needs no hashing."""
        found = os.fstat(file.fileno())
        if found.st_size <= SMALL_BYTES:
            return False
        with self._lock:
            return self._until.get((name, found.st_ino), 0.0) > time.monotonic()

    def add(self, name: str, file: BufferedReader) -> None:
        """Note that the file that is open as `name` was hashed now."""
        with self._lock:
            key = name, os.fstat(file.fileno()).st_ino
            self._until[key] = time.monotonic() + LASTING_SECONDS
            self._until.move_to_end(key)
            if len(self._until) > MOST_REMEMBERED:
                self._until.popitem(last=False)
