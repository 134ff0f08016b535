"""Failed log-ins slow down further ones.

Nothing sleeps: an attempt that comes too early is refused with the time to wait, and writes nothing.
Failures are counted by name, by address and by both.

The library `limits` was considered.  It counts in windows, so that a person who mistypes a password five
times would wait for the rest of a window and not one second; it does not let pauses grow; and the storages
it has are the memory of one process or a server such as Redis.  What would be left of it is a counter.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, IPv6Network

from librarian.net.networks import parse_address
from librarian.people.credentials.interfaces import (
    Counts,
    FailureCount,
    FailureKey,
    IFailureCounts,
    TooManyFailures,
)


@dataclass(frozen=True, slots=True)
class Patience:
    """The number of failures without a consequence, and the growth of the pauses after them."""

    free: int
    longest: timedelta


# PAIR is for a person with a forgotten password, ADDRESS for many names tried from one place, NAME for
# one name tried from many places; the last is mild, so that strangers cannot lock a person out.
PAIR = Patience(free=5, longest=timedelta(minutes=15))
ADDRESS = Patience(free=20, longest=timedelta(minutes=15))
NAME = Patience(free=50, longest=timedelta(seconds=30))


class Throttle:
    """Counts failures by name, by address, and by both; `counts` keeps the numbers."""

    def __init__(self, counts: IFailureCounts) -> None:
        self._counts = counts

    def check(self, name: str, address: str, now: datetime) -> None:
        """Raises TooManyFailures while a pause lasts."""
        keys = failure_keys(name, address)
        _require(max(_wait(self._counts.get(key), patience, now) for key, patience in keys))

    def begin(self, name: str, address: str, now: datetime) -> Counts:
        """Count an attempt as failed until succeeded() is called with what this gives.

        Of attempts at the same time, in whatever process, exactly as many begin as may fail.  Raises
        TooManyFailures while a pause lasts.
        """
        patience = dict(failure_keys(name, address))

        def check(counts: Counts) -> None:
            _require(max(_wait(count, patience[key], now) for key, count in counts.items()))

        return self._counts.add(list(patience), now, check)

    def succeeded(self, name: str, address: str, now: datetime, before: Counts) -> None:
        """The attempt that began at `now` did not fail; forget the failures of `name` from `address`.

        Those of the address alone stay, or an attacker would log in to another account between attempts.
        """
        self._counts.take_back(before, now, _pair(name, address))


def _wait(count: FailureCount | None, patience: Patience, now: datetime) -> timedelta:
    if count is None or count.number < patience.free:
        return timedelta(0)
    beyond = min(count.number - patience.free, 20)
    pause = min(timedelta(seconds=2**beyond), patience.longest)
    return count.last + pause - now


def _require(wait: timedelta) -> None:
    if wait > timedelta(0):
        raise TooManyFailures(-int(-wait.total_seconds() // 1))


def _pair(name: str, address: str) -> FailureKey:
    return ("pair", name, network(address))


def failure_keys(name: str, address: str) -> list[tuple[FailureKey, Patience]]:
    """What is counted of an attempt for `name` from `address`, and the patience with each."""
    return [
        (_pair(name, address), PAIR),
        (("address", network(address)), ADDRESS),
        (("name", name), NAME),
    ]


def network(address: str) -> str:
    """The network that failures are counted for: an IPv4 address, or the /64 that one IPv6 customer has."""
    ip = parse_address(address)
    if isinstance(ip, IPv6Address):
        return str(IPv6Network((int(ip), 64), strict=False))
    return "unknown" if ip is None else str(ip)
