"""What was published to an archive, and when: the questions a probe asks of it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from string import ascii_lowercase
from typing import cast

from BTrees.OOBTree import OOBTree
from persistent import Persistent

from librarian.mirrors.enums import MirrorStatus, PublicationKind
from librarian.mirrors.freshness import choose_by_window

#: The date of files that were there when an archive was first read: older than any window can reach.
BEFORE_RECORDS = datetime(1970, 1, 1, tzinfo=UTC)

_LAST = "\U0010ffff"  # sorts after every path
_LOOKS = 16


@dataclass(frozen=True, slots=True)
class Publication:
    """A file of the pool, published at a time."""

    kind: PublicationKind
    source: str  # the source package
    version: str
    path: str  # from the archive's root
    date: datetime
    size: int = 0  # bytes; 0: not known
    sha256: str = ""  # hex; "": not known


class Publications(Persistent):
    """What one component of one suite has at present, as source or for one architecture."""

    read_before = False  # whether an index was read already, so that what is new is new

    def __init__(self) -> None:
        self._by_path = OOBTree()  # path -> Publication
        self._by_date = OOBTree()  # (date, path) -> Publication, without udebs

    def __len__(self) -> int:
        return len(self._by_path)

    def __iter__(self) -> Iterator[Publication]:
        return iter(self._by_path.values())

    def get(self, path: str) -> Publication | None:
        return self._by_path.get(path)

    def add(self, publication: Publication) -> None:
        """Note a publication; one that is known keeps its date."""
        if publication.path not in self._by_path:
            self._by_path[publication.path] = publication
            if publication.kind is not PublicationKind.UDEB:
                self._by_date[publication.date, publication.path] = publication

    def remove(self, path: str) -> None:
        """The file was superseded: no mirror is asked for it any more."""
        publication = self._by_path.pop(path, None)
        if publication is not None:
            self._by_date.pop((publication.date, path), None)

    def paths(self) -> set[str]:
        return set(self._by_path)

    def published_between(self, start: datetime, end: datetime) -> list[Publication]:
        """Everything in the period, edges included, udebs too, oldest first."""
        found = [each for each in self if start <= each.date <= end]
        return sorted(found, key=lambda each: (each.date, each.path))

    def newest(self, start: datetime | None, end: datetime) -> Publication | None:
        """The newest one at or before `end` and at or after `start`; udebs are left out."""
        try:
            date, path = self._by_date.maxKey((end, _LAST))
        except ValueError:  # nothing so old
            return None
        if start is not None and date < start:
            return None
        publication: Publication = self._by_date[date, path]
        return publication

    def freshness_files(self, when: datetime) -> dict[MirrorStatus, Publication]:
        """The file to ask a mirror for, for each status that can be told apart at `when`."""
        return choose_by_window(self.newest, when)

    def sample(self, chance: random.Random, older_than: datetime, max_bytes: int) -> Publication | None:
        """A small file that every mirror should have, by chance; None if a few looks find none."""
        end = (older_than, _LAST)
        for _ in range(_LOOKS):
            start = self._some_key(chance, older_than)
            # From there on, or else from the beginning: the last place must not be a blind one.
            for found in islice(chain(self._by_date.values(start, end), self._by_date.values(None, end)), 1):
                if found.sha256 and 0 < found.size <= max_bytes:
                    return cast("Publication", found)
        return None

    def _some_key(self, chance: random.Random, older_than: datetime) -> tuple[datetime, str]:
        """A place in the order by date: a moment by chance, and a letter of the pool, because a whole
        archive that was read at once has one date."""
        if not self._by_date:
            return older_than, _LAST
        (first, path), (last, _) = self._by_date.minKey(), self._by_date.maxKey()
        date = first + (min(last, older_than) - first) * chance.random()
        area = "/".join(path.split("/")[:2])
        return max(first, date), f"{area}/{chance.choice(ascii_lowercase)}"
