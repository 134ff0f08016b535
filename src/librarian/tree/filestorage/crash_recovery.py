"""Recovery of a FileStorage's files after a crash, before the file is opened.

FileStorage makes a new, empty database wherever it finds no file.  Beside bytes that an older tree has
named, an empty tree would lose all of them: the next sweep removes every file.  So a file is made only
where nothing shows that there was one.  What a pack leaves when it is cut off:

    Data.fs, Data.fs.pack             the pack had not ended: what it wrote is removed
    Data.fs.old, Data.fs.pack         between the two renames of ZODB's own pack: the tree of before it is
                                      complete, since no commit can come between them; it is taken back
    an empty Data.fs, Data.fs.old     the packed file never reached the disk; when that was cannot be
                                      known, so a person decides, by ``librarian fsck --tree --repair``
"""

import logging
from datetime import UTC, datetime
from pathlib import Path

from zc.lockfile import LockError, LockFile
from ZODB.fsIndex import fsIndex

from librarian.durable import make_directories, sync_directory, write_durably, write_new
from librarian.tree.filestorage import tails
from librarian.tree.filestorage.index_file import described, known, why_unfit
from librarian.tree.filestorage.tails import mend_tail
from librarian.tree.filestorage.transactions import START
from librarian.tree.interfaces import TreeMissing, TreeUnavailable

log = logging.getLogger(__name__)

MAGIC = b"FS30"  # what a FileStorage of Python 3 begins with (ZODB._compat.FILESTORAGE_MAGIC)
ADVICE = "bring the tree back with `librarian restore`"


def beside(path: Path, suffix: str) -> Path:
    """The path of another file of the FileStorage at `path`, such as its index."""
    return path.with_name(path.name + suffix)


def settle(path: Path) -> None:
    """See that the file at `path` is a tree, finishing or taking back what was cut off; make it if it is new.

    To be called with the lock of the file held.  Raises TreeMissing if there was a tree and there is none
    now that can be told to be its last state, TreeDamaged if it is damaged inside, TreeShortened if it lacks
    what was on the disk.
    """
    if holds_transactions(path):
        _remove_unfinished_pack(path)
        index = beside(path, ".index")
        mend_tail(path, max(described(index, path), START), known(index))
    elif not path.exists() and holds_transactions(beside(path, ".old")) and beside(path, ".pack").exists():
        take_back(path)
        mend_tail(path)
    elif traces := _traces(path):
        raise TreeMissing(path, state_of(path), traces, _advice(path))
    else:
        _make(path)


def holds_transactions(path: Path) -> bool:
    """Whether this is a FileStorage in which something was ever committed."""
    return _size(path) > len(MAGIC) and _first(path) == MAGIC


def take_back(path: Path) -> None:
    """Rename the file from before the last pack, `.old`, to `path`, and one at `path` to `.bad-<time>`."""
    old = beside(path, ".old")
    beside(path, ".index").unlink(missing_ok=True)  # it may belong to either file
    if path.exists():
        path.replace(beside(path, f".bad-{datetime.now(UTC):%Y%m%dT%H%M%S}"))
    old.replace(path)
    beside(path, ".pack").unlink(missing_ok=True)
    sync_directory(path.parent)
    log.warning("a pack was interrupted, and the tree is again what it was before it path=%s", path)


def repair(path: Path) -> str:
    """Repairs that settle() leaves to a person: cut a torn end off, or take the file of before the last pack.

    A sentence on what was done.  Raises TreeUnavailable if the file is in use, TreeMissing, TreeDamaged.
    """
    try:
        lock = LockFile(f"{path}.lock")
    except (LockError, OSError) as error:
        raise TreeUnavailable(
            f"{path} is in use, or cannot be used; stop the server first: {error}"
        ) from None
    try:
        if holds_transactions(path):
            return _repair_tail(path)
        if holds_transactions(beside(path, ".old")):
            take_back(path)
            return f"the tree of before the last pack is back; {_repair_tail(path)}"
        raise TreeMissing(path, state_of(path), _traces(path), ADVICE)
    finally:
        lock.close()


def _repair_tail(path: Path) -> str:
    said = tails.repair(path)
    index = beside(path, ".index")
    if why_unfit(index, path):
        index.unlink(missing_ok=True)  # it describes bytes that were cut off
    return said


def _remove_unfinished_pack(path: Path) -> None:
    pack = beside(path, ".pack")
    if pack.exists():
        pack.unlink()
        log.warning("a pack was interrupted, and what it had written was removed path=%s", pack)


def _traces(path: Path) -> list[Path]:
    """The files that show that there was a tree."""
    found = [beside(path, suffix) for suffix in (".old", ".pack") if beside(path, suffix).exists()]
    if _knows_transactions(beside(path, ".index")):
        found.append(beside(path, ".index"))
    # FileStorage prepares every transaction there; beside a file that is whole and empty, the first one.
    if _size(path) < len(MAGIC) and _size(beside(path, ".tmp")) > 0:
        found.append(beside(path, ".tmp"))
    if _size(path) >= len(MAGIC) and _content(path) != MAGIC:
        found.append(path)
    return found


def _knows_transactions(index: Path) -> bool:
    if not index.exists():
        return False
    try:
        found = fsIndex.load(str(index))
        return int(found["pos"]) > len(MAGIC)
    except Exception:  # noqa: BLE001  # unpickling torn data may raise any exception
        return True


def state_of(path: Path) -> str:
    """A phrase on a file that holds no transactions: is missing, is empty, is no database."""
    if not path.exists():
        return "is missing"
    return "is empty" if _size(path) <= len(MAGIC) else "is no database"


def _advice(path: Path) -> str:
    if holds_transactions(beside(path, ".old")):
        return f"{ADVICE}, or take the tree of before the last pack with `librarian fsck --tree --repair`"
    return ADVICE


def _make(path: Path) -> None:
    """A new, empty FileStorage whose name is durable."""
    if not path.exists():
        write_new(path, MAGIC)
    elif _size(path) < len(MAGIC):  # an older version was killed before it had written MAGIC
        write_durably(path, MAGIC)
    sync_directory(path.parent)
    make_directories(str(path.parent))  # syncs the directories that this process made
    log.info("tree made path=%s", path)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _first(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(MAGIC))


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(MAGIC) + 1)
