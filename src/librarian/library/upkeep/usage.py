"""Use of space, by type, owner and age; the bytes that sharing saves; the files downloaded most."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappush, heappushpop
from typing import Any

import transaction

from librarian.library.model.files import LibraryFileAlias
from librarian.library.operations import Library
from librarian.library.uploads.service import ResumableUploads
from librarian.tree.batches import read_in_batches

NO_OWNER = "-"  # in place of the owner of files that came in by a public endpoint

AGES = (
    ("a day", timedelta(days=1)),
    ("a week", timedelta(days=7)),
    ("a month", timedelta(days=30)),
    ("a year", timedelta(days=365)),
    ("older", timedelta.max),
)


@dataclass
class Sum:
    """A number of files, and the sum of their sizes in bytes."""

    files: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        """Count one file of `size` bytes."""
        self.files += 1
        self.bytes += size


@dataclass
class LibraryReport:
    """Files as users count them, and as they are stored, each content once; sizes in bytes."""

    files: Sum = field(default_factory=Sum)
    stored: Sum = field(default_factory=Sum)  # each content once
    deleted: int = 0  # aliases without a file
    partial: Sum = field(default_factory=Sum)  # uploads under way on this machine, with what has come of them
    by_mimetype: dict[str, Sum] = field(default_factory=dict)
    by_owner: dict[str, Sum] = field(default_factory=dict)
    by_age: dict[str, Sum] = field(default_factory=dict)  # up to so long ago
    top_downloads: list[dict[str, Any]] = field(default_factory=list)

    @property
    def saved(self) -> int:
        """Bytes that are not stored a second time."""
        return max(self.files.bytes - self.stored.bytes, 0)


def report(
    library: Library, top: int = 10, progress: Callable[[int], object] = lambda seen: None
) -> LibraryReport:
    """Look at every alias and every content once.  Memory grows with the types and owners there are."""
    found = LibraryReport(by_age={name: Sum() for name, _age in AGES})
    now = library.clock.now()
    most: list[tuple[int, int, str]] = []
    with library.tree.session():
        for record in _each(library, "aliases", progress):
            if record.content is None:
                found.deleted += 1
                continue
            _add(found, record, now)
            counts = library.subtree.downloads.get(record.id)
            if counts is not None and top:
                entry = (counts.total, record.id, record.filename)
                heappush(most, entry) if len(most) < top else heappushpop(most, entry)
        for content in _each(library, "contents", progress):
            found.stored.add(content.filesize)
        for _id, facts, size in ResumableUploads().all():
            if not facts.named:
                found.partial.add(size)
        transaction.abort()
    found.top_downloads = [
        {"id": alias_id, "filename": filename, "downloads": total}
        for total, alias_id, filename in sorted(most, reverse=True)
    ]
    return found


def _add(found: LibraryReport, record: LibraryFileAlias, now: datetime) -> None:
    assert record.content is not None
    size, age = record.content.filesize, now - record.date_created
    found.files.add(size)
    found.by_mimetype.setdefault(record.mimetype.partition(";")[0], Sum()).add(size)
    found.by_owner.setdefault(record.owner or NO_OWNER, Sum()).add(size)
    found.by_age[next(name for name, limit in AGES if age <= limit)].add(size)


def _each(library: Library, part: str, progress: Callable[[int], object]) -> Iterator[Any]:
    """The values of a tree of the library's subtree, fetched and forgotten in batches."""

    def entries() -> Any:
        return getattr(library.subtree, part)

    seen = 0
    for keys in read_in_batches(library.tree, entries, lambda key: entries()[key]):
        yield from (entries()[key] for key in keys)
        seen += len(keys)
        progress(seen)
