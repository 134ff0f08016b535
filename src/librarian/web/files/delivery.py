"""A file answer on a WSGI server.  Depends on WSGI (PEP 3333) and on nothing a server may lack."""

from collections.abc import Iterable, Iterator, Mapping
from io import SEEK_END
from typing import Any, BinaryIO

from librarian.web.files.answer import REQUEST_FIELDS
from librarian.web.files.facts import FileAnswer, segment_length
from librarian.web.files.ranges import Slice
from librarian.web.interfaces import SENDS_SLICES, FileCutShort

# Up to here an answer is read at once: it costs no more memory than a block of a long one does, and
# an error while reading can still become a response.
READ_AT_ONCE = 64 * 1024  # bytes
BLOCK_SIZE = 256 * 1024  # bytes

_ENVIRON_KEYS = tuple((f"HTTP_{name.upper().replace('-', '_')}", name) for name in REQUEST_FIELDS)


def request_headers(environ: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a WSGI request that a file answer may depend on, named as it expects them."""
    return {name: environ[key] for key, name in _ENVIRON_KEYS if key in environ}


def render(answer: FileAnswer, file: BinaryIO, environ: Mapping[str, Any]) -> Iterable[bytes]:
    """The body of an answer, for a server to send.

    Takes over `file` (binary, seekable, open), and closes it: at once where nothing of it will be
    sent or all of it has been read, otherwise when the server closes the body, as PEP 3333 makes
    it do also when the client has left.  Call it before the response starts: FileCutShort, for a
    file that lacks bytes the answer promises, and an OSError in reading then still have a status.
    """
    promised = max((piece.stop for piece in answer.segments if isinstance(piece, Slice)), default=0)
    try:
        body = _body(answer, file, environ, promised)
    except BaseException:
        file.close()
        raise
    if isinstance(body, list):
        file.close()
    return body


def _body(answer: FileAnswer, file: BinaryIO, environ: Mapping[str, Any], promised: int) -> Iterable[bytes]:
    segments = answer.segments
    if sum(map(segment_length, segments)) <= READ_AT_ONCE:
        return list(_blocks(segments, file))
    # Asked before anything is sent, and not only noticed while sending: some servers make the
    # Content-Length fit a file that is too short, so the client would hold a piece for the whole.
    found = file.seek(0, SEEK_END)
    if found < promised:
        raise FileCutShort(promised, found)
    wrapper = environ.get("wsgi.file_wrapper")
    # A wrapper sends from the position of the file to its end: it suits one slice that ends there.
    suits = found == promised or (environ.get(SENDS_SLICES, False) and _has_descriptor(file))
    if wrapper is not None and len(segments) == 1 and isinstance(segments[0], Slice) and suits:
        file.seek(segments[0].start)
        wrapped: Iterable[bytes] = wrapper(_PromisedFile(file, promised), BLOCK_SIZE)
        return wrapped
    return _FileBody(segments, file)


def _has_descriptor(file: BinaryIO) -> bool:
    try:
        file.fileno()
    except OSError:  # io.UnsupportedOperation is one
        return False
    return True


class _PromisedFile:
    """The file as a wrapper gets it: reading past its end too early is an error, not an end.

    Only a file that is truncated while it is sent comes to that; but some servers would then ask for
    the missing bytes in an endless loop, at full speed, for as long as the client waits.
    """

    def __init__(self, file: BinaryIO, promised: int) -> None:
        self._file = file
        self._promised = promised

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        if not block and size != 0 and self._file.tell() < self._promised:
            raise FileCutShort(self._promised, self._file.tell())
        return block

    def __getattr__(self, name: str) -> Any:  # fileno, for a server that uses sendfile(); seek, tell, close
        return getattr(self._file, name)


class _FileBody:
    """The segments in blocks, read as the server asks for them; closes the file when it is closed."""

    def __init__(self, segments: tuple[bytes | Slice, ...], file: BinaryIO) -> None:
        self._segments = segments
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        return _blocks(self._segments, self._file)

    def close(self) -> None:
        self._file.close()


def _blocks(segments: tuple[bytes | Slice, ...], file: BinaryIO) -> Iterator[bytes]:
    """Raises FileCutShort when the file ends early, also if it was truncated meanwhile."""
    for segment in segments:
        if not isinstance(segment, Slice):
            yield segment
            continue
        position = file.seek(segment.start)
        while position < segment.stop:
            block = file.read(min(BLOCK_SIZE, segment.stop - position))
            if not block:
                raise FileCutShort(segment.stop, position)
            yield block
            position += len(block)
