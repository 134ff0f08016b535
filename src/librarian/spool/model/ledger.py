"""The ledger: facts of an exchange that must survive a crash.

One file for each partner, appended to, one JSON object a line.  It answers three questions that
neither the spool nor the server can answer: is the lock over there one of ours; had this file been
given its final name when we died; and, months later, what arrived when.
"""

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Self, TypeVar

from librarian.durable import sync_directory
from librarian.interfaces import IClock
from librarian.spool.interfaces import Kind
from librarian.spool.settings import Target

log = logging.getLogger(__name__)

OUR_FOLDER = ".librarian"  # in the spool, beside tmp, new and cur: ledgers, records and local locks
COMPACT_ABOVE = 8 * 1024 * 1024  # bytes
DELIVERIES_KEPT = 10_000  # by a compaction


def ledger_path(kind: Kind, target: Target) -> Path:
    """The path of the ledger of this spool's exchange with this partner."""
    return target.store_dir.absolute() / OUR_FOLDER / f"{kind}-{target.key}.jsonl"


def local_lock_path(kind: Kind, target: Target) -> Path:
    """The file that a run of this kind has locked (flock(2)) while it is at work on this spool."""
    return target.store_dir.absolute() / OUR_FOLDER / f"{kind}.lock"


class Stage(StrEnum):
    """The progress of a file."""

    BEGUN = "begun"  # part of it may be at the other side, under the temporary name
    PUBLISHING = "publishing"  # whole and verified; the rename has been or will be asked for
    DELIVERED = "delivered"  # under its final name; our own copy has yet to be put away
    STUCK = "stuck"  # the other side will not have it under this name; nothing of it is there
    CLOSED = "closed"  # nothing left to do


@dataclass(frozen=True, slots=True)
class Entry:
    """One file on its way.  `identity` tells two files of one name apart."""

    name: str
    identity: str
    temp: str  # its temporary name where it is going
    stage: Stage = Stage.BEGUN
    size: int | None = None  # bytes
    sha256: str | None = None  # hex
    at: str | None = None  # RFC 3339, when this was written
    reason: str | None = None  # why it is stuck


@dataclass(frozen=True, slots=True)
class LockNote:
    """A lock file of ours.  `held` once it has been read back as ours; before that it may be cut short."""

    nonce: str
    text: str  # what the lock file begins with if it is this one
    at: str  # RFC 3339
    held: bool = False


N = TypeVar("N", Entry, LockNote)


class Ledger:
    """The ledger of one spool with one partner; only the holder of the local lock opens it."""

    def __init__(self, path: Path, clock: IClock) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {}
        self.locks: dict[str, LockNote] = {}  # by nonce: wanted, and not seen released
        self._clock = clock
        path.parent.mkdir(exist_ok=True)
        self._replay()
        if path.exists() and path.stat().st_size > COMPACT_ABOVE:
            self._compact()
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self._mend_tail()
        sync_directory(path.parent)

    def close(self) -> None:
        """Make everything durable and close the file."""
        os.fsync(self._fd)
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def note(self, entry: Entry, stage: Stage, *, durable: bool = False, **facts: Any) -> Entry:
        """Write that `entry` has reached `stage`; with `durable`, return only when that will last."""
        entry = replace(entry, stage=stage, at=self._clock.now().isoformat(), **facts)
        self._append({"event": "file", **_facts(entry)}, durable=durable)
        self._apply(entry)
        return entry

    def note_lock(self, lock: LockNote) -> None:
        """Write, durably, that this lock is ours if it is found on the server."""
        self.locks[lock.nonce] = lock
        self._append({"event": "lock", **_facts(lock)}, durable=True)

    def forget_lock(self, nonce: str) -> None:
        """Write that the server no longer has that lock."""
        if self.locks.pop(nonce, None) is not None:
            self._append({"event": "unlock", "nonce": nonce}, durable=False)

    def _append(self, record: dict[str, Any], *, durable: bool) -> None:
        os.write(self._fd, _line(record))
        if durable:
            os.fdatasync(self._fd)

    def _apply(self, entry: Entry) -> None:
        if entry.stage is Stage.CLOSED:
            self.entries.pop(entry.name, None)
        else:
            self.entries[entry.name] = entry

    def _replay(self) -> None:
        for record in records(self.path):
            if isinstance(record, Entry):
                self._apply(record)
            elif isinstance(record, LockNote):
                self.locks[record.nonce] = record
            else:
                self.locks.pop(record, None)

    def _mend_tail(self) -> None:
        """End a last line that a crash has cut short, so that the next record begins on a new line."""
        size = os.fstat(self._fd).st_size
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            os.write(self._fd, b"\n")

    def _compact(self) -> None:
        unclosed = dict.fromkeys(self.entries.values())
        # Each delivery is written once, since every line of one counts as a file.
        arrived = list(dict.fromkeys(deliveries(self.path)))
        recent = set(arrived[-DELIVERIES_KEPT:])
        fresh = self.path.with_suffix(".fresh")
        with fresh.open("wb") as file:
            for entry in arrived:
                if entry in recent or entry in unclosed:
                    file.write(_line({"event": "file", **_facts(entry)}))
                if entry in recent and entry not in unclosed:
                    file.write(_line({"event": "file", **_facts(replace(entry, stage=Stage.CLOSED))}))
            for entry in unclosed:
                if entry.stage is not Stage.DELIVERED:
                    file.write(_line({"event": "file", **_facts(entry)}))
            for lock in self.locks.values():
                file.write(_line({"event": "lock", **_facts(lock)}))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)


def deliveries(path: Path) -> Iterator[Entry]:
    """The files that arrived by a ledger, oldest first: the proof of delivery, as far back as it is kept."""
    for record in records(path):
        if isinstance(record, Entry) and record.stage is Stage.DELIVERED:
            yield record


def records(path: Path) -> Iterator[Entry | LockNote | str]:
    """Every line, oldest first: a file's, a lock's, or the nonce of a lock that is gone."""
    for number, record in enumerate(lines(path), 1):
        if record is None:
            log.warning("ledger line is unreadable file=%s line=%s", path, number)
        else:
            yield record


def lines(path: Path) -> Iterator[Entry | LockNote | str | None]:
    """The same, with None for a line that cannot be read: a crash has cut it short, or it is damaged."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                yield _parsed(json.loads(line))
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                yield None


def _facts(note: Entry | LockNote) -> dict[str, Any]:
    """The same as dataclasses.asdict, without its copying, which takes longer than writing the line."""
    return {field.name: getattr(note, field.name) for field in fields(note)}


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def _parsed(record: dict[str, Any]) -> Entry | LockNote | str:
    facts = {key: value for key, value in record.items() if key != "event"}
    if record["event"] == "file":
        return _sound(Entry(**{**facts, "stage": Stage(facts["stage"])}))
    if record["event"] == "lock":
        return _sound(LockNote(**facts))
    return str(record["nonce"])


def _sound(note: N) -> N:
    """The note, if its fields are of the kinds they are declared with.  Raises TypeError."""
    for each in fields(note):
        kind: Any = each.type  # a class or a union; a string only where annotations are put off
        if not isinstance(getattr(note, each.name), kind):
            raise TypeError(f"{each.name} is not what it should be")
    return note
