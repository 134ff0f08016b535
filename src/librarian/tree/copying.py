"""Copies of the tree: the transactions of any storage, kept in a FileStorage, and back.

A copy is only ever appended to, and what was appended is never changed, so its first so-many bytes stay
what they were.  That is what a manifest can name, whatever becomes of a later, interrupted copy: before
more is appended, cut_copy() takes away what such a one left, as FileStorage itself can take half a
transaction at the end of its file for the last one.

The index that FileStorage keeps beside a file is never used for a copy: it may be of another state.
"""

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import zodburi
from persistent.mapping import PersistentMapping
from transaction import TransactionManager
from ZODB.DB import DB
from ZODB.FileStorage import FileStorage
from ZODB.FileStorage.FileStorage import FileIterator
from ZODB.utils import p64, u64, z64

from librarian.durable import sync_directory
from librarian.tree.class_names import ClassNames
from librarian.tree.interfaces import CannotCopy, ISubtree

log = logging.getLogger(__name__)

Subtrees = Iterable[ISubtree] | None

HEADER_BYTES = 4  # of a FileStorage, before its first transaction
# FileStorage's iterator raises these if it looks for its start while a transaction is just being written.
UNLUCKY = (AttributeError, ValueError)
ATTEMPTS = 20
PAUSE_SECONDS = 0.05


class Copy(NamedTuple):
    """A copy that is open to be read."""

    root: PersistentMapping
    forget: Callable[[], None]  # drops the objects that were loaded
    last: bytes  # the id of its last transaction


class _CopyStorage(FileStorage):
    """A FileStorage that reads its file through instead of believing an index."""

    def __init__(self, path: str, stop: bytes | None = None, **options: Any) -> None:
        super().__init__(path, stop=stop, **options)
        # FileStorage takes the transaction at which it stopped reading for the last that it has read.
        if stop is not None and self.lastTransaction() >= stop:
            self._ltid = _last_before(Path(path), stop)

    def _restore_index(self) -> None:
        return None


def cut_copy(path: Path, size: int) -> None:
    """Take away what a copy has beyond its first `size` bytes, durably, and all that describes it."""
    with path.open("r+b") as file:
        file.truncate(size)
        os.fsync(file.fileno())
    _tidy(path)


