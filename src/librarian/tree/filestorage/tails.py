"""The end of a FileStorage's file after a crash, and how it is brought back to the last whole transaction.

Each commit is on the disk before the next begins, so only the last can be torn: a power cut leaves any of its
sectors out.  A transaction that was not committed to its end was never confirmed to a client, and is cut off;
so is a torn transaction, and that is said, and its bytes are kept beside the file.  If whole transactions
follow, it is no torn end but damage, and nothing is cut.
"""

import logging
import mmap
import os
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from librarian.durable import FILE_MODE, sync_directory
from librarian.tree.filestorage.interfaces import Torn
from librarian.tree.filestorage.transactions import START, Found, fault_of, read_all, read_one
from librarian.tree.interfaces import TreeDamaged, TreeShortened

log = logging.getLogger(__name__)

LAST = 64  # transactions whose records are read at the start
LAST_BYTES = 32 << 20  # bytes of records, at most


@dataclass
class Tail:
    """The end of the file.  Whole transactions end at `whole`; the file has `size` bytes."""

    size: int
    whole: int
    torn: Torn | None = None
    follows: int | None = None  # where the next whole transaction begins after what is torn
    damaged: list[tuple[Found, str]] = field(default_factory=list)  # followed by whole ones


def mend_tail(path: Path, start: int = START, known: int = 0) -> None:
    """Cut the file back to its last whole transaction.  Its first `start` bytes are known to be sound.

    `known` bytes are known to have been on the disk: a crash leaves these whole, so nothing of them is cut.
    To be called with the lock of the file held.  Raises TreeDamaged, TreeShortened.
    """
    tail = read_tail(path, start, LAST)
    for found, why in tail.damaged:
        log.error("damage inside the tree path=%s what=%s: %s; see `librarian fsck --tree`", path, found, why)
    if tail.torn is not None:
        if tail.follows is not None:
            raise TreeDamaged(path, tail.torn.position, tail.torn.why)
        if tail.whole < known:
            raise TreeShortened(path, tail.whole, tail.torn.why, known)
        cut(path, tail)


def read_tail(
    path: Path,
    start: int = START,
    last: int | None = None,
    seen: Callable[[Found], object] = lambda found: None,
) -> Tail:
    """Look through the file from `start` on, at the records of the `last` transactions (None: of all).

    `seen` is called with each transaction, in the file's order.
    """
    with path.open("rb") as file:
        tail = Tail(os.fstat(file.fileno()).st_size, start)
        kept: deque[Found] = deque(maxlen=last)
        faulty: list[tuple[Found, str]] = []

        def take(found: Found) -> None:
            seen(found)
            if last is None:
                _judge(file, found, faulty)
            else:
                kept.append(found)

        _read_into(tail, file, start, take)
        for found in kept:
            if tail.size - found.position <= LAST_BYTES or found is kept[-1]:
                _judge(file, found, faulty)
    _sort_out(tail, faulty)
    return tail


def _read_into(tail: Tail, file: BinaryIO, start: int, take: Callable[[Found], None]) -> None:
    """Give each whole transaction to `take`, and fill the Tail."""
    try:
        for found in read_all(file, start, tail.size):
            tail.whole = found.next
            take(found)
    except Torn as torn:
        tail.torn, tail.follows = torn, _next_whole(file, torn.position, tail.size)


def _judge(file: BinaryIO, found: Found, faulty: list[tuple[Found, str]]) -> None:
    if why := fault_of(file, found):
        faulty.append((found, why))


def _sort_out(tail: Tail, faulty: list[tuple[Found, str]]) -> None:
    """Faulty transactions with nothing whole after them are torn; others are damage."""
    while faulty and tail.follows is None and faulty[-1][0].next == tail.whole:
        found, why = faulty.pop()
        tail.torn = Torn(found.position, f"{found}: {why}")
        tail.whole = found.position
    tail.damaged = faulty


# A header as far as it can be told from other bytes: an id of this century, a length below 2**40, a status.
_HEADER = re.compile(rb"(?=[\x03-\x06].{7}\x00{3}.{5}[ up])", re.DOTALL)


def _next_whole(file: BinaryIO, position: int, size: int) -> int | None:
    """The position of the next whole transaction, of whatever time, after `position`; in bytes."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for match in _HEADER.finditer(content, position + 1):
            try:
                found = read_one(file, match.start(), size, bytes(8))
            except Torn:
                continue
            if not fault_of(file, found):
                return match.start()
    return None


def repair(path: Path) -> str:
    """The repair of a start, by a person's wish and after reading the whole file; a sentence on it.

    To be called with the lock of the file held.  Raises TreeDamaged.
    """
    tail = read_tail(path)
    if tail.torn is None and not tail.damaged:
        return "nothing to repair: every transaction is whole"
    if tail.damaged:
        raise TreeDamaged(path, tail.damaged[0][0].position, tail.damaged[0][1])
    assert tail.torn is not None
    if tail.follows is not None:
        raise TreeDamaged(path, tail.torn.position, tail.torn.why)
    cut(path, tail)
    return f"cut back to the last whole transaction, {tail.size - tail.whole} bytes less"


def cut(path: Path, tail: Tail) -> None:
    """Cut the torn end off, durably.  What was committed, or may have been, is kept beside the file."""
    assert tail.torn is not None
    with path.open("r+b") as file:
        if not tail.torn.unfinished:
            kept = _keep(file, path, tail)
            log.warning(
                "the last transaction was torn, and the tree is cut back to the one before path=%s what=%s"
                " bytes=%d kept=%s",
                path,
                tail.torn.why,
                tail.size - tail.whole,
                kept,
            )
        else:
            log.info("an unfinished commit was taken back path=%s bytes=%d", path, tail.size - tail.whole)
        file.truncate(tail.whole)
        os.fsync(file.fileno())


def _keep(file: BinaryIO, path: Path, tail: Tail) -> Path:
    kept = path.with_name(f"{path.name}.cut-{datetime.now(UTC):%Y%m%dT%H%M%S}-{tail.whole}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with os.fdopen(os.open(kept, flags, FILE_MODE), "wb") as target:
        file.seek(tail.whole)
        while piece := file.read(1 << 20):
            target.write(piece)
        target.flush()
        os.fsync(target.fileno())
    sync_directory(path.parent)
    return kept
