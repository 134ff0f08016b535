"""How often a file was downloaded, by day and country, as the tree keeps it."""

from collections.abc import Iterator
from datetime import date

from BTrees.LLBTree import LLBTree
from persistent import Persistent

_COUNTRY_BITS = 16  # two capital letters; 0: no country is known


class DownloadCounts(Persistent):
    """The counts of one file: a number for each day and country there was a download from."""

    def __init__(self) -> None:
        self.total = 0
        self._counts = LLBTree()  # day and country in one number -> count

    def add(self, day: date, country: str | None, count: int) -> None:
        """`country` is an alpha-2 code in capitals, or None."""
        key = _key(day, country)
        self._counts[key] = self._counts.get(key, 0) + count
        self.total += count

    def count(self, day: date, country: str | None) -> int:
        found: int = self._counts.get(_key(day, country), 0)
        return found

    def rows(self) -> Iterator[tuple[date, str | None]]:
        """Each day and country that has a count, in that order."""
        return map(_day_and_country, self._counts.keys())

    @property
    def last_day(self) -> date | None:
        return _day_and_country(self._counts.maxKey())[0] if self._counts else None


def _key(day: date, country: str | None) -> int:
    return day.toordinal() << _COUNTRY_BITS | int.from_bytes((country or "").encode("ascii"))


def _day_and_country(key: int) -> tuple[date, str | None]:
    letters = (key & 0xFFFF).to_bytes(2).decode("ascii")
    return date.fromordinal(key >> _COUNTRY_BITS), None if letters == "\0\0" else letters
