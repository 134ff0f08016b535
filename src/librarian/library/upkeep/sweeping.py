"""How much one sweep may remove, and what it would.

A tree that is not the one the bytes belong to names next to none of them.  Whatever led to that, a sweep
that would take an unusual share of all that is held takes nothing, and says so.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice

from librarian.library.operations import Library
from librarian.store.interfaces import BytesDamaged, BytesNotFound

ROUND = 50_000  # digests in memory at the same time, some 5 MB


class Doomed:
    """The files that no content names and nobody stored since `before`.

    `pause` is called now and then, to look at the tree as it is by then.
    """

    def __init__(self, library: Library, before: datetime, pause: Callable[[], None], pace: int) -> None:
        self._library = library
        self._before = before
        self._pause = pause
        self._pace = pace
        self.held = 0  # files that the last walk has seen
        self.number = 0  # those of them that are doomed

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Digest and size of each."""
        self.held = self.number = 0
        for sha256 in self._library.store:
            self.held += 1
            if self.held % self._pace == 0:
                self._pause()
            size = self.size_if_doomed(sha256)
            if size is not None:
                self.number += 1
                yield sha256, size

    def size_if_doomed(self, sha256: str) -> int | None:
        if bytes.fromhex(sha256) in self._library.subtree.contents:
            return None
        store = self._library.store
        try:
            size: int = store.size(sha256)
            return size if store.stored_at(sha256) < self._before else None
        except (BytesNotFound, BytesDamaged):
            return None  # another collector was here, or a scrub

    def rounds(self) -> Iterator[list[str]]:
        """All of them, walked through once before the first is given; a part at a time.

        Those of a part are to be removed before the next is asked for.
        """
        walk = iter(self)
        part = [sha256 for sha256, _size in islice(walk, ROUND)]
        for _rest in walk:
            continue  # counted, and found again
        yield part
        for _turn in range(ROUND, self.number, ROUND):
            again = Doomed(self._library, self._before, self._pause, self._pace)
            part = [sha256 for sha256, _size in islice(again, ROUND)]
            yield part
