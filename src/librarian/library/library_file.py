"""LibraryFile, an open file of the library, and the base of files around files."""

from collections.abc import Iterator
from typing import BinaryIO, Self

from zope.interface import implementer

from librarian.library.interfaces import ILibraryFile
from librarian.timeline import current_timeline

BLOCK_SIZE = 1 << 18  # bytes


class FileWrapper:
    """A file around another one, which it closes; subclasses define read()."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def seek(self, offset: int, whence: int = 0) -> int:
        """As io.IOBase has it: the new position, in bytes."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The position, in bytes from the start of the file."""
        return self._file.tell()

    def close(self) -> None:
        """As io.IOBase has it; a second call does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


@implementer(ILibraryFile)
class LibraryFile(FileWrapper):
    """An open file; each read is noted in the request's timeline, with the file's URL."""

    def __init__(self, file: BinaryIO, url: str) -> None:
        super().__init__(file)
        self.url = url

    def read(self, chunksize: int | None = None) -> bytes:
        with current_timeline().record("librarian-read", self.url):
            return self._file.read(-1 if chunksize is None else chunksize)

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(BLOCK_SIZE), b"")
