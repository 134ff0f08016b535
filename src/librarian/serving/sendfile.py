"""Files from the disk's cache to the socket by sendfile(2), without a copy in this process.

waitress reads a file that an application gave it piece by piece, and sends each piece.  Here a piece
is only described, and the kernel sends it.
"""

import errno
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from waitress.buffers import ReadOnlyFileBasedBuffer
from waitress.channel import HTTPChannel

from librarian.serving.leaving import nothing_sent
from librarian.store.interfaces import BytesDamaged
from librarian.web.interfaces import FileCutShort

log = logging.getLogger(__name__)

# As much as one call may send: other connections wait for the loop meanwhile.
LONGEST_PIECE = 1 << 20  # bytes

App = Callable[[dict[str, Any], Any], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class FilePiece:
    """`size` bytes of an open file, from `offset`."""

    descriptor: int
    offset: int
    size: int


class SendfileBuffer(ReadOnlyFileBasedBuffer):
    """What waitress queues for a file: get() describes the next piece instead of reading it."""

    def get(self, numbytes: int = -1, skip: bool = False) -> Any:
        if skip:  # so waitress passes over what was sent
            return super().get(numbytes, skip)
        return FilePiece(self.file.fileno(), self.file.tell(), min(self.remain, LONGEST_PIECE))


class SendfileChannel(HTTPChannel):
    """A connection that can send pieces of files."""

    def _flush_some(self, do_close: bool = True) -> Any:
        try:
            return super()._flush_some(do_close)
        except (BytesDamaged, FileCutShort) as error:
            # The length was promised, so a client that is cut off knows that it lacks something.
            log.error("answer cut short error=%s", error)
            self.will_close = True
            return False

    def send(self, data: Any, do_close: bool = True) -> Any:
        if not isinstance(data, FilePiece):
            return super().send(data, do_close)
        try:
            sent = os.sendfile(self.socket.fileno(), data.descriptor, data.offset, data.size)
        except BlockingIOError:
            return 0
        except OSError as error:
            return nothing_sent(self, error, do_close)
        if not sent:
            # The file has been truncated: close, so that the client does not take a part for the whole.
            raise OSError(errno.EIO, "a file ended before what was promised of it")
        return sent


def offer_sendfile(app: App) -> App:
    """The application, given a ``wsgi.file_wrapper`` (PEP 3333) for files that have a descriptor."""

    def wrap(file: Any, block_size: int = 1 << 18) -> Any:
        kind = SendfileBuffer if _has_descriptor(file) else ReadOnlyFileBasedBuffer
        return kind(file, block_size)

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["wsgi.file_wrapper"] = wrap
        return app(environ, start_response)

    return application


def _has_descriptor(file: Any) -> bool:
    try:
        file.fileno()
    except (AttributeError, OSError):
        return False
    return True
