"""Moves the tree from one engine to another: copies it, compares every object, and leaves the old one.

Nothing is written to the old tree, so a move that is cut off, or that finds a difference, changes nothing:
the servers are started again as they were.  Where the new tree is a file, it gets its name at the end.  Where
it is a database, what an interrupted move left there is known by this: every object in it is, in the same
state, in the old tree.  So it can be removed without loss, and the next move begins anew.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

from ZODB.FileStorage import FileStorage
from ZODB.utils import u64, z64

from librarian.durable import make_directories, sync_directory
from librarian.tree.copying import copy_transactions
from librarian.tree.interfaces import CannotCopy
from librarian.tree.moving.places import IN_USE, new_file, opened, require_unused, unfinished
from librarian.tree.moving.records import Record, RootLast, of_one_moment, records

log = logging.getLogger(__name__)

Progress = Callable[[], object]


class Moved(NamedTuple):
    """What was found in both trees alike."""

    records: int  # objects
    bytes: int  # of their pickles
    sha256: str  # hex; over id, transaction, length and pickle of each object, in the order of ids
    last_transaction: str  # hex


def move_tree(source_uri: str, target_uri: str, progress: Progress = lambda: None) -> Moved:
    """Copy the tree behind one zodburi URI to the empty place behind another, and compare both.

    Only current states come to PostgreSQL, with their transaction ids; into a file the history comes as well.
    `progress` is called for each object, or for each transaction into a file.  Raises CannotCopy: a server
    works with the source, the target holds something else, or the two are not alike afterwards.
    """
    with ExitStack() as stack:
        source = stack.enter_context(opened(source_uri))
        require_unused(source)
        last = source.lastTransaction()
        if last in (z64, None):
            raise CannotCopy("there is nothing in the tree to move")
        if target_uri.startswith("file://"):
            moved = _to_file(source, target_uri, progress)
        else:
            moved = _to_database(source, stack.enter_context(opened(target_uri)), progress)
        if source.lastTransaction() != last:
            raise CannotCopy(IN_USE)
        require_unused(source)
    log.info("tree moved records=%d last=%s", moved.records, moved.last_transaction)
    return moved


def _to_file(source: Any, uri: str, progress: Progress) -> Moved:
    path = new_file(uri)
    make_directories(str(path.absolute().parent))
    unnamed = unfinished(path)
    unnamed.unlink(missing_ok=True)  # what an interrupted move left
    copy_transactions(source, unnamed, progress)
    with closing(FileStorage(str(unnamed), read_only=True)) as target:
        moved = compare(source, target)
    _name(unnamed, path)
    return moved


def _name(unnamed: Path, path: Path) -> None:
    """Give the file its name durably, in place of no other."""
    os.link(unnamed, path)
    for suffix in ("", ".lock", ".index", ".tmp"):
        Path(f"{unnamed}{suffix}").unlink(missing_ok=True)
    sync_directory(str(path.parent))


def _to_database(source: Any, target: Any, progress: Progress) -> Moved:
    _make_room(source, target)
    with of_one_moment(source) as moment:
        target.copyTransactionsFrom(RootLast(moment, lambda record: progress()))
    return compare(source, target)


def _make_room(source: Any, target: Any) -> None:
    """Clear what an interrupted move left.  Raises CannotCopy where there is anything else."""
    with of_one_moment(target) as there:
        if there.lastTransaction() in (z64, None):
            return
        if not _is_part(there, source):
            raise CannotCopy("the database is not empty, and what it holds is not of this tree")
    if not hasattr(target, "zap_all"):
        raise CannotCopy("an interrupted move left a part of the tree there; remove the file of its server")
    require_unused(target)
    log.warning("what an interrupted move left is removed")
    target.zap_all(reset_oid=True, slow=True)


def _is_part(part: Any, whole: Any) -> bool:
    """Whether every record of `part` is in `whole`, in the same state; both are in the order of ids."""
    with of_one_moment(whole) as moment:
        ours = records(moment)
        return all(_reach(ours, record) for record in records(part))


def _reach(ours: Iterator[Record], record: Record) -> bool:
    """Whether `record` is among the records to come, which are consumed up to its place."""
    found = next((other for other in ours if other.oid >= record.oid), None)
    return found == record


def compare(source: Any, target: Any) -> Moved:
    """What both hold.  Raises CannotCopy where they differ, or where `target` would give an id out again."""
    with of_one_moment(source) as old, of_one_moment(target) as new:
        ours, highest = _measure(records(old), old.lastTransaction())
        theirs, _highest = _measure(records(new), new.lastTransaction())
    if ours != theirs:
        raise CannotCopy(f"the copy is not what the tree is: {theirs} instead of {ours}")
    if not target.isReadOnly() and u64(target.new_oid()) <= u64(highest):
        raise CannotCopy("the new database would give ids of objects out again")
    return ours


def _measure(found: Iterator[Record], last: bytes) -> tuple[Moved, bytes]:
    """The sum over all records, and the highest id."""
    digest, number, size, highest = hashlib.sha256(), 0, 0, z64
    for record in found:
        digest.update(record.oid + record.tid + len(record.data).to_bytes(8))
        digest.update(record.data)
        number, size, highest = number + 1, size + len(record.data), max(highest, record.oid)
    return Moved(number, size, digest.hexdigest(), last.hex()), highest
