"""Failed log-ins slow down further ones.

Nothing sleeps: an attempt that comes too early is refused, and told when to come back.  Failures
are counted in this process alone and forgotten with it; n processes allow n times as much, which
the growing pauses make irrelevant.  In the tree they would let strangers write to the database.
"""

import ipaddress
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from librarian.people.credentials.interfaces import TooManyFailures


@dataclass(frozen=True, slots=True)
class Patience:
    """How many failures have no consequence, and how long the pauses after them grow."""

    free: int
    longest: timedelta


# PAIR is for a person with a forgotten password, ADDRESS for many names tried from one place, NAME for
# one name tried from many places; the last is mild, so that strangers cannot lock a person out.
PAIR = Patience(free=5, longest=timedelta(minutes=15))
ADDRESS = Patience(free=20, longest=timedelta(minutes=15))
NAME = Patience(free=50, longest=timedelta(seconds=30))

FORGIVEN_AFTER = timedelta(hours=1)
AT_MOST = 20_000  # counters; those touched longest ago go first


@dataclass(slots=True)
class _Counter:
    failures: int
    last: datetime


class Throttle:
    """Counts failures by name, by address, and by both."""

    def __init__(self) -> None:
        self._counters: OrderedDict[tuple[str, ...], _Counter] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._counters)

    def check(self, name: str, address: str, now: datetime) -> None:
        """Raises TooManyFailures while a pause lasts."""
        with self._lock:
            waits = [self._wait(key, patience, now) for key, patience in _keys(name, address)]
        longest = max(waits)
        if longest > timedelta(0):
            raise TooManyFailures(-int(-longest.total_seconds() // 1))

    def failed(self, name: str, address: str, now: datetime) -> None:
        with self._lock:
            for key, _patience in _keys(name, address):
                counter = self._counters.setdefault(key, _Counter(0, now))
                if now - counter.last >= FORGIVEN_AFTER:
                    counter.failures = 0
                counter.failures += 1
                counter.last = now
                self._counters.move_to_end(key)
            while len(self._counters) > AT_MOST:
                self._counters.popitem(last=False)

    def succeeded(self, name: str, address: str) -> None:
        """Forgive this name from this address; the address by itself is not forgiven, or an
        attacker would log in with an account of their own between the attempts."""
        with self._lock:
            self._counters.pop(_pair(name, address), None)

    def _wait(self, key: tuple[str, ...], patience: Patience, now: datetime) -> timedelta:
        counter = self._counters.get(key)
        if counter is None or counter.failures < patience.free:
            return timedelta(0)
        beyond = min(counter.failures - patience.free, 20)
        pause = min(timedelta(seconds=2**beyond), patience.longest)
        return counter.last + pause - now


def _pair(name: str, address: str) -> tuple[str, ...]:
    return ("pair", name, network(address))


def _keys(name: str, address: str) -> list[tuple[tuple[str, ...], Patience]]:
    return [
        (_pair(name, address), PAIR),
        (("address", network(address)), ADDRESS),
        (("name", name), NAME),
    ]


def network(address: str) -> str:
    """What counts as one place: an IPv4 address, or the /64 that one IPv6 customer has."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(ip), 64), strict=False))
    return str(ip)
