"""The contract of a byte store, and what it may refuse."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from zope.interface import Interface

from librarian.interfaces import LibrarianError

# ruff: noqa: N805  # zope.interface methods are written without self


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """What a store knows about bytes it has just made durable.  Digests are lower-case hex."""

    sha256: str
    sha1: str
    md5: str
    size: int  # bytes


class BytesNotFound(LibrarianError, LookupError):
    """The store holds no bytes with this sha256."""

    def __init__(self, sha256: str) -> None:
        super().__init__(f"no bytes are stored under {sha256}")
        self.sha256 = sha256


class SizeMismatch(LibrarianError, AssertionError):
    """The stream held fewer or more bytes than were declared (the seed demands AssertionError)."""

    def __init__(self, declared: int, read: int) -> None:
        super().__init__(f"size is {declared}, but {read} were read from the file")
        self.declared = declared
        self.read = read


class DigestMismatch(LibrarianError, ValueError):
    """The bytes are whole by count, but are not the bytes that were declared."""

    def __init__(self, algorithm: str, declared: str, actual: str) -> None:
        super().__init__(f"{algorithm} is {actual}, but {declared} was declared")
        self.algorithm = algorithm
        self.declared = declared
        self.actual = actual


class StoreFull(LibrarianError, OSError):
    """No room: the disk or the quota is exhausted.  Nothing was left behind."""


class StoreUnavailable(LibrarianError, OSError):
    """The store cannot be written or read: read-only, gone, or not permitted."""


class IByteStore(Interface):
    """Bytes, once each, under the SHA-256 of what they are.

    Safe to use from many threads and, for stores that outlive a process, from many processes.
    """

    def put(
        stream: BinaryIO,
        *,
        size: int | None = None,
        sha256: str | None = None,
        sha1: str | None = None,
        md5: str | None = None,
    ) -> StoredBytes:
        """Read `stream` to its end and keep its bytes; return only when they are durable.

        What is declared (`size` in bytes, digests in hex of either case) is checked: SizeMismatch
        or DigestMismatch leave nothing behind.  With `size` declared at most `size` + 1 bytes are
        read.  Bytes the store already holds stay one copy, and their age starts anew.
        The caller keeps ownership of `stream`.  Raises StoreFull and StoreUnavailable.
        """

    def open(sha256: str) -> BinaryIO:
        """A seekable binary file at position 0, the caller's to close; stays readable after a
        remove().  Raises BytesNotFound."""

    def size(sha256: str) -> int:
        """The number of bytes held.  Raises BytesNotFound."""

    def stored_at(sha256: str) -> datetime:
        """When put() last claimed these bytes, aware, in UTC.  Raises BytesNotFound."""

    def remove(sha256: str, *, stored_before: datetime | None = None) -> bool:
        """Forget the bytes; whether there were any to forget.

        With `stored_before`, bytes that were claimed at or after it stay (and False is the
        answer); the check and the removal are one step, so a put() at the same moment wins.
        """

    def __contains__(sha256: str) -> bool:
        """Whether bytes are held under this digest."""

    def __iter__() -> Iterator[str]:
        """The sha256 of everything held, ascending, streamed: memory does not grow with the store."""
