"""Copies of the tree: the transactions of any storage, kept in a FileStorage, and back.

A copy is only ever appended to, and what was appended is never changed, so its first so-many bytes stay
what they were.  That is what a manifest can name, whatever becomes of a later, interrupted copy.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import zodburi
from persistent.mapping import PersistentMapping
from transaction import TransactionManager
from ZODB.DB import DB
from ZODB.FileStorage import FileStorage
from ZODB.utils import p64, u64, z64

from librarian.tree.interfaces import CannotCopy

log = logging.getLogger(__name__)


def copy_transactions(source: Any, path: Path, told: Callable[[], object]) -> bytes:
    """Append to the FileStorage at `path` what `source` has more; the id of the last transaction.

    `told` is called after each.  Raises CannotCopy if `path` holds what `source` never had.
    """
    with closing(FileStorage(str(path))) as target, _snapshot(source) as (iterator, last):
        have = target.lastTransaction()
        if have > last:
            raise CannotCopy(
                "the copy is newer than the tree; it is of another one, or the tree was set back"
            )
        number = _append(iterator(_after(have)), target, told)
        log.info("tree copied transactions=%d", number)
        copied: bytes = target.lastTransaction()
    _sync(path)
    return copied


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


def _append(transactions: Any, target: Any, told: Callable[[], object]) -> int:
    number = 0
    for transaction in transactions:
        number += 1
        target.tpc_begin(transaction, transaction.tid, transaction.status)
        for record in transaction:
            target.restore(record.oid, record.tid, record.data, "", record.data_txn, transaction)
        target.tpc_vote(transaction)
        target.tpc_finish(transaction)
        told()
    return number


def _sync(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def open_copy(path: Path) -> Iterator[tuple[PersistentMapping, Callable[[], None]]]:
    """The root of a copy, to be read only, and a function that lets go of what was loaded."""
    database = DB(FileStorage(str(path), read_only=True))
    try:
        connection = database.open()
        yield connection.root(), connection.cacheMinimize
        connection.close()
    finally:
        database.close()


def change_copy(path: Path, work: Callable[[PersistentMapping], object]) -> None:
    """Do `work` with the root of a copy that is to become a tree of its own, and commit it."""
    manager = TransactionManager()
    database = DB(FileStorage(str(path)))
    try:
        connection = database.open(manager)
        work(connection.root())
        manager.commit()
        connection.close()
    finally:
        database.close()


def write_transactions(path: Path, uri: str) -> None:
    """Copy the FileStorage at `path` into the empty database behind a zodburi `uri`.

    Raises CannotCopy if it is not empty, or takes no transactions from elsewhere.
    """
    factory, _options = zodburi.resolve_uri(uri)
    with closing(factory()) as target, closing(FileStorage(str(path), read_only=True)) as source:
        if not hasattr(target, "copyTransactionsFrom"):
            raise CannotCopy("this database takes no copy; put the file where its server keeps its own")
        if target.lastTransaction() not in (z64, None):
            raise CannotCopy("the database is not empty")
        target.copyTransactionsFrom(source)
