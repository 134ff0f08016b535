"""fsck of the file that the tree is in: every transaction read through, beside a server or without one."""

from collections.abc import Callable, Iterator
from pathlib import Path

from librarian.library.upkeep.checking import ERROR, NOTICE, Finding
from librarian.tree.filestorage.crash_recovery import beside, holds_transactions, state_of
from librarian.tree.filestorage.index_file import known, why_unfit
from librarian.tree.filestorage.interfaces import Torn
from librarian.tree.filestorage.tails import Tail, read_tail
from librarian.tree.filestorage.transactions import Found, read_all

BESIDE = {
    ".pack": "a pack is at work, or was cut off",
    ".bad-*": "quarantined by a repair",
    ".cut-*": "what was cut off from a torn end",
}
BATCH = 1000  # transactions between two words on how far it has come


class CheckTree:
    """One run over the file at `path`; iterate over it once for its findings, as over Check."""

    def __init__(self, path: Path, progress: Callable[[str, int], object] = lambda part, seen: None) -> None:
        self._path = path
        self._progress = progress
        self.seen: dict[str, int] = {"transactions": 0}

    def __iter__(self) -> Iterator[Finding]:
        if not holds_transactions(self._path):
            yield Finding(ERROR, "no tree", str(self._path), state_of(self._path))
        else:
            tail = read_tail(self._path, seen=self._saw)
            for found, why in tail.damaged:
                yield Finding(ERROR, "damaged transaction", f"byte {found.position}", f"{found}: {why}")
            if tail.torn is not None:
                yield self._torn(tail, tail.torn)
        yield from self._beside()

    def _saw(self, found: Found) -> None:
        self.seen["transactions"] += 1
        if self.seen["transactions"] % BATCH == 0:
            self._progress("transactions", self.seen["transactions"])

    def _torn(self, tail: Tail, torn: Torn) -> Finding:
        where = f"byte {torn.position}"
        if tail.follows is not None:
            number = self._number_from(tail.follows, tail.size)
            return Finding(ERROR, "damage", where, f"{torn.why}; {number} whole transactions follow")
        indexed = known(beside(self._path, ".index"))
        if tail.whole < indexed:
            why = f"{torn.why}: its index describes {indexed} bytes; --repair cuts it back, no start does"
            return Finding(ERROR, "shortened", where, why)
        if torn.unfinished:
            return Finding(
                NOTICE, "unfinished commit", where, "a server is at it, or its next start cuts it off"
            )
        return Finding(ERROR, "torn end", where, f"{torn.why}; --repair, and the next start, cut it off")

    def _number_from(self, position: int, size: int) -> int:
        number = 0
        with self._path.open("rb") as file:
            try:
                for _found in read_all(file, position, size):
                    number += 1
            except Torn:
                pass  # there is damage after it as well; these are whole
        return number

    def _beside(self) -> Iterator[Finding]:
        index = beside(self._path, ".index")
        if index.exists() and (why := why_unfit(index, self._path)):
            yield Finding(NOTICE, "index", index.name, f"{why}; the next start makes it anew")
        for pattern, what in (
            (".pack", "a pack is at work, or was cut off"),
            (".bad-*", "quarantined by a repair"),
        ):
            for path in sorted(self._path.parent.glob(self._path.name + pattern)):
                yield Finding(NOTICE, "beside the tree", path.name, what)
        for path in sorted(self._path.parent.glob(f"{self._path.name}.cut-*")):
            yield Finding(NOTICE, "beside the tree", path.name, "what was cut off from a torn end")
