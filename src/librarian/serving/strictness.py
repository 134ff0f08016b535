"""waitress's parser under our rules: heads.py reads and judges the head, sizes of chunks are bounded."""

import logging
from typing import Any
from urllib.parse import unquote_to_bytes

from waitress.buffers import OverflowableBuffer
from waitress.parser import HTTPRequestParser
from waitress.receiver import ChunkedReceiver, FixedStreamReceiver
from waitress.utilities import BadRequest

from librarian.serving.heads import Head, parse_head
from librarian.serving.interfaces import RequestRefused
from librarian.serving.refusing import refuse
from librarian.web.bare import FAULT

log = logging.getLogger(__name__)

LARGEST_CHUNK = 1 << 62  # bytes
LONGEST_LINE = 1 << 12  # bytes, of a chunk's size with its extensions
LONGEST_TRAILER = 1 << 16  # bytes


class BoundedChunks(ChunkedReceiver):
    """A chunked body whose sizes and words between the chunks have limits."""

    error: BadRequest | None = None

    def received(self, s: bytes) -> int:
        """Take in what belongs to the body, part by part (RFC 9112, 7.1); how much of `s` that is.

        waitress passes over an empty line where the size of a chunk belongs, and another server in front
        may not: such a body is refused, as the two would disagree on where it ends.
        """
        consumed = 0
        while consumed < len(s) and not (self.completed or self.error):
            part = s[consumed : self._end_of_part(s, consumed)]
            if self._expects_size and (self.control_line + part).startswith(b"\r\n"):
                self.error = BadRequest("An empty line stands where the size of a chunk belongs.")
            elif self._expects_size and len(self.control_line) + len(part) > LONGEST_LINE:
                self.error = BadRequest("What is said of a chunk is too long.")
            else:
                consumed += super().received(part)
            if self.chunk_remainder > LARGEST_CHUNK or len(self.trailer) > LONGEST_TRAILER:
                self.error = BadRequest("A chunk, or what is said of it, is too large.")
        return len(s) if self.error else consumed

    @property
    def _expects_size(self) -> bool:
        return not (self.chunk_remainder or self.validate_chunk_end or self.all_chunks_received)

    def _end_of_part(self, s: bytes, begin: int) -> int:
        """Where in `s` the part that begins at `begin` ends: a chunk's size, bytes, line end; the trailer."""
        if self.chunk_remainder:
            return begin + self.chunk_remainder
        if self.validate_chunk_end:
            return begin + 2 - len(self.chunk_end)
        if self.all_chunks_received:
            return len(s)
        if self.control_line.endswith(b"\r") and s.startswith(b"\n", begin):
            return begin + 1
        found = s.find(b"\r\n", begin)
        return len(s) if found < 0 else found + 2


class StrictRequest(HTTPRequestParser):
    """A request as heads.py understands it; what it refuses is answered and never passed on."""

    command = ""
    path = ""
    version = "1.1"  # of an answer to what could not be read
    error: Any = None

    def received(self, data: bytes) -> int:
        try:
            consumed: int = super().received(data)
        except RequestRefused as refused:
            consumed = len(data)
            refuse(self, refused.status, refused.reason)
        except OSError:  # where the body is kept
            raise
        except Exception:
            log.exception("request cannot be read")
            consumed = len(data)
            refuse(self, 500, FAULT)
        if self.completed:
            self.expect_continue = False  # all of it is here
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        # Known even of a head that is refused: an answer to HEAD has no body (RFC 9110, 9.3.2).
        self.command = "HEAD" if header_plus.startswith(b"HEAD ") else ""
        head = parse_head(header_plus)
        self._take(head)
        if head.chunked:
            self.body_rcv = BoundedChunks(self.new_buffer())
        elif head.length:
            self.body_rcv = FixedStreamReceiver(head.length, self.new_buffer())

    def new_buffer(self) -> Any:
        """What takes the body."""
        return OverflowableBuffer(self.adj.inbuf_overflow)

    def _take(self, head: Head) -> None:
        """Tell waitress, whose names these are."""
        self.command = head.method
        self.request_uri = head.target
        self.version = head.version
        self.path = unquote_to_bytes(head.path).decode("latin-1")
        self.query = head.query
        self.url_scheme = self.adj.url_scheme
        self.headers = _wsgi_fields(head)
        self.connection_close = not head.keeps_open
        self.chunked = head.chunked
        self.content_length = head.length
        self.expect_continue = head.expects_continue


def _wsgi_fields(head: Head) -> dict[str, str]:
    """The fields by the second half of their CGI names.  One with an underscore could be taken for another
    there, and is left out."""
    found = {
        name.upper().replace("-", "_"): ("; " if name == "cookie" else ", ").join(values)
        for name, values in head.fields.items()
        if "_" not in name
    }
    found.pop("TRANSFER_ENCODING", None)  # waitress takes the chunks apart
    if head.host is not None:
        found["HOST"] = head.host
    if "content-length" in head.fields:  # zeros in front can be more than int() takes
        found["CONTENT_LENGTH"] = str(head.length)
    found["CONNECTION"] = "keep-alive" if head.keeps_open else "close"
    return found
