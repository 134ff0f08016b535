"""Backups that leave the bytes in their object store.

The folder has the tree and a manifest that says which bucket.  What the copy of the tree names stays there
for as long as ``librarian.sweep_after`` says, as the sweep knows when bytes were last named.  No backup is
made while a sweep decides: both need the lease of upkeep.

A restored tree knows nothing of what happened in the bucket since.  So it is told, before it is used, which
generation of each digest is there: those it names by the newest sound one of the right size, others by the
newest, so that the next sweep finds them as it finds any bytes that nothing names.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from zope.interface import implementer

from librarian.library.backup.interfaces import BackupDamaged, CannotLeaveBytes
from librarian.library.backup.manifests import contents_of
from librarian.library.settings import SweepSettings
from librarian.store.interfaces import BytesDamaged, BytesNotFound
from librarian.store.listed import ListedSizes
from librarian.store.s3.address import SCHEME, parse_address
from librarian.store.s3.interfaces import DAMAGED, IKeptObjects, IRemoteBytes
from librarian.tree.copying import Copy

NOTHING: dict[int, int] = {}


@implementer(IRemoteBytes)
class KeptSizes:
    """The sizes of what a bucket has, as a store tells them."""

    def __init__(self, kept: IKeptObjects) -> None:
        self._kept = kept

    def sizes(self) -> Iterator[tuple[str, int]]:
        """As IRemoteBytes has it: of the newest sound generation."""
        for sha256, sizes in self._kept.walk():
            if sound := [number for number, size in sizes.items() if size != DAMAGED]:
                yield sha256, sizes[max(sound)]

    def size(self, sha256: str) -> int:
        """Of what the listing lacks.  Raises BytesNotFound always."""
        raise BytesNotFound(sha256)

    def stream(self, sha256: str) -> BinaryIO:
        """Raises BytesNotFound always: there are sizes only."""
        raise BytesNotFound(sha256)


@dataclass(frozen=True)
class LeftBytes:
    """Where the bytes are left, as ``s3://...``, and for how long what was named stays there."""

    place: str
    kept_for: timedelta

    def good_until(self, made: str) -> str:
        """RFC 3339; `made` is the time of the backup."""
        return (datetime.fromisoformat(made) + self.kept_for).isoformat(timespec="seconds")


def left_at(byte_store: str, byte_store_before: str, settings: SweepSettings) -> LeftBytes:
    """What the settings of a site come to.  Raises CannotLeaveBytes."""
    if not byte_store.strip().startswith(SCHEME):
        raise CannotLeaveBytes("only bytes in an object store (librarian.byte_store = s3://...) can be left")
    if byte_store_before:
        raise CannotLeaveBytes("bytes are being moved (librarian.byte_store_before); some are not there yet")
    if not settings.sweep_after:
        raise CannotLeaveBytes(
            "librarian.sweep_after is not set: how long bytes stay after nothing names them any more, and"
            " so how long such a backup is good"
        )
    return LeftBytes(str(parse_address(byte_store)), settings.sweep_after)


def is_listed(sizes: ListedSizes, sha256: str, size: int) -> bool:
    """Whether the store has bytes of this size; asked for in ascending order of the digests."""
    try:
        return sizes.of(sha256) == size
    except (BytesNotFound, BytesDamaged):
        return False


@dataclass
class FoundBytes:
    """What a bucket has of what a tree names: the generations that the tree must be told, and what is
    missing, both by digest in hex."""

    generations: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    contents: int = 0
    bytes: int = 0

    def tell(self, root: Any) -> None:
        """Write the generations into the tree of a root."""
        for sha256, number in self.generations.items():
            root["library"].mean_generation(bytes.fromhex(sha256), number)


def find_bytes(copy: Copy, kept: IKeptObjects, progress: Callable[[int], object]) -> FoundBytes:
    """Look for all that a copy of the tree names.  Raises StoreUnavailable."""
    found = FoundBytes()
    for sha256, size, sizes in _side_by_side(contents_of(copy), kept.walk()):
        known = copy.root["library"].generation_of(bytes.fromhex(sha256))
        sound = [number for number, held in sizes.items() if size in (None, held) and held != DAMAGED]
        damaged = [number for number, held in sizes.items() if held == DAMAGED]
        newest = max(sound, default=max(damaged) + 1 if damaged else known)
        if newest > known or (size is not None and newest != known):
            found.generations[sha256] = newest
        if size is not None and sound:
            found.contents += 1
            found.bytes += size
            progress(found.contents)
        elif size is not None:
            found.missing.append(sha256)
    return found


def _side_by_side(
    contents: Iterator[tuple[str, int]], held: Iterator[tuple[str, dict[int, int]]]
) -> Iterator[tuple[str, int | None, dict[int, int]]]:
    """Each digest of either with the size that the tree names, if it does, and what is held; ascending."""
    content, object_ = next(contents, None), next(held, None)
    while content is not None or object_ is not None:
        if object_ is None or (content is not None and content[0] < object_[0]):
            assert content is not None
            yield *content, NOTHING
            content = next(contents, None)
        elif content is None or object_[0] < content[0]:
            yield object_[0], None, object_[1]
            object_ = next(held, None)
        else:
            yield *content, object_[1]
            content, object_ = next(contents, None), next(held, None)


def require_installation(root: Any, kept: IKeptObjects) -> None:
    """Raise BackupDamaged unless the bucket is of the installation whose tree has this root."""
    ours, theirs = root["installation"].id if "installation" in root else None, kept.installation()
    if ours != theirs:
        raise BackupDamaged(f"the tree is of installation {ours}, the bytes are of {theirs or 'none'}")
