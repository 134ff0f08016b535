"""Stored counts of downloads, by day and country, and the position up to which each log was read."""

from collections.abc import Iterator
from datetime import date
from hashlib import sha256

from BTrees.LLBTree import LLBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent

from librarian.library.interfaces import LogReadTwice

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
        """The number of downloads on a day from a country (two letters; None: not known)."""
        found: int = self._counts.get(_key(day, country), 0)
        return found

    def rows(self) -> Iterator[tuple[date, str | None]]:
        """Each day and country that has a count, in that order."""
        return map(_day_and_country, self._counts.keys())

    @property
    def last_day(self) -> date | None:
        """The newest day with a download; None without any."""
        return _day_and_country(self._counts.maxKey())[0] if self._counts else None


class LogPlace(Persistent):
    """The position in one log: bytes, as it is uncompressed, and a digest of the last ones before it."""

    def __init__(self) -> None:
        self.position = 0
        self.mark = b""

    def move(self, before: int, position: int, mark: bytes) -> None:
        """Raises LogReadTwice where another run has read on since the place was at `before`."""
        if self.position != before:
            raise LogReadTwice()
        self.position, self.mark = position, mark


class LogPlaces(Persistent):
    """The position in every log.  A log is known by its first line and by its place's mark:
    the logs of two servers may well begin with the same line."""

    def __init__(self) -> None:
        self._places = OOBTree()  # digest of the first line -> LogPlaces, in a tuple

    def known(self, first_line: bytes) -> tuple[LogPlace, ...]:
        """The places of the logs with this first line."""
        found: tuple[LogPlace, ...] = self._places.get(sha256(first_line).digest(), ())
        return found

    def add(self, first_line: bytes) -> LogPlace:
        """A new log, of which nothing is read."""
        place = LogPlace()
        self._places[sha256(first_line).digest()] = (*self.known(first_line), place)
        return place


def _key(day: date, country: str | None) -> int:
    return day.toordinal() << _COUNTRY_BITS | int.from_bytes((country or "").encode("ascii"))


def _day_and_country(key: int) -> tuple[date, str | None]:
    letters = (key & 0xFFFF).to_bytes(2).decode("ascii")
    return date.fromordinal(key >> _COUNTRY_BITS), None if letters == "\0\0" else letters
