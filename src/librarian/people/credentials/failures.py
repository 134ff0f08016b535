"""Counts of failed log-ins, in the memory of a process or in a file that all processes of a machine share.

Those in the tree, which all machines share, are in `failures_in_tree`.
"""

import fcntl
import logging
import os
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from zope.interface import implementer

from librarian.durable import FILE_MODE, make_directories
from librarian.log_filters import EXHAUSTED, NO_ROOM, Rarely
from librarian.people.credentials.interfaces import (
    NO_CHECK,
    Counts,
    FailureCheck,
    FailureCount,
    FailureKey,
    IFailureCounts,
)

log = logging.getLogger(__name__)
log.addFilter(Rarely(EXHAUSTED | NO_ROOM))

FORGIVEN_AFTER = timedelta(hours=1)
AT_MOST = 20_000  # counts; those touched longest ago go first
PATIENCE = 10.0  # seconds to wait for others; who has the file for longer than a millisecond is stopped
PAUSE = 0.002  # seconds between two looks whether it is free

_TABLE = "CREATE TABLE IF NOT EXISTS failures (key BLOB PRIMARY KEY, number INTEGER, last REAL) WITHOUT ROWID"
_INDEX = "CREATE INDEX IF NOT EXISTS by_time ON failures (last)"
_COUNT = (
    "INSERT INTO failures VALUES (?1, 1, ?2) ON CONFLICT (key) DO UPDATE SET"
    " number = CASE WHEN last <= ?3 THEN 1 ELSE number + 1 END, last = max(last, ?2)"
)
_TAKE_BACK = (
    "UPDATE failures SET number = number - 1, last = CASE WHEN last = ?2 THEN ?3 ELSE last END WHERE key = ?1"
)
_DROP_EMPTY = "DELETE FROM failures WHERE number < 1"
_DROP_OLD = "DELETE FROM failures WHERE last <= ?"
_DROP_MOST = (
    "DELETE FROM failures WHERE key IN (SELECT key FROM failures ORDER BY last DESC LIMIT -1 OFFSET ?)"
)


@implementer(IFailureCounts)
class MemoryCounts:
    """Counts in the memory of this process, at most AT_MOST of them."""

    def __init__(self) -> None:
        self._counts: OrderedDict[FailureKey, FailureCount] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._counts)

    def get(self, key: FailureKey) -> FailureCount | None:
        return self._counts.get(key)

    def add(self, keys: Sequence[FailureKey], now: datetime, check: FailureCheck = NO_CHECK) -> Counts:
        with self._lock:
            before = {key: unforgiven(self._counts.get(key), now) for key in keys}
            check(before)
            for key, count in before.items():
                self._counts.pop(key, None)
                self._counts[key] = one_more(count, now)
            while len(self._counts) > AT_MOST:
                self._counts.popitem(last=False)
        return before

    def take_back(self, before: Counts, now: datetime, forgotten: FailureKey) -> None:
        with self._lock:
            for key, former in before.items():
                count = one_less(self._counts.pop(key, None), former, now)
                if count is not None and key != forgotten:
                    self._counts[key] = count


