"""The publications of an archive with their times: a probe asks for files of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent

from librarian.mirrors.enums import MirrorStatus, PublicationKind
from librarian.mirrors.freshness import choose_by_window

#: The date of files that were there when an archive was first read: older than any window can reach.
BEFORE_RECORDS = datetime(1970, 1, 1, tzinfo=UTC)

_LAST = "\U0010ffff"  # sorts after every path
_OF_ONE_DATE = 200


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
    """The files that are published in one part at present."""

    udebs_asked = False  # whether mirrors are asked for udebs: in the sections of the installer alone
    read_before = False  # whether an index was read already, so that what is new is new
    _tarballs_by_date: OOBTree | None = None  # (date, path) -> Publication

    def __init__(self, *, udebs_asked: bool = False) -> None:
        if udebs_asked:
            self.udebs_asked = True
        self._by_path = OOBTree()  # path -> Publication
        self._by_date = OOBTree()  # (date, path) -> Publication, of what is asked for but tarballs
        self._numbered = LOBTree()  # number -> path, of files that are asked for
        self._numbers = OOBTree()  # path -> number

    def __len__(self) -> int:
        return len(self._by_path)

    def __iter__(self) -> Iterator[Publication]:
        return iter(self._by_path.values())

    def get(self, path: str) -> Publication | None:
        """The publication of a path from the archive's root, or None."""
        return self._by_path.get(path)

    def add(self, publication: Publication) -> None:
        """Note a publication; one that is known keeps its date."""
        if publication.path not in self._by_path:
            self._by_path[publication.path] = publication
            if self._is_asked(publication):
                self._dated(publication.kind)[publication.date, publication.path] = publication
                self._number(publication.path)

    def remove(self, path: str) -> None:
        """The file was superseded: no mirror is asked for it any more."""
        publication = self._by_path.pop(path, None)
        if publication is not None:
            self._dated(publication.kind).pop((publication.date, path), None)
            if self._is_asked(publication):
                self._give_up_number(path)

    def _is_asked(self, publication: Publication) -> bool:
        """Whether mirrors that carry this part are asked for the file."""
        return self.udebs_asked or publication.kind is not PublicationKind.UDEB

    def _dated(self, kind: PublicationKind) -> OOBTree:
        """The index by date for files of this kind.  Tarballs do not tell how fresh a mirror is: one that
        came with an earlier version may have been there before."""
        if kind is not PublicationKind.TARBALL:
            return self._by_date
        if self._tarballs_by_date is None:
            self._tarballs_by_date = OOBTree()
        return self._tarballs_by_date

    def paths(self) -> set[str]:
        """The paths of all publications, from the archive's root."""
        return set(self._by_path)

    def published_between(self, start: datetime, end: datetime) -> list[Publication]:
        """Everything in the period, edges included, asked for or not, oldest first."""
        found = [each for each in self if start <= each.date <= end]
        return sorted(found, key=lambda each: (each.date, each.path))

    def newest(self, start: datetime | None, end: datetime) -> Publication | None:
        """The newest one at or before `end` and at or after `start`.

        Tarballs are left out, and udebs outside the sections of the installer.
        """
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

    def newest_files(self, when: datetime, count: int) -> list[Publication]:
        """The newest published at or before `when`, at least `count` if there are so many.

        What has one date comes together, for none of it is newer; of a large archive that was read at once
        only a first part, as it has no newest files.
        """
        return [
            *_newest_of(self._by_date, when, count),
            *_newest_of(self._tarballs_by_date or OOBTree(), when, count),
        ]

    # -- by number: one after the other without a gap, so that each is drawn as likely as any

    @property
    def file_count(self) -> int:
        """The number of files that samples are drawn from, for a mirror that carries this."""
        return 0 if not self._numbered else self._numbered.maxKey() + 1

    def numbered(self, number: int) -> Publication:
        """The file of this number, from 0 to `file_count` without it."""
        publication: Publication = self._by_path[self._numbered[number]]
        return publication

    def _number(self, path: str) -> None:
        self._numbers[path] = number = self.file_count
        self._numbered[number] = path

    def _give_up_number(self, path: str) -> None:
        """The last one takes the place that becomes free."""
        free, last = self._numbers.pop(path), self.file_count - 1
        moved = self._numbered.pop(last)
        if free != last:
            self._numbered[free] = moved
            self._numbers[moved] = free

    def number_all(self) -> None:
        """Number what was published before there were numbers."""
        self._numbered, self._numbers = LOBTree(), OOBTree()
        for path, publication in self._by_path.items():
            if self._is_asked(publication):
                self._number(path)


def _newest_of(by_date: OOBTree, when: datetime, count: int) -> list[Publication]:
    found: list[Publication] = []
    end = (when, _LAST)
    while len(found) < count:
        try:
            date, _path = by_date.maxKey(end)
        except ValueError:  # nothing older
            break
        found += islice(by_date.values((date, ""), (date, _LAST)), _OF_ONE_DATE)
        end = (date, "")
    return found
