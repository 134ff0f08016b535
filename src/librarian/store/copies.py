"""Bytes in a folder that is laid out like a disk store's: another store, or the bytes of a backup.

And how the bytes of a store are read to be copied.
"""

from pathlib import Path
from typing import BinaryIO

from librarian.store.disk.layout import Layout, read_installation
from librarian.store.interfaces import BytesNotFound, IByteStore
from librarian.store.s3.interfaces import IRemoteBytes


class Copies:
    """Reads from such a folder, and writes nothing there.

    The digest of what it gives is not checked here but by the caller, as
    IByteStore.put() does.
    """

    def __init__(self, folder: Path) -> None:
        self._layout = Layout(str(folder.absolute()))

    def open(self, sha256: str) -> BinaryIO:
        """The caller's to close.  Raises BytesNotFound, and OSError where the folder cannot be read."""
        try:
            return Path(self._layout.held(sha256)).open("rb")
        except FileNotFoundError:
            raise BytesNotFound(sha256) from None

    def size(self, sha256: str) -> int:
        """In bytes.  Raises BytesNotFound, and OSError where the folder cannot be read."""
        try:
            return Path(self._layout.held(sha256)).stat().st_size
        except FileNotFoundError:
            raise BytesNotFound(sha256) from None

    def installation(self) -> str | None:
        """The id of the installation that the folder is of; None where none was noted."""
        return read_installation(self._layout.root)


def open_to_copy(store: IByteStore, sha256: str) -> BinaryIO:
    """A file that is read once, from its beginning to its end, by one who compares it with its digest; the
    caller's to close.  Of a store in the network nothing goes into the cache.

    Raises the errors of IByteStore.open(), which the first read() may raise as well.
    """
    file: BinaryIO = store.stream(sha256) if IRemoteBytes.providedBy(store) else store.open(sha256)
    return file
