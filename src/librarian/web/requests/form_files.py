"""Files in forms go into the byte store while the form is parsed, and are kept by a rename afterwards.

webob has the class of its parser fixed, so it is replaced there, by one that does as before for other
callers than parsing_form().
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import TextIOWrapper
from typing import Any, BinaryIO

import webob.request
from webob.compat import cgi_FieldStorage
from zope.component import queryUtility

from librarian.store.interfaces import IByteStore, IReceivedFile


class FormFile:
    """A file that the parser writes once, and that is read afterwards.

    `received` is what keep_or_put() looks for.  Raises StoreFull and StoreUnavailable where the store does.
    """

    def __init__(self, store: IByteStore) -> None:
        self._receiving = store.receive()
        self._received: IReceivedFile | None = None
        self._reader: BinaryIO | None = None

    @property
    def received(self) -> IReceivedFile:
        """The file in the byte store, complete.  Nothing can be written afterwards."""
        if self._received is None:
            self._received = self._receiving.finish()
        return self._received

    def write(self, data: bytes) -> int:
        """Take the next bytes of the field; the number of them."""
        self._receiving.write(data)
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """As io.IOBase has it: up to `size` bytes, all for -1."""
        return self._opened().read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """As io.IOBase has it: the new position, in bytes."""
        return self._opened().seek(offset, whence)

    def tell(self) -> int:
        """The position, in bytes; while the field arrives, the number that has come."""
        return self._receiving.size if self._received is None else self._opened().tell()

    def close(self) -> None:
        """Discard the file, unless it was kept."""
        if self._reader is not None:
            self._reader.close()
        self._receiving.abort()
        if self._received is not None:
            self._received.discard()

    def _opened(self) -> BinaryIO:
        if self._reader is None:
            self._reader = self.received.open()
        return self._reader


_parsing: ContextVar[list[FormFile] | None] = ContextVar("parsing", default=None)


def spool() -> BinaryIO:
    """A new file without a name.  Raises StoreFull and StoreUnavailable."""
    file: BinaryIO = _store().spool()
    return file


def _store() -> IByteStore:
    store = queryUtility(IByteStore)
    if store is None:
        raise LookupError("there is no byte store to keep a body in")
    return store


@contextmanager
def parsing_form() -> Iterator[list[FormFile]]:
    """Within the `with`, files of forms go into the byte store; gives them, the caller's to close."""
    files: list[FormFile] = []
    token = _parsing.set(files)
    try:
        yield files
    except BaseException:
        close_all(files)
        raise
    finally:
        _parsing.reset(token)


def close_all(files: list[FormFile]) -> None:
    """Discard the files of a form that were not kept."""
    for file in files:
        file.close()


class FormParser(cgi_FieldStorage):
    """A parser of forms that asks the byte store where to put files."""

    def make_file(self) -> Any:
        files = _parsing.get()
        if files is None:
            return super().make_file()
        if not (self._binary_file or self.length >= 0):
            return TextIOWrapper(spool(), encoding=self.encoding, newline="\n")
        files.append(FormFile(_store()))
        return files[-1]


webob.request.cgi_FieldStorage = FormParser
