"""The facts of a file, and the answer that is made of them and a request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from librarian.web.files.ranges import Slice

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """The facts of a file that an answer depends on."""

    size: int  # bytes
    sha256: str  # lower-case hex, of the bytes as they are stored and sent
    filename: str | None  # None: no Content-Disposition (the protocol has no use for one)
    mimetype: str  # as the uploader gave it; checked before it is sent
    last_modified: datetime  # aware
    restricted: bool = False  # no cache may keep it
    own_host: bool = False  # served on its own host name, where nothing else can be attacked
    verified: bool = True  # False: the bytes are still being compared with their digest
    immutable: bool = True  # False: the URL may answer with other bytes later, even in the same second
    extra_headers: tuple[Header, ...] = ()  # extra headers of 200, 206 and 304; the caller has checked them


class PackedForm(NamedTuple):
    """The gzip form of a file, for requests that prefer it."""

    is_preferred: Callable[[Mapping[str, str]], bool]  # by the fields of a request, as answer_file_request's
    facts: FileFacts | None  # None: it is made while it is sent


class FileAnswer(NamedTuple):
    """A response: `headers` hold printable ASCII, `segments` are literal bytes and slices of the file.

    A Content-Length is always there, except in a 304, and is the sum of the segments (for HEAD: of
    those that GET would have).
    """

    status: int
    headers: list[Header]
    segments: tuple[bytes | Slice, ...]


def segment_length(segment: bytes | Slice) -> int:
    """The number of bytes a segment puts on the wire."""
    return segment.stop - segment.start if isinstance(segment, Slice) else len(segment)
