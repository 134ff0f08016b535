"""Release files (https://wiki.debian.org/DebianRepository/Format), read with python-debian."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256

from debian.deb822 import Release

from librarian.mirrors.archive.interfaces import (
    DigestDiffers,
    IArchiveSource,
    ListedFile,
    MalformedArchive,
    NotInArchive,
)
from librarian.mirrors.paths import checked_path

_SHA256 = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_SIZE = re.compile(r"[0-9]{1,18}", re.ASCII)  # more digits are no file's


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """The fields of a Release file that matter here."""

    date: datetime
    valid_until: datetime | None
    suite: str
    codename: str
    version: str
    components: tuple[str, ...]
    architectures: tuple[str, ...]
    by_hash: bool
    files: Mapping[str, ListedFile]  # by path below dists/<suite>/


def parse_release(text: bytes) -> ReleaseFile:
    """Read a Release file, signed inline or not.  Raises MalformedArchive."""
    try:
        return _release(Release(text))
    except (KeyError, ValueError, TypeError, OverflowError) as error:  # OverflowError: a day of thirty digits
        raise MalformedArchive(f"Release file cannot be read: {error}") from error


def _release(fields: Release) -> ReleaseFile:
    return ReleaseFile(
        date=_date(fields["Date"]),
        valid_until=_date(fields["Valid-Until"]) if "Valid-Until" in fields else None,
        suite=fields.get("Suite", ""),
        codename=fields.get("Codename", ""),
        version=fields.get("Version", ""),
        components=tuple(part.rpartition("/")[2] for part in fields.get("Components", "").split()),
        architectures=tuple(fields.get("Architectures", "").split()),
        by_hash=fields.get("Acquire-By-Hash", "no") == "yes",
        files={
            checked_path(row["name"]): ListedFile(checked_digest(row["sha256"]), checked_size(row["size"]))
            for row in fields.get("SHA256", ())
        },
    )


def checked_digest(text: str) -> str:
    """A sha256 in lower-case hex; it becomes part of paths.  Raises ValueError."""
    if not _SHA256.fullmatch(text):
        raise ValueError(f"no sha256: {text[:80]!r}")
    return str(text).lower()


def checked_size(text: str) -> int:
    """A number of bytes.  Raises ValueError."""
    if not _SIZE.fullmatch(text):
        raise ValueError(f"no size: {text[:80]!r}")
    return int(text)


def read_listed(source: IArchiveSource, suite: str, release: ReleaseFile, name: str) -> bytes:
    """An index the Release file lists, by hash where the archive offers that, and checked.

    By hash, so that an archive that changes between the Release file and the index still gives the
    index that belongs to it.  Raises NotInArchive, DigestDiffers.
    """
    listed = release.files.get(name)
    path = f"dists/{suite}/{name}"
    if listed is None:
        raise NotInArchive(path)
    raw = None
    if release.by_hash:
        try:
            raw = source.read(f"{path.rpartition('/')[0]}/by-hash/SHA256/{listed.sha256}")
        except NotInArchive:
            pass  # reprepro and others announce it and keep no old ones; the plain name serves
    if raw is None:
        raw = source.read(path)
    if (found := sha256(raw).hexdigest()) != listed.sha256:
        raise DigestDiffers(path, listed.sha256, found)
    return raw


def _date(text: str) -> datetime:
    """A date as Release files write it; ValueError if it is none."""
    return parsedate_to_datetime(text.replace("UTC", "+0000")).astimezone(UTC)
