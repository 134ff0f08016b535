"""Packages and Sources indices, plain, gz or xz, streamed with python-debian."""

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any, cast

from debian.deb822 import Packages, Sources

from librarian.mirrors.archive.interfaces import (
    ArchiveEntry,
    IArchiveSource,
    MalformedArchive,
    NotInArchive,
)
from librarian.mirrors.archive.release_file import ReleaseFile, checked_digest, checked_size, read_listed
from librarian.mirrors.enums import PublicationKind
from librarian.mirrors.paths import checked_path

_OPENERS: Mapping[str, Callable[[BytesIO], Iterable[bytes]]] = {
    ".xz": lzma.LZMAFile,
    ".gz": lambda packed: gzip.GzipFile(fileobj=packed),
    "": lambda plain: plain,
}


def read_index(source: IArchiveSource, suite: str, release: ReleaseFile, name: str) -> Iterator[ArchiveEntry]:
    """The entries of the index `name` (`main/source/Sources`), from the smallest form the archive has.

    Raises NotInArchive, DigestDiffers, MalformedArchive.
    """
    for extension in _OPENERS:
        if name + extension in release.files:
            raw = read_listed(source, suite, release, name + extension)
            yield from parse_index(unpacked(raw, extension), sources=name.endswith("Sources"))
            return
    raise NotInArchive(f"dists/{suite}/{name}")


def unpacked(raw: bytes, extension: str) -> Iterable[bytes]:
    """The lines of an index that is packed as its `extension` (`.xz`, `.gz` or none) says."""
    return _OPENERS[extension](BytesIO(raw))


def parse_index(stream: Iterable[bytes], *, sources: bool) -> Iterator[ArchiveEntry]:
    """The entries of an index, line by line as plain text.  Raises MalformedArchive."""
    reader: Any = Sources if sources else Packages
    entries_of: Callable[[Any], Iterable[ArchiveEntry]] = _source_entries if sources else _binary_entries
    try:
        for paragraph in reader.iter_paragraphs(_lines(stream), use_apt_pkg=False):
            yield from entries_of(paragraph)
    except (KeyError, ValueError, TypeError, OSError, lzma.LZMAError, zlib.error) as error:
        raise MalformedArchive(f"index cannot be read: {error}") from error


def _lines(stream: Iterable[bytes]) -> Iterator[bytes]:
    """The lines; an end that comes too early is an error (python-debian would take it for the end)."""
    try:
        yield from stream
    except EOFError as error:
        raise MalformedArchive(f"index ends too early: {error}") from error


def _binary_entries(fields: Mapping[str, str]) -> Iterator[ArchiveEntry]:
    path = checked_path(fields["Filename"])
    kind = PublicationKind.UDEB if path.endswith(".udeb") else PublicationKind.DEB
    source = fields.get("Source", fields["Package"]).partition(" ")[0]
    digest = fields.get("SHA256", "")
    yield ArchiveEntry(
        kind,
        source,
        fields["Version"],
        path,
        checked_size(fields["Size"]),
        checked_digest(digest) if digest else "",
    )


def _source_entries(fields: Mapping[str, object]) -> Iterator[ArchiveEntry]:
    """Every file of a source package: the .dsc, and those that it names."""
    rows = cast("list[Mapping[str, str]]", fields.get("Checksums-Sha256") or fields["Files"])
    if not any(row["name"].endswith(".dsc") for row in rows):
        raise ValueError("a source package without a .dsc")
    for row in rows:
        yield ArchiveEntry(
            PublicationKind.DSC if row["name"].endswith(".dsc") else PublicationKind.TARBALL,
            str(fields["Package"]),
            str(fields["Version"]),
            checked_path(f"{fields['Directory']}/{row['name']}"),
            checked_size(row["size"]),
            checked_digest(row["sha256"]) if "sha256" in row else "",
        )
