"""Forms with files (multipart/form-data, RFC 7578): parsed as they arrive, their files into the byte store.

A server that receives bodies gives such a body to a FormReceiving, piece by piece; under another server
read_form() does so when a view asks for the fields.  Either way a file is hashed and written once, and there
is nothing to read again: the parsed form stays in the WSGI environ until the request is over, for requests
that are repeated after a conflict too.
"""

import codecs
import hashlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from errno import ENOSPC
from io import BytesIO
from typing import Any, NoReturn, Protocol

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)
from webob.multidict import MultiDict

from librarian.store.interfaces import DigestMismatch, IByteStore, IReceiving, StoreFull
from librarian.web.interfaces import FormTooLarge, FormUnreadable
from librarian.web.requests.received import FORM, ReceivedInput, received_input

log = logging.getLogger(__name__)

MULTIPART = "multipart/form-data"
MOST_PARTS = 1000
MOST_FILES = 20  # each holds a descriptor until the request is over, also where no one has logged in
MOST_FIELD_BYTES = 1 << 20  # of all fields together that are no files
LONGEST_HEADER = 1 << 13  # bytes of a line
MOST_HEADERS = 16  # of a part
PIECE = 1 << 18  # bytes that are read at a time

_BOUNDARY = re.compile("[ -~]{0,199}[!-~]")  # RFC 2046, 5.1.1, allows 70 characters
# By the names of Python's codecs.  Others take minutes for a megabyte (punycode), or give one half of a
# surrogate pair (utf-7, unicode_escape), which no text that is stored or sent may have.
_CHARSETS = frozenset(("ascii", "cp1252", "iso8859-1", "iso8859-15", "utf-16", "utf-8"))
_PLAIN = frozenset(("7bit", "8bit", "binary"))  # transfer encodings that change nothing


class Stream(Protocol):
    """The body of a request, for reading."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b"" at the end."""


@dataclass(frozen=True)
class FormFile:
    """A file in a form."""

    filename: str
    type: str  # the media type, without parameters
    headers: Mapping[str, str]  # of the part
    file: ReceivedInput


class ReceivedForm:
    """A whole form, in the order in which its parts came; `size` is that of the body, in bytes."""

    def __init__(self) -> None:
        self.fields: MultiDict[str, str | FormFile] = MultiDict()
        self.size = 0

    def discard(self) -> None:
        """Discard the files that were not kept.  May be repeated."""
        for part in self.fields.values():
            if isinstance(part, FormFile):
                part.file.discard()


