"""Counting downloads from access logs.

A request counts when it is a GET answered with 200.  Slices of a file, answered with 206, count
when they amount to a whole: what one client (address and user agent) has got of one file is added
up, and each time the sum reaches the file's size that is one download, on the day of the slice that
completed it.  So a download resumed five times counts once, and so does one in eight parallel
slices; and a 200 that broke off and was resumed is not counted a second time.

Each log is read once: see log_reading.py.  What a batch of lines adds is committed together with how
far they reach, so a run that is killed loses nothing and counts nothing twice.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import islice
from pathlib import Path

from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.countries.interfaces import ICountry, ICountrySet
from librarian.library.counts.interfaces import MalformedLine
from librarian.library.counts.log_lines import Hit, read_line
from librarian.library.counts.log_reading import LogReader
from librarian.library.interfaces import AliasNotFound
from librarian.library.model.counts import LogPlace
from librarian.library.model.files import LibraryFileAlias
from librarian.library.model.subtree import PATIENCE, LibrarySubtree
from librarian.library.operations import Library
from librarian.tree.batches import change_in_batches

log = logging.getLogger(__name__)

BATCH = 10_000  # lines of one transaction
REMEMBERED = 50_000  # addresses whose country is known without looking


@dataclass
class Counted:
    """The result of reading one log."""

    path: str
    lines: int = 0  # read now
    downloads: int = 0  # counted now
    unknown: int = 0  # downloads of files that are not here any more
    malformed: int = 0  # lines


class DownloadCounter:
    """Reads access logs into the download counts."""

    def __init__(self, library: Library) -> None:
        self._library = library
        countries: ICountrySet = removeSecurityProxy(getUtility(ICountrySet))
        self._country = lru_cache(maxsize=REMEMBERED)(countries.getByAddress)

    def count(self, path: Path) -> Counted:
        """Count the new lines of the log at `path`, which may be compressed by gzip.

        Raises UnreadableLog and LogReadTwice; what was counted until then stays counted.
        """
        counted = Counted(str(path))
        with LogReader.open(path) as reader, self._library.tree.session():
            if reader.first_line.endswith(b"\n"):
                self._read(reader, counted)
        log.info("log counted path=%s lines=%d downloads=%d", path, counted.lines, counted.downloads)
        return counted

    def _read(self, reader: LogReader, counted: Counted) -> None:
        tree = self._library.tree
        place = tree.run(lambda: self._place(reader))
        lines, position = reader.lines(), reader.position
        while texts := list(islice(lines, BATCH)):
            batch = _Batch(texts, self._country)
            before, position = position, reader.position
            move = (before, position, reader.mark)
            tree.run(lambda: _commit(batch, self._library.subtree, place, *move))  # noqa: B023  # called here
            counted.lines += len(texts)
            counted.malformed += batch.malformed
            counted.downloads += batch.downloads
            counted.unknown += batch.unknown
            tree.forget_loaded()

    def _place(self, reader: LogReader) -> LogPlace:
        """The place to read on from, to which the reader is brought."""
        places = self._library.subtree.log_places
        for place in places.known(reader.first_line):
            if reader.stands_at(place):
                return place
        reader.rewind()
        return places.add(reader.first_line)

    def forget_slices(self) -> None:
        """Forget downloads that were not completed in time; called when all logs are read."""
        too_old = (self._library.clock.now() - PATIENCE).timestamp()
        with self._library.tree.session():
            subtree = self._library.subtree

            def forget(keys: list[bytes]) -> None:
                for key in keys:
                    if subtree.slices[key][1] < too_old:
                        del subtree.slices[key]

            change_in_batches(self._library.tree, lambda: subtree.slices, forget, size=BATCH)


def _commit(
    batch: "_Batch", subtree: LibrarySubtree, place: LogPlace, before: int, position: int, mark: bytes
) -> None:
    place.move(before, position, mark)
    batch.count(subtree)


class _Batch:
    """Lines of a log, and what they add to the counts; count() may be repeated."""

    def __init__(self, lines: list[bytes], country: Callable[[str], ICountry | None]) -> None:
        self._country = country
        self._hits: list[Hit] = []
        self.malformed = self.downloads = self.unknown = 0
        for line in lines:
            try:
                hit = read_line(line.decode("utf-8", "replace").rstrip("\r\n"))
            except MalformedLine:
                self.malformed += 1
                continue
            if hit is not None:
                self._hits.append(hit)

    def count(self, subtree: LibrarySubtree) -> None:
        """Add to the counts, in the caller's transaction."""
        self.downloads = self.unknown = 0
        sums: Counter[tuple[int, date, str | None]] = Counter()
        for hit in self._hits:
            try:
                record = subtree.alias(hit.alias_id)
            except AliasNotFound:
                self.unknown += 1
                continue
            if completed := self._downloads(subtree, record, hit):
                country = self._country(hit.client)
                sums[hit.alias_id, hit.day, country.iso3166code2 if country else None] += completed
        for (alias_id, day, code), number in sums.items():
            subtree.count_downloads(subtree.alias(alias_id), day, code, number)
        self.downloads = sums.total()

    def _downloads(self, subtree: LibrarySubtree, record: LibraryFileAlias, hit: Hit) -> int:
        """The number of downloads that a hit completes."""
        if hit.status == 200:  # OK: the whole
            return 1
        client = hashlib.sha256(f"{hit.client} {hit.agent}".encode()).digest()[:8]
        return subtree.slice_completes(record, client, hit.size, hit.time.timestamp())
