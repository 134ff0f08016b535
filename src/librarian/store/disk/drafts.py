"""Files that are about to get their final name in a store: received at once, or in several requests."""

import os
from typing import Protocol

from librarian import durable


class Draft(Protocol):
    """A file with bytes to publish."""

    accounted: int  # bytes of it that the room counts already

    @property
    def path(self) -> str:
        """The path of the draft; valid until it is renamed."""

    @property
    def is_renamed(self) -> bool:
        """Whether the file has its final name."""

    def settle(self, mtime_ns: int) -> None:
        """Give the file its modification time (nanoseconds of the epoch) and make all of it durable."""

    def rename(self, name: str, directory: int) -> None:
        """Move the file over whatever is called `name` in an open directory (which is not fsynced)."""

    def close(self) -> None:
        """Close the file."""


class PartialDraft:
    """The bytes of a partial upload, on their way to their final name."""

    def __init__(self, path: str, size: int) -> None:
        self.accounted = size
        self.path = path
        self.is_renamed = False

    def settle(self, mtime_ns: int) -> None:
        """As Draft has it."""
        os.utime(self.path, ns=(mtime_ns, mtime_ns))
        durable.sync_file(self.path)

    def rename(self, name: str, directory: int) -> None:
        """As Draft has it."""
        os.rename(self.path, name, dst_dir_fd=directory)
        self.is_renamed = True

    def close(self) -> None:
        """Nothing: what was not renamed stays a partial upload."""
