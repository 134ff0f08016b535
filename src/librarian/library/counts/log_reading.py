"""Reading a log that grows, is rotated, renamed and compressed: each whole line of it once."""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from librarian.library.interfaces import UnreadableLog
from librarian.library.model.counts import LogPlace

LONGEST_LINE = 64 * 1024  # bytes; a longer one is no request of ours
MARK = 1024  # bytes before a place, by which it is known again


class LogReader:
    """The whole lines of an open log, from some place on."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path = path
        self._file = file
        self.position = 0  # bytes
        self._tail = b""
        with self._explained():
            self.first_line = file.readline(LONGEST_LINE)

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator["LogReader"]:
        """The log at `path`, which may be compressed by gzip.  Raises UnreadableLog."""
        try:
            file = path.open("rb")
        except OSError as error:
            raise UnreadableLog(str(path), str(error)) from error
        with file:
            compressed = file.read(2) == b"\x1f\x8b"  # RFC 1952, 2.3.1
            file.seek(0)
            lines: Any = gzip.GzipFile(fileobj=file) if compressed else file
            yield cls(path, lines)

    @property
    def mark(self) -> bytes:
        """The digest by which a place in a log is recognised."""
        return _digest(self._tail)

    def stands_at(self, place: LogPlace) -> bool:
        """Go to `place`; whether it is a place of this log."""
        start = max(place.position - MARK, 0)
        with self._explained():
            self._file.seek(start)
            self._tail = self._file.read(place.position - start)
        self.position = place.position
        # Nothing read yet: the mark of the first run to commit, so that two runs cannot both begin a log.
        return not place.position or self.mark == place.mark

    def rewind(self) -> None:
        """Go to the start of the log.  Raises UnreadableLog."""
        with self._explained():
            self._file.seek(0)
        self.position, self._tail = 0, b""

    def lines(self) -> Iterator[bytes]:
        """Every line that has its end; those that are too long come cut."""
        with self._explained():
            while line := self._file.readline(LONGEST_LINE):
                size, tail = len(line), self._tail + line
                while not tail.endswith(b"\n"):
                    more = self._file.readline(LONGEST_LINE)
                    if not more:
                        return  # its end is not written yet: for the next time
                    size, tail = size + len(more), tail[-MARK:] + more
                self.position += size
                self._tail = tail[-MARK:]
                yield line

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, EOFError, zlib.error) as error:
            raise UnreadableLog(str(self._path), str(error)) from error


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
