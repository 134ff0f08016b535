"""What the objects of `test_threads` work with."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from librarian.library.quotas.interfaces import Limit, UseJustCounted
from librarian.library.quotas.rules import QuotaRules
from librarian.library.upkeep.verifying import VerifiedReads
from librarian.library.uploads.pieces import Most, Piece
from librarian.store.moving.copying import Copying

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UNUSED: Any = None


def copying(spend: Callable[[int], object] = lambda count: None) -> Copying:
    """A removal from nowhere to nowhere."""
    return Copying(UNUSED, UNUSED, spend=spend)


class Clock:
    """A wall clock and a monotonic one that go alike, a second from look to look; step() sets the first."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._stepped = timedelta(0)

    def monotonic(self) -> float:
        """Seconds."""
        self._seconds += 0.001
        return self._seconds

    def now(self) -> datetime:
        """The time of day."""
        return NOW + timedelta(seconds=self._seconds) + self._stepped

    def step(self) -> None:
        """An hour ahead."""
        self._stepped += timedelta(hours=1)


class Partial:
    """A partial upload that notes what is done with it."""

    def __init__(self) -> None:
        self.size = 0
        self.done: list[str] = []

    def write(self, _data: bytes) -> None:
        """Nothing is kept."""
        self.done.append("write")

    def settle(self) -> None:
        """It is durable."""
        self.done.append("settle")

    def close(self) -> None:
        """The next request has it."""


def piece() -> Piece:
    """A piece of an upload; its partial notes what is done."""
    partial: Any = Partial()
    return Piece(partial, Most(None), {}, lambda _piece: None)


class Polled:
    """A database of RelStorage's kind that notes what it is asked."""

    ASKED = ("sync", "poll", "last", "after")

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._mvcc_storage = self

    def new_instance(self) -> "Polled":
        """Itself."""
        self.asked.append("new")
        return self

    def _connectionMap(self, work: Callable[[Any], object]) -> None:
        """There is no connection."""

    def sync(self) -> None:
        """Begin."""
        self.asked.append("sync")

    def poll_invalidations(self) -> list[bytes]:
        """Nothing has changed."""
        self.asked.append("poll")
        return []

    def lastTransaction(self) -> bytes:
        """The first."""
        self.asked.append("last")
        return b"1" * 8

    def afterCompletion(self) -> None:
        """End."""
        self.asked.append("after")

    def tpc_finish(self) -> bytes:
        """Nothing is committed."""
        return b"1" * 8


class Reads(VerifiedReads):
    """Notes what would be verified."""

    def __init__(self) -> None:
        super().__init__()
        self.enqueued: list[str] = []

    def _enqueue(self, work: Any, store: Any, sha256: str) -> bool:
        self.enqueued.append(sha256)
        return True


class Rules(QuotaRules):
    """Rules of quotas that note how often all is counted."""

    def __init__(self) -> None:
        tree: Any = SimpleNamespace(run_independently=lambda work: work())
        super().__init__(tree, UNUSED, UNUSED)
        self.counted = 0

    @property
    def _defaults(self) -> tuple[Limit, Limit]:
        return Limit(1, None), Limit(None, None)

    def _is_counted(self, owner: str, is_for_everyone: bool) -> bool:
        return bool(self.counted)

    def begin(self, owner: str | None, for_everyone: bool) -> None:
        """Nothing is stored."""

    def count(self, progress: Callable[[int], object] = lambda seen: None) -> int:
        """As often as it is asked for."""
        self.counted += 1
        return 0

    def require_counted(self) -> None:
        """As an upload does."""
        try:
            self._require_counted("person:amy", [])
        except UseJustCounted:
            pass


class Connection:
    """One of psycopg2's, as far as its descriptor."""

    def fileno(self) -> int:
        """Any that is open."""
        return self._file

    def __init__(self) -> None:
        self._file = os.open(os.devnull, os.O_RDONLY)

    def __del__(self) -> None:
        os.close(self._file)


def adapter() -> Any:
    """RelStorage's, with connections to nothing."""
    module = SimpleNamespace(Error=OSError)
    driver = SimpleNamespace(
        get_driver_module=lambda: module, connect=lambda _dsn: Connection(), Binary=bytes
    )
    mover = SimpleNamespace(make_batcher=None)
    connections = SimpleNamespace(driver=driver)
    return SimpleNamespace(connmanager=connections, driver=driver, mover=mover, keep_history=False, _dsn="")
