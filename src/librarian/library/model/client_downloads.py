"""Stored record of the bytes of a file that a client was sent under one use of a token.

A use of a token is one download by one client: in any order, in any number of pieces, and each byte a
second time in case a piece arrived broken.  What was counted and not sent, because the connection ended, may
be asked for again.  So may the end of what was sent, which the network may have lost; in all that is at most
as many bytes as the file has.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import pairwise

# How often a byte is sent under one use: once, and once more for repair.
MOST_TIMES = 2
# For how long after the latest piece a piece is sent a second time.
REPAIR = timedelta(hours=1)
# A download in more separate stretches than this is refused; pieces that touch make one stretch.
MOST_STRETCHES = 1000

# How much of what the server's socket took may not have reached a client whose connection broke: Linux lets
# a sender's buffer grow to 4 MiB and a receiver's to 6 (tcp(7), tcp_wmem and tcp_rmem).
IN_FLIGHT = 10 << 20  # bytes

Piece = tuple[int, int]  # first byte, first byte after it
Stretch = tuple[int, int, int]  # a piece, and how often it was given


def client_key(address: str, agent: str) -> str:
    """16 hex digits of a digest of address and User-Agent, by which clients are told apart."""
    return sha256(f"{address}\n{agent}".encode("utf-8", "surrogateescape")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class ClientDownload:
    """The state of one use: an immutable value, stored with its token."""

    use: int  # which use of the token it is, from 1
    size: int  # bytes of the file
    latest: datetime  # when something was given, or known to be lost
    given: tuple[Stretch, ...] = ()  # in order, apart from each other or of different number
    sent: tuple[Stretch, ...] = ()  # the same, with what the network may have lost
    forgiven: int = 0  # bytes that are in `sent` and were taken from `given`

    def unfinished(self, now: datetime) -> bool:
        """Whether anything may still be asked for."""
        return not self._all_sent or now - self.latest <= REPAIR

    def allows(self, pieces: Iterable[Piece], now: datetime) -> bool:
        """Whether `pieces` belong to this download; the whole file anew, once all was sent, does not."""
        wanted = list(pieces)
        if self._all_sent and wanted == [(0, self.size)]:
            return False
        after = _with(self.given, wanted, 1)
        if len(after) > MOST_STRETCHES or any(times > MOST_TIMES for _start, _stop, times in after):
            return False
        repairs = _given_bytes(after) < _given_bytes(self.given) + sum(b - a for a, b in wanted)
        return not repairs or now - self.latest <= REPAIR

    def give(self, pieces: Iterable[Piece], now: datetime) -> "ClientDownload":
        """The download with these pieces given once more at `now`."""
        wanted = list(pieces)
        return replace(self, given=_with(self.given, wanted, 1), sent=_with(self.sent, wanted, 1), latest=now)

    def take_back(self, unsent: Piece, in_flight: int, now: datetime) -> "ClientDownload":
        """`unsent` was announced and not sent, nor, perhaps, did the `in_flight` bytes before it arrive."""
        lost = min(in_flight, self.size - self.forgiven)
        return replace(
            self,
            given=_with(self.given, [(unsent[0] - lost, unsent[1])], -1),
            sent=_with(self.sent, [unsent], -1),
            forgiven=self.forgiven + lost,
            latest=now,
        )

    @property
    def _all_sent(self) -> bool:
        return _given_bytes(self.sent) >= self.size


def _given_bytes(given: Iterable[Stretch]) -> int:
    """The number of bytes that were sent at least once."""
    return sum(stop - start for start, stop, _times in given)


def _with(given: Iterable[Stretch], pieces: Iterable[Piece], change: int) -> tuple[Stretch, ...]:
    """`given`, with `change` more times of each piece."""
    steps: dict[int, int] = defaultdict(int)
    for start, stop, times in (*given, *((start, stop, change) for start, stop in pieces)):
        steps[start] += times
        steps[stop] -= times
    edges = sorted(edge for edge, step in steps.items() if step)
    stretches, times = [], 0
    for start, stop in pairwise(edges):
        times += steps[start]
        if times > 0:
            stretches.append((start, stop, times))
    return tuple(stretches)