class FormReceiving:
    """Bytes of a form on their way in, as librarian.store.interfaces.IReceiving has it.

    `digests` are those that the request promises of its body, lower-case hex by hashlib's names.  write() and
    finish() raise FormUnreadable and FormTooLarge, StoreFull and StoreUnavailable; finish() DigestMismatch.
    """

    def __init__(
        self, store: IByteStore, content_type: str, digests: Mapping[str, str], size: int | None = None
    ) -> None:
        self.size = 0
        self._store = store
        self._promised = digests
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in digests}
        self._form = ReceivedForm()
        self._parser = _parser(content_type)
        self._part: MultipartSegment | None = None
        self._file: IReceiving | None = None  # of the part, if that is a file
        self._files = 0  # that have begun
        self._text: list[bytes] = []
        self._text_bytes = 0  # of all parts
        self._require_room(size)

    def write(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        self.size += len(data)
        for digest in self._hashes.values():
            digest.update(data)
        if not data:
            return
        try:
            for event in self._parser.parse(data):
                self._take(event)
        except MultipartError as error:
            _refuse(error)

    def finish(self) -> ReceivedForm:
        """The form, whole."""
        try:
            self._parser.close()
        except MultipartError as error:
            _refuse(error)
        for name, promised in self._promised.items():
            if (found := self._hashes[name].hexdigest()) != promised:
                raise DigestMismatch(name, promised, found)
        form, self._form = self._form, ReceivedForm()
        form.size = self.size
        return form

    def abort(self) -> None:
        """Forget what has arrived."""
        if self._file is not None:
            self._file.abort()
        self._form.discard()

    def _require_room(self, size: int | None) -> None:
        room = self._store.room() if size else None
        if size and room is not None and size > room:
            raise StoreFull(ENOSPC, "the byte store has no room for this")

    def _take(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        if isinstance(event, MultipartSegment):
            self._begin(event)
        elif event is None:
            self._end()
        elif self._file is not None:
            self._file.write(bytes(event))
        else:
            self._text_bytes += len(event)
            if self._text_bytes > MOST_FIELD_BYTES:
                raise FormTooLarge(f"The fields of a form have at most {MOST_FIELD_BYTES} bytes.")
            self._text.append(bytes(event))

    def _begin(self, part: MultipartSegment) -> None:
        """Look at the headers of a part (RFC 7578, 4.2 to 4.8)."""
        if (part.content_type or "").startswith("multipart/"):
            raise FormUnreadable("A part of a form that is a form itself is not supported.")
        if part.header("Content-Transfer-Encoding", "binary").strip().lower() not in _PLAIN:
            raise FormUnreadable("A Content-Transfer-Encoding in a form is not supported; send plain bytes.")
        self._part, self._text = part, []
        if part.filename:
            self._files += 1
            if self._files > MOST_FILES:
                raise FormTooLarge(f"A form has at most {MOST_FILES} files.")
        self._file = self._store.receive() if part.filename else None

    def _end(self) -> None:
        part = self._part
        assert part is not None
        if self._file is None:
            self._form.fields.add(part.name or "", _decoded(b"".join(self._text), part.charset or "utf-8"))
            return
        file, self._file = ReceivedInput(self._file.finish()), None
        kind = part.content_type or "text/plain"  # RFC 7578, 4.4
        found = FormFile(part.filename or "", kind, dict(part.headerlist), file)
        self._form.fields.add(part.name or "", found)


class FormInput(BytesIO):
    """``wsgi.input`` of a request whose body has been taken for a form: none of it can be read again."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Raise FormUnreadable."""
        raise FormUnreadable("Here the bytes themselves are wanted, and not a form.")


def is_form_with_files(environ: Mapping[str, Any]) -> bool:
    """Whether the body of a request is a form that may hold files."""
    kind: str = environ.get("CONTENT_TYPE", "")
    return kind.partition(";")[0].strip().lower() == MULTIPART


def pass_form_on(environ: dict[str, Any], form: ReceivedForm) -> None:
    """Make `form` the body of the request; received.forget() discards it when the request is over."""
    stream = received_input(environ)
    if stream is not None:
        stream.close()
    environ[FORM] = form
    environ["wsgi.input"] = FormInput()
    environ["wsgi.input_terminated"] = environ["webob.is_body_seekable"] = True
    environ["CONTENT_LENGTH"] = str(form.size)
    environ.pop("HTTP_TRANSFER_ENCODING", None)


def read_form(receiving: FormReceiving, stream: Stream) -> ReceivedForm:
    """The form that `stream` holds from here to its end.  Raises as FormReceiving."""
    try:
        while piece := stream.read(PIECE):
            receiving.write(piece)
        return receiving.finish()
    except BaseException:
        receiving.abort()
        raise


def _parser(content_type: str) -> PushMultipartParser:
    _kind, parameters = parse_options_header(content_type)
    boundary = parameters.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise FormUnreadable("The form states no boundary between its parts.")
    return PushMultipartParser(
        boundary,
        max_header_size=LONGEST_HEADER,
        max_header_count=MOST_HEADERS,
        max_segment_count=MOST_PARTS,
    )


def require_charset(name: str) -> None:
    """Raise LookupError or ValueError for a charset that bodies are not read in."""
    if codecs.lookup(name).name not in _CHARSETS:
        raise LookupError(name)


def _decoded(text: bytes, charset: str) -> str:
    try:
        require_charset(charset)
        return text.decode(charset)
    except (LookupError, ValueError):
        raise FormUnreadable(f"A field of the form is not {charset[:40]}.") from None


def _refuse(error: MultipartError) -> NoReturn:
    log.info("form unreadable error=%r", error)
    if isinstance(error, ParserLimitReached):
        raise FormTooLarge("The form has too many parts, or too long headers.") from None
    raise FormUnreadable("The form cannot be read.") from None
