"""Bytes on their way, shown to who waits for them."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO

Advance = Callable[[int], object]  # called with a number of bytes that have gone or come
#: With a title, all bytes (None: unknown) and those that are there: the `with` in which Advance is called.
Watch = Callable[[str, int | None, int], AbstractContextManager[Advance]]


def unwatched(_title: str, _total: int | None, _have: int) -> AbstractContextManager[Advance]:
    """The Watch that shows nothing."""
    return nullcontext(lambda _bytes: None)


class WatchedFile:
    """What a body reads of a file, counted."""

    def __init__(self, file: BinaryIO, advance: Advance) -> None:
        self._read, self._advance = file.read, advance

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, or all that are left."""
        found = self._read(size)
        self._advance(len(found))
        return found