@implementer(IFailureCounts)
class FileCounts:
    """Counts in an SQLite file, exact across the processes of one machine.

    One thread of one process uses the file at a time, by the lock of a file beside it (``.lock``).  SQLite's
    own locks are not enough: whatever its time-out is, it refuses at once one of two connections that make
    the same table or roll the same journal back, and a process that is refused counts apart from the others.

    The file holds hashes of names and addresses, as people type passwords into the field for the name.  It
    is not flushed to disk: a power failure may lose counts.  While it cannot be used, the counts are in the
    memory of each process; a damaged file is replaced by an empty one.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._memory = MemoryCounts()

    def __len__(self) -> int:
        with self._connection() as file:
            return int(file.execute("SELECT count(*) FROM failures").fetchone()[0])

    def get(self, key: FailureKey) -> FailureCount | None:
        try:
            with self._connection() as file:
                return _read(file, key)
        except (sqlite3.Error, OSError) as error:
            self._unusable(error)
            return self._memory.get(key)

    def add(self, keys: Sequence[FailureKey], now: datetime, check: FailureCheck = NO_CHECK) -> Counts:
        moment, forgiven = now.timestamp(), (now - FORGIVEN_AFTER).timestamp()
        try:
            with self._connection() as file, _transaction(file):
                before = {key: unforgiven(_read(file, key), now) for key in keys}
                check(before)
                file.executemany(_COUNT, [(_digest(key), moment, forgiven) for key in keys])
                file.execute(_DROP_OLD, (forgiven,))
                file.execute(_DROP_MOST, (AT_MOST,))
        except (sqlite3.Error, OSError) as error:
            self._unusable(error)
            return self._memory.add(keys, now, check)
        return before

    def take_back(self, before: Counts, now: datetime, forgotten: FailureKey) -> None:
        self._memory.take_back(before, now, forgotten)  # from when the file could not be used
        moment = now.timestamp()
        rows = [
            (_digest(key), moment, moment if count is None else count.last.timestamp())
            for key, count in before.items()
        ]
        try:
            with self._connection() as file, _transaction(file):
                file.executemany(_TAKE_BACK, rows)
                file.execute(_DROP_EMPTY)
                file.execute("DELETE FROM failures WHERE key = ?", (_digest(forgotten),))
        except (sqlite3.Error, OSError) as error:
            self._unusable(error)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        # One for each use, as connections must not be shared with a thread or a forked process.  That takes
        # 0.1 ms beside the 100 ms of a password check.
        with self._lock():
            yield from self._opened()

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold the lock of the file.  Raises OSError, also when it is not free in PATIENCE."""
        if not Path(f"{self._path}.lock").exists():
            make_directories(str(Path(self._path).absolute().parent))
        lock = os.open(f"{self._path}.lock", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
        try:
            _wait_for(lock)
            yield
        finally:
            os.close(lock)

    def _opened(self) -> Iterator[sqlite3.Connection]:
        if not Path(self._path).exists():
            os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE))
        with closing(sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None)) as file:
            file.execute("PRAGMA synchronous = OFF")
            file.execute(_TABLE)
            file.execute(_INDEX)
            yield file

    def _unusable(self, error: Exception) -> None:
        log.error("failed log-ins are counted in memory file=%s error=%r", self._path, error)
        if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            Path(self._path).unlink(missing_ok=True)


def _wait_for(lock: int) -> None:
    """Lock a file that is open.  Raises TimeoutError after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError("another process has it locked") from None
            time.sleep(PAUSE)
        else:
            return


@contextmanager
def _transaction(file: sqlite3.Connection) -> Iterator[None]:
    file.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        file.execute("ROLLBACK")
        raise
    file.execute("COMMIT")


def _read(file: sqlite3.Connection, key: FailureKey) -> FailureCount | None:
    found = file.execute("SELECT number, last FROM failures WHERE key = ?", (_digest(key),)).fetchone()
    return None if found is None else FailureCount(found[0], datetime.fromtimestamp(found[1], UTC))


def unforgiven(count: FailureCount | None, now: datetime) -> FailureCount | None:
    """The count that is still held against an attempt at `now`."""
    return None if count is None or now - count.last >= FORGIVEN_AFTER else count


def one_more(count: FailureCount | None, now: datetime) -> FailureCount:
    """The count after one more failure at `now`."""
    return FailureCount(1, now) if count is None else FailureCount(count.number + 1, max(count.last, now))


def one_less(count: FailureCount | None, former: FailureCount | None, now: datetime) -> FailureCount | None:
    """The count without the failure at `now`, before which it was `former`."""
    if count is None or count.number <= 1:
        return None
    last = former.last if former is not None and count.last == now else count.last
    return FailureCount(count.number - 1, last)


def _digest(key: FailureKey) -> bytes:
    return sha256("\0".join(key).encode("utf-8", "surrogatepass")).digest()
