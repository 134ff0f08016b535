"""A list of the digests that were stored and never read since, beside the bytes: a scrub begins with them.

A line is added for each new file, and not fsynced: what is lost with a power cut, or while a scrub takes
the list away, is read when its turn comes, like everything else.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from librarian.durable import FILE_MODE
from librarian.store.disk.troubles import troubles
from librarian.store.hashing import is_sha256

LONGEST_LIST = 16 << 20  # bytes; without a scrub it must not grow for ever


class Fresh:
    """The list in one store's folder."""

    def __init__(self, root: str) -> None:
        self._path = Path(root) / "fresh"
        self._taken = Path(root) / "fresh.taken"  # what a scrub is at work on, or was when it was killed

    def add(self, sha256: str) -> None:
        """Note new bytes; a list that cannot be written does not matter."""
        with suppress(OSError):
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            file = os.open(self._path, flags, FILE_MODE)
            try:
                if os.fstat(file).st_size < LONGEST_LIST:
                    os.write(file, f"{sha256}\n".encode())
            finally:
                os.close(file)

    def take(self) -> Iterator[str]:
        """The digests in the list, which begins anew; they stay taken until done()."""
        if not self._taken.exists():
            with suppress(FileNotFoundError):
                self._path.rename(self._taken)
        with suppress(FileNotFoundError), self._taken.open(encoding="ascii", errors="replace") as file:
            yield from (line for line in map(str.rstrip, file) if is_sha256(line))

    def each(self) -> Iterator[str]:
        """Take the digests; done when they are through.  Raises StoreUnavailable."""
        with troubles("list what is fresh"):
            yield from self.take()
            self.done()

    def done(self) -> None:
        """Delete the list that was taken: each of its files has been read."""
        self._taken.unlink(missing_ok=True)
