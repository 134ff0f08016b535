"""What comes in pieces, as a file."""

import io
from collections.abc import Iterator
from typing import Any


class Pieces(io.RawIOBase):
    """Reads what `pieces` gives, whose errors pass through."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """As io.IOBase has it."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As io.RawIOBase has it."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        """As io.IOBase has it; an answer that was not read to its end is given up."""
        if not self.closed:
            super().close()
            close = getattr(self._pieces, "close", None)
            if close is not None:
                close()
