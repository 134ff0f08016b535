"""Bodies of requests that hold exactly as many bytes as their Content-Length says.

A byte too many would be read as the next request of the connection, a byte too few is waited for until
a time-out.  Only the standard library is needed here: clients are installed without the rest.
"""

from typing import Any

from librarian.net.interfaces import WrongLength


class DeclaredBody:
    """The next `size` bytes of a file, for an HTTP client that reads blocks and sends each at once.

    Each block is held back until the one after it has been read, and the last until the file has
    proved to end there: what is not exact has never been sent whole.  read() then raises WrongLength,
    and an HTTP client closes the connection.  `may_grow`: bytes beyond `size` are left alone, as those
    of a log that is still written.

    It has neither tell() nor seek(): urllib3 sends it again only while nothing has been read from it.
    """

    def __init__(self, file: Any, size: int, *, may_grow: bool = False) -> None:
        self._file = file
        self._size = size
        self._read = 0
        self._may_grow = may_grow
        self._ahead: bytes | None = None

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, b"" at the end.  Raises WrongLength."""
        block = self._following(size) if self._ahead is None else self._ahead
        self._ahead = self._following(size) if block else b""
        return block

    def _following(self, size: int) -> bytes:
        left = self._size - self._read
        if not left:
            return self._checked_end()
        block: bytes = self._file.read(left if size < 0 else min(size, left))
        if not block:
            raise WrongLength(self._size, self._read)
        self._read += len(block)
        return block

    def _checked_end(self) -> bytes:
        if not self._may_grow and self._file.read(1):
            raise WrongLength(self._size, self._size + 1)
        return b""
