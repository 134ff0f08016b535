"""The state of a spool and its exchange: read from the disk, without a lock and without writing."""

import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from librarian.interfaces import one_line
from librarian.spool.interfaces import READ_LOCK, WRITE_LOCK, BadName, Kind, NotPrepared, SpoolError
from librarian.spool.model.filestore import check_prepared
from librarian.spool.model.ledger import Entry, LockNote, Stage, ledger_path, lines, local_lock_path
from librarian.spool.model.lock_holder import holder
from librarian.spool.model.names import check_remote_name, readable
from librarian.spool.model.report import LastRun, Outcome, read_record
from librarian.spool.settings import Target

SHOWN = 100  # files of each list; more are only counted

LEFT_BEHIND = (
    "Our lock file {lock!r} of {since} may still be on the server: its run ended without removing it."
    " The next run tries to remove it; as long as it is there, the partner is locked out."
)
HELD_BY_PARTNER = (
    "The lock file {lock!r} of another program was on the server at {at}."
    " The next run tries again; if it stays for long, ask the partner."
)
NOT_REMOVED = "was fetched, and had not been removed from the server when this was noted"

MADE_BY = {
    "export": "The first delivery makes it, or `librarian feed`.",
    "import": "`librarian import` makes it.",
}


@dataclass(frozen=True, slots=True)
class WaitingFile:
    """A file in `new`."""

    name: str
    size: int  # bytes
    since: datetime  # of its last change


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file that has arrived: at the partner, or with an import here."""

    name: str
    size: int | None  # bytes
    sha256: str | None  # hex
    at: str | None  # RFC 3339


@dataclass(frozen=True, slots=True)
class StuckFile:
    """A file that does not go over under its name."""

    name: str
    reason: str
    since: str | None  # RFC 3339, when that was last found; None: it has not been tried


@dataclass(frozen=True, slots=True)
class SpoolState:
    """A spool and its exchange at one moment.  Lists may be cut; the counts are of all."""

    waiting: tuple[WaitingFile, ...] = ()  # by name, without the stuck ones
    waiting_count: int = 0
    waiting_next: str | None = None  # what the first name that comes after those of `waiting` reads as
    sent: tuple[SentFile, ...] = ()  # the newest first
    stuck: tuple[StuckFile, ...] = ()  # by name
    stuck_count: int = 0
    last_run: LastRun | None = None
    lock: str = ""  # a sentence or two
    unreadable: int = 0  # lines of the ledger
    trouble: str | None = None  # why nothing is known


def read_state(kind: Kind, target: Target, most: int | None = SHOWN, start: str = "") -> SpoolState:
    """The state of the exchange with a target, with `most` files in each list (None: all), the waiting ones
    from the name that reads as `start` on.  What cannot be read is told in its `trouble`."""
    try:
        check_prepared(target.store_dir.absolute())
        return _read(kind, target, most, start)
    except NotPrepared as error:
        return SpoolState(trouble=f"{error}. {MADE_BY[kind]}")
    except (OSError, SpoolError) as error:
        return SpoolState(trouble=f"It cannot be read: {one_line(error)}")


def _read(kind: Kind, target: Target, most: int | None, start: str) -> SpoolState:
    path, new = ledger_path(kind, target), target.store_dir / "new"
    ledger, last_run = _LedgerSummary(path, most), read_record(path)
    waiting = sorted((entry.name for entry in os.scandir(new)), key=readable)
    stuck = list(
        _stuck_exports(new, waiting, ledger, last_run)
        if kind == "export"
        else _stuck_imports(ledger, last_run)
    )
    if kind == "export":
        waiting = _without(waiting, stuck)
    listed, following = _from(start, waiting, most)
    return SpoolState(
        waiting=tuple(_waiting(new, listed)),
        waiting_count=len(waiting),
        waiting_next=following,
        sent=tuple(reversed(ledger.sent)),
        stuck=tuple(stuck[:most]),
        stuck_count=len(stuck),
        unreadable=ledger.unreadable,
        last_run=last_run,
        lock=_lock_state(kind, holder(local_lock_path(kind, target)), ledger, last_run),
    )


class _LedgerSummary:
    """The sum of a ledger's lines; a ledger that is missing is empty."""

    def __init__(self, path: Path, most: int | None) -> None:
        self.sent: deque[SentFile] = deque(maxlen=most)  # the oldest first
        self.open: dict[str, Entry] = {}  # not closed yet, by name
        self.locks: dict[str, LockNote] = {}  # wanted on the server and not seen released, by nonce
        self.exists = path.exists()  # from the first run on
        self.unreadable = 0  # lines
        for record in lines(path):
            if record is None:
                self.unreadable += 1
            elif isinstance(record, LockNote):
                self.locks[record.nonce] = record
            elif isinstance(record, str):
                self.locks.pop(record, None)
            else:
                self._add(record)

    def _add(self, entry: Entry) -> None:
        if entry.stage is Stage.DELIVERED:
            self.sent.append(SentFile(entry.name, entry.size, entry.sha256, entry.at))
        if entry.stage is Stage.CLOSED:
            self.open.pop(entry.name, None)
        else:
            self.open[entry.name] = entry