def copy_transactions(source: Any, path: Path, progress: Callable[[], object]) -> bytes:
    """Append to the FileStorage at `path` what `source` has more; the id of the last transaction.

    What was appended is read again, and compared with what was read from `source`.  `progress` is called
    after each transaction.  Raises CannotCopy if `path` holds what `source` never had, or holds
    something else than was written.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)
    written = hashlib.sha256()
    with closing(_opened(path)) as target, _snapshot(source) as (iterator, last):
        start = target.getSize()
        have = target.lastTransaction()
        if have > last:
            raise CannotCopy(
                "the copy is newer than the tree; it is of another one, or the tree was set back"
            )
        number = _append(_begin(iterator, have), target, progress, written.update)
        log.info("tree copied transactions=%d", number)
        copied: bytes = target.lastTransaction()
    _tidy(path)
    sync_directory(path.parent)
    if copied != last or _digest_from(path, start) != written.digest():
        raise CannotCopy(f"what was copied to {path} is not what the tree has; look at the disk")
    return copied


def _begin(iterator: Callable[[bytes | None], Any], have: bytes) -> Any:
    for _attempt in range(ATTEMPTS):
        with suppress(*UNLUCKY):
            return iterator(_after(have))
        time.sleep(PAUSE_SECONDS)
    return iterator(_after(have))


def _digest_from(path: Path, start: int) -> bytes:
    """The digest of the transactions that a file has from a position on."""
    digest = hashlib.sha256()
    try:
        with closing(FileIterator(str(path), pos=max(start, HEADER_BYTES))) as transactions:
            for transaction in transactions:
                for record in transaction:
                    _note(digest.update, record)
    except Exception as error:  # whatever damaged data leads to
        raise CannotCopy(f"{path} cannot be read again: {error}") from error
    return digest.digest()


def _note(seen: Callable[[bytes], object], record: Any) -> None:
    data = record.data or b""  # no data: the transaction that created it was undone
    seen(record.tid + record.oid + len(data).to_bytes(8))
    seen(data)


def _after(tid: bytes) -> bytes | None:
    return None if tid == z64 else p64(u64(tid) + 1)


@contextmanager
def _snapshot(source: Any) -> Iterator[tuple[Callable[[bytes | None], Any], bytes]]:
    """A function that iterates over the transactions of one moment from an id on, and the last of them."""
    if hasattr(source, "new_instance"):
        # A relational storage without history has an object only under its newest transaction, so
        # no transaction may be left out: all are read in one snapshot of the database.
        instance = source.new_instance()
        try:
            instance.poll_invalidations()
            yield instance.iterator, instance.lastTransaction()
        finally:
            instance.release()
        return
    last = source.lastTransaction()
    yield (lambda start: source.iterator(start, last)), last


def _append(
    transactions: Any, target: Any, progress: Callable[[], object], seen: Callable[[bytes], object]
) -> int:
    number = 0
    for transaction in transactions:
        number += 1
        target.tpc_begin(transaction, transaction.tid, transaction.status)
        for record in transaction:
            target.restore(record.oid, record.tid, record.data, "", record.data_txn, transaction)
            _note(seen, record)
        target.tpc_vote(transaction)
        target.tpc_finish(transaction)
        progress()
    return number


def _opened(path: Path, **options: Any) -> FileStorage:
    """Raises CannotCopy."""
    try:
        return _CopyStorage(str(path), **options)
    except Exception as error:  # whatever damaged data leads to
        raise CannotCopy(f"the copy {path} cannot be opened: {error}") from error


def _last_before(path: Path, stop: bytes) -> bytes:
    """The id of the last transaction of a file before the id `stop`; that of none is all zeros."""
    found: bytes = z64
    with closing(FileIterator(str(path))) as transactions:
        for transaction in transactions:
            if transaction.tid >= stop:
                break
            found = transaction.tid
    return found


def _tidy(path: Path) -> None:
    """Remove what FileStorage leaves beside a file that it closed; the lock stays, for its owner alone."""
    for suffix in (".index", ".index.index_tmp", ".tmp"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        Path(f"{path}.lock").chmod(0o600)


def copy_database(path: Path, last: bytes | None = None, subtrees: Subtrees = None) -> DB:
    """A copy as a database that cannot be changed, without what came after the transaction `last`.

    `subtrees` are those whose former class names are understood, by default all that are registered.  Raises
    CannotCopy.
    """
    return DB(_opened(path, read_only=True, stop=_after(last or z64)), class_factory=ClassNames(subtrees))


@contextmanager
def open_copy(path: Path, last: bytes | None = None, subtrees: Subtrees = None) -> Iterator[Copy]:
    """A copy to be read, as copy_database().  Raises CannotCopy."""
    database = copy_database(path, last, subtrees)
    try:
        connection = database.open()
        yield Copy(connection.root(), connection.cacheMinimize, database.lastTransaction())
        connection.close()
    finally:
        database.close()


def change_copy(path: Path, work: Callable[[PersistentMapping], object], subtrees: Subtrees = None) -> None:
    """Do `work` with the root of a copy that is to become a tree, and commit it."""
    manager = TransactionManager()
    database = DB(_opened(path), class_factory=ClassNames(subtrees))
    try:
        connection = database.open(manager)
        work(connection.root())
        manager.commit()
        connection.close()
    finally:
        database.close()
        _tidy(path)


def require_empty(uri: str) -> None:
    """Raises CannotCopy unless the database behind a zodburi `uri` is empty and takes a copy."""
    factory, _options = zodburi.resolve_uri(uri)
    with closing(factory()) as target:
        _require_empty(target)


def _require_empty(target: Any) -> None:
    if not hasattr(target, "copyTransactionsFrom"):
        raise CannotCopy("this database takes no copy; put the file where its server keeps its own")
    if target.lastTransaction() not in (z64, None):
        raise CannotCopy("the database is not empty")


def write_transactions(path: Path, uri: str) -> None:
    """Copy the FileStorage at `path` into the empty database behind a zodburi `uri`.

    Raises CannotCopy if it is not empty, or takes no transactions from elsewhere.
    """
    factory, _options = zodburi.resolve_uri(uri)
    with closing(factory()) as target, closing(_opened(path, read_only=True)) as source:
        _require_empty(target)
        target.copyTransactionsFrom(source)
