"""Bodies that the server has received before it calls the application, each an IReceivedFile.

Under ``librarian.received`` in the WSGI environ there may be the received file of the whole body, as
librarian.web.interfaces tells.  ``wsgi.input`` then reads it, and opens it only for that.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from librarian.store.interfaces import DigestMismatch, IReceivedFile

RECEIVED = "librarian.received"
FORM = "librarian.form"  # in the WSGI environ: the body, where it was taken for a form (form_files)
_HASHED = frozenset(("sha256", "sha1", "md5"))  # while it arrived


class ReceivedInput:
    """A ``wsgi.input`` (PEP 3333) that reads a received file; it can also be rewound.

    The first access to the bytes, or to `received`, raises DigestMismatch if they are not what hold_to() was
    told.
    """

    def __init__(self, received: IReceivedFile) -> None:
        self._received = received
        self._promised: Mapping[str, str] = {}
        self._file: BinaryIO | None = None

    @property
    def received(self) -> IReceivedFile:
        """The body in the byte store.  Raises as check()."""
        self.check()
        return self._received

    def hold_to(self, digests: Mapping[str, str]) -> None:
        """Compare with these digests, lower-case hex by hashlib's names, at the first access."""
        self._promised = digests

    def check(self) -> None:
        """Compare now.  Raises DigestMismatch, StoreUnavailable."""
        promised, self._promised = self._promised, {}
        try:
            check_received(self._received, promised)
        except BaseException:
            self._promised = promised
            raise

    def read(self, size: int = -1) -> bytes:
        """As PEP 3333 has it for ``wsgi.input``: up to `size` bytes, all for -1.  Raises as check()."""
        return self._opened().read(size)

    def readline(self, size: int = -1) -> bytes:
        """As PEP 3333 has it for ``wsgi.input``."""
        return self._opened().readline(size)

    def readlines(self, hint: int = -1) -> list[bytes]:
        """As PEP 3333 has it for ``wsgi.input``."""
        return self._opened().readlines(hint)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._opened())

    def seek(self, offset: int, whence: int = 0) -> int:
        """As io.IOBase has it.  To the start of a body that was not read yet it opens no file."""
        if self._file is None and (offset, whence) == (0, 0):
            return 0
        return self._opened().seek(offset, whence)

    def tell(self) -> int:
        """The position, in bytes."""
        return 0 if self._file is None else self._file.tell()

    def close(self) -> None:
        """Close the file; the next read begins at its start."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def discard(self) -> None:
        """Close the file and discard the bytes, unless they were kept.  May be repeated."""
        self.close()
        self._received.discard()

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._file = self.received.open()
        return self._file


def pass_on(environ: dict[str, Any], received: IReceivedFile) -> None:
    """Make `received` the body of the request; for servers, and for tests without one.

    The server calls forget() when the request is over.
    """
    environ[RECEIVED] = received
    environ["wsgi.input"] = ReceivedInput(received)
    environ["wsgi.input_terminated"] = True
    environ["CONTENT_LENGTH"] = str(received.size)
    for key in ("HTTP_TRANSFER_ENCODING", "webob.is_body_seekable"):
        environ.pop(key, None)


def received_input(environ: Mapping[str, Any]) -> ReceivedInput | None:
    """The body as it was received; None where it is a stream, or where another was put in its place."""
    stream = environ.get("wsgi.input")
    return stream if isinstance(stream, ReceivedInput) else None


def forget(environ: Mapping[str, Any]) -> None:
    """Discard the body that was received, and the files of a form, unless they were kept.

    For servers that receive, and for the application at the end of each request; may be repeated.
    """
    if FORM in environ:
        environ[FORM].discard()
    received: IReceivedFile | None = environ.get(RECEIVED)
    stream = received_input(environ)
    if stream is not None:
        stream.close()
    if received is not None:
        received.discard()


def check_received(received: IReceivedFile, digests: Mapping[str, str]) -> None:
    """Raise DigestMismatch for the first of `digests`, lower-case hex by hashlib's names, that is another.

    What was not hashed while it arrived is read once more.
    """
    for name, promised in digests.items():
        found = getattr(received, name) if name in _HASHED else _digest_of(received, name)
        if found != promised:
            raise DigestMismatch(name, promised, found)


def _digest_of(received: IReceivedFile, name: str) -> str:
    with received.open() as file:
        return hashlib.file_digest(file, name).hexdigest()  # type: ignore[arg-type]  # any BinaryIO will do
