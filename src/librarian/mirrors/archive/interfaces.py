"""Reading an APT archive.

An archive is a tree of files (https://wiki.debian.org/DebianRepository/Format).  `IArchiveSource` reads one
of them, from a directory or a web server.  A suite begins with its Release file: `release.parse_release`
reads the date, the components, the architectures and, for each index, size and SHA-256; `signatures.verify`
checks with gpgv who signed it.  `indices.read_index` then fetches an index, by hash where the archive offers
that, compares it with the Release file, and gives an `ArchiveEntry` for each file of the pool that it
lists.

Whatever is wrong with the archive is an ArchiveError.
"""

from dataclasses import dataclass
from typing import Protocol

from librarian.interfaces import LibrarianError
from librarian.mirrors.enums import PublicationKind


class ArchiveError(LibrarianError):
    """An archive could not be read, or not be believed."""


class NotInArchive(ArchiveError, LookupError):
    """The archive has no file of this path."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the archive has no {path}")
        self.path = path


class ArchiveUnreachable(ArchiveError, OSError):
    """The archive did not answer."""


class MalformedArchive(ArchiveError, ValueError):
    """A file of the archive is not what its name promises."""


class BadSignature(ArchiveError):
    """A Release file is not signed by a key of the given keyring."""


class DigestDiffers(ArchiveError):
    """An index is not the one the Release file vouches for."""

    def __init__(self, path: str, listed: str, found: str) -> None:
        super().__init__(f"{path}: sha256 is {found}, but the Release file says {listed}")
        self.path = path
        self.listed = listed
        self.found = found


class IArchiveSource(Protocol):
    """The source of an archive's files: a directory or a web server."""

    def read(self, path: str) -> bytes:
        """The bytes of a file, by its path from the archive's root.

        Raises NotInArchive, ArchiveUnreachable.
        """
        ...


@dataclass(frozen=True, slots=True)
class ListedFile:
    """The entry of one index in a Release file."""

    sha256: str  # hex
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """A file of the pool, as an index lists it."""

    kind: PublicationKind
    source: str  # the source package it was built from
    version: str
    path: str  # from the archive's root
    size: int  # bytes
    sha256: str  # hex


class ArchiveGoesBack(ArchiveError, ValueError):
    """The Release file is older than one already seen: a replay, or a source that lags behind."""

    def __init__(self, suite: str, date: str, known: str) -> None:
        super().__init__(f"{suite}: the Release file is of {date}, but one of {known} was seen already")
        self.suite = suite


class ArchiveExpired(ArchiveError, ValueError):
    """The Release file is past its Valid-Until."""

    def __init__(self, suite: str, valid_until: str) -> None:
        super().__init__(f"{suite}: the Release file was valid until {valid_until}")
        self.suite = suite
