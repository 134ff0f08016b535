"""What clients were told, over time, and what may therefore be found at a moment."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

GONE = (
    ""  # the state of what is not there; others are the SHA-256 in hex, of a tracker's file with its version
)


class Key(NamedTuple):
    """Where something is read: an endpoint or system, and the path there."""

    kind: str  # "public", "restricted", "tracker", "tree" or "partner"
    path: str


@dataclass
class Change:
    """What a client asked for.  Times are those of time.monotonic()."""

    state: str
    begun: float
    ended: float | None = None  # None: never answered, so it may have happened or not


@dataclass
class Ledger:
    """All changes.  Each key belongs to one client, which waits for an answer before it asks for the next."""

    changes: dict[Key, list[Change]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, key: Key, state: str, begun: float) -> None:
        """Something new was acknowledged."""
        with self._lock:
            self.changes.setdefault(key, []).append(Change(state, begun, time.monotonic()))

    @contextmanager
    def changing(self, *wanted: tuple[Key, str]) -> Iterator[list[Change]]:
        """The request for changes that are one step.

        A `with` that ends well acknowledges them, and one that raises leaves them unanswered.  Where it
        empties the list, the request was refused, and nothing happened.
        """
        begun = time.monotonic()
        made = [(key, Change(state, begun)) for key, state in wanted]
        with self._lock:
            for key, change in made:
                self.changes.setdefault(key, []).append(change)
        left = [change for _key, change in made]
        yield left
        ended = time.monotonic()
        with self._lock:
            for key, change in made:
                if left:
                    change.ended = ended
                else:
                    self.changes[key].remove(change)

    def acceptable(self, key: Key, begun: float, ended: float) -> set[str]:
        """The states that a reading between these times may find."""
        with self._lock:
            return _acceptable(self.changes.get(key, []), begun, ended)

    def all_keys(self) -> list[Key]:
        """Everything that was ever acknowledged or asked for."""
        with self._lock:
            return list(self.changes)

    def copied(self) -> "Ledger":
        """The same, at this moment."""
        with self._lock:
            return Ledger({key: list(changes) for key, changes in self.changes.items()})


def _acceptable(changes: list[Change], begun: float, ended: float) -> set[str]:
    found = {GONE}
    for change in changes:
        if change.ended is not None and change.ended <= begun:
            found = {change.state}
        elif change.begun < ended:
            found.add(change.state)
    return found