def _without(names: list[str], stuck: list[StuckFile]) -> list[str]:
    apart = {file.name for file in stuck}
    return [name for name in names if name not in apart]


def _from(start: str, names: list[str], most: int | None) -> tuple[list[str], str | None]:
    """At most `most` of the sorted names, and what the one after them reads as, which is the next start."""
    rest = [name for name in names if readable(name) >= start]
    following = None if most is None or len(rest) <= most else readable(rest[most])
    return rest[:most], following


def _stuck_imports(ledger: _LedgerSummary, last_run: LastRun | None) -> list[StuckFile]:
    """The files on the server that the last run refused, and those that were fetched and are still there."""
    stuck = {
        name: StuckFile(name, NOT_REMOVED, entry.at)
        for name, entry in ledger.open.items()
        if entry.stage is Stage.DELIVERED
    }
    if last_run is not None:
        for name, reason in last_run.reasons.items():
            stuck[name] = StuckFile(name, reason, last_run.at)
    return [stuck[name] for name in sorted(stuck)]


def _stuck_exports(
    new: Path, names: list[str], ledger: _LedgerSummary, last_run: LastRun | None
) -> Iterator[StuckFile]:
    """The files in `new` that cannot be sent under their names, or that the server has refused."""
    reasons = last_run.reasons if last_run else {}
    for name in names:
        entry = ledger.open.get(name)
        if (reason := _why_never(new, name)) is not None:
            yield StuckFile(name, reason, None)
        elif entry is not None and entry.stage is Stage.STUCK:
            yield StuckFile(name, entry.reason or "the server refuses the name", entry.at)
        elif name in reasons and last_run is not None:
            yield StuckFile(name, reasons[name], last_run.at)


def _why_never(new: Path, name: str) -> str | None:
    """Why an export refuses this file before it asks the server; None if it does not."""
    try:
        check_remote_name(name)
        if not stat.S_ISREG((new / name).lstat().st_mode):
            raise BadName(name, "is not a regular file")
    except BadName as error:
        return str(error)
    except FileNotFoundError:  # sent since, or taken back
        return None
    return None


def _waiting(new: Path, names: list[str]) -> Iterator[WaitingFile]:
    for name in names:
        try:
            found = (new / name).lstat()
        except FileNotFoundError:  # gone since the names were read
            continue
        yield WaitingFile(name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def _lock_state(kind: Kind, process: int | None, ledger: _LedgerSummary, last_run: LastRun | None) -> str:
    name = WRITE_LOCK if kind == "export" else READ_LOCK
    locks = ledger.locks
    since = next(iter(locks.values())).at if locks else ""
    if process is not None:
        held = f" and holds the lock file {name!r} on the server since {since}" if locks else ""
        return f"An {kind} is running (process {process}){held}."
    if locks:
        return LEFT_BEHIND.format(lock=name, since=since)
    if last_run is None and ledger.exists:
        return f"No lock of ours is held; how the last {kind} ended is not on record."
    if last_run is None:
        return f"No {kind} has run yet."
    if last_run.outcome is Outcome.POSTPONED:
        return HELD_BY_PARTNER.format(lock=last_run.lock, at=last_run.at)
    return "No lock is held."
