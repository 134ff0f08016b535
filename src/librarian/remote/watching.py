"""Bytes on their way, shown to who waits for them."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from io import RawIOBase
from typing import BinaryIO

Advance = Callable[[int], object]  # called with a number of bytes that have gone or come
#: With a title, all bytes (None: unknown) and those that are there: the `with` in which Advance is called.
Watch = Callable[[str, int | None, int], AbstractContextManager[Advance]]


def unwatched(_title: str, _total: int | None, _have: int) -> AbstractContextManager[Advance]:
    """The Watch that shows nothing."""
    return nullcontext(lambda _bytes: None)


class WatchedFile(RawIOBase):
    """A file that tells how much of it is read."""

    def __init__(self, file: BinaryIO, advance: Advance) -> None:
        self._file = file
        self._advance = advance

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self._advance(len(block))
        return block
