"""A parser of chunked bodies (RFC 9112, section 7.1), fed with pieces as they arrive.

It is strict wherever a front end could find another end of the body in the same bytes.  Extensions are passed
over; trailer fields are checked and dropped.
"""

import re
from collections.abc import Iterator

from librarian.serving.http.heads import TOKEN, parse_fields
from librarian.serving.interfaces import RequestRefused

LARGEST_CHUNK = 1 << 62  # bytes
LONGEST_LINE = 1 << 12  # bytes: the size of a chunk with its extensions
LONGEST_TRAILER = 1 << 16  # bytes

_END = b"\r\n"
_SIZE = re.compile(rb"[0-9A-Fa-f]+")
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_EXTENSIONS = re.compile(
    rb"(?:[\t ]*;[\t ]*" + TOKEN + rb"(?:[\t ]*=[\t ]*(?:" + TOKEN + rb"|" + _QUOTED + rb"))?)*"
)


class ChunkedBody:
    """One body: feed() it what arrives until it is `complete`."""

    def __init__(self) -> None:
        self.complete = False
        self.rest = bytearray()  # what has arrived and is not taken apart yet; once complete: what follows
        self._left = 0  # bytes of the present chunk that are still to come
        self._step = self._size_line

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bytes of the body in what has arrived, in pieces.  Raises RequestRefused.

        Exhaust the iterator before the next call.
        """
        self.rest += data
        while self.rest and not self.complete:
            if self._left:
                piece = bytes(self.rest[: self._left])
                self._left -= len(piece)
                del self.rest[: len(piece)]
                yield piece
            elif not self._step():
                return

    def _size_line(self) -> bool:
        """Take the line in front of a chunk; whether it has come whole."""
        end = self.rest.find(_END, 0, LONGEST_LINE + len(_END))
        if end < 0:
            if len(self.rest) > LONGEST_LINE:
                raise RequestRefused("The size of a chunk, with its extensions, is too long.")
            return False
        size = chunk_size(bytes(self.rest[:end]))
        del self.rest[: end + len(_END)]
        self._left, self._step = size, self._chunk_end if size else self._trailer
        return True

    def _chunk_end(self) -> bool:
        """Take the line end behind the bytes of a chunk."""
        if not _END.startswith(bytes(self.rest[:2])):
            raise RequestRefused("Chunk not properly terminated")
        if len(self.rest) < len(_END):
            return False
        del self.rest[: len(_END)]
        self._step = self._size_line
        return True

    def _trailer(self) -> bool:
        """Take the fields behind the last chunk, and the empty line that ends the body."""
        if self.rest.startswith(_END):
            end, after = 0, len(_END)
        else:
            end = self.rest.find(_END + _END, 0, LONGEST_TRAILER)
            after = end + 2 * len(_END)
        if end < 0:
            if len(self.rest) > LONGEST_TRAILER:
                raise RequestRefused("The trailer is too long.")
            return False
        if end:
            parse_fields(bytes(self.rest[:end]).split(_END))
        del self.rest[:after]
        self.complete = True
        return True


def chunk_size(line: bytes) -> int:
    """The size in the line in front of a chunk, in bytes.  Raises RequestRefused."""
    found = _SIZE.match(line)
    if found is None:
        raise RequestRefused("Invalid chunk size")
    if _EXTENSIONS.fullmatch(line, found.end()) is None:
        raise RequestRefused("Invalid chunk extension" if b";" in line else "Invalid chunk size")
    size = int(found[0], 16)
    if size > LARGEST_CHUNK:
        raise RequestRefused("A chunk is too large.")
    return size
