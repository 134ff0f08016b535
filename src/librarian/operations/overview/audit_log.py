"""The audit log, read from its end: the newest line first, a page at a time.

A position is the number of a file on its disk (the inode) and an offset in it, so it stays right when the log
is rotated, by renaming.  Files that were packed by the rotation are left out.
"""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from librarian.operations.interfaces import AuditPage, AuditQuestion, BadAuditQuestion

LINES = 50  # on a page
MOST_READ = 4 << 20  # bytes for a page
MOST_COUNTED = 1 << 20
BLOCK = 1 << 16
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
LONGEST_POSITION = 40  # characters

PACKED = frozenset((".gz", ".bz2", ".xz", ".zst"))
OF_FILES = ("filename", "path", "before", "name", "sha256")  # facts that the filter `file` looks into


class Wanted(NamedTuple):
    """A question, understood."""

    who: str
    what: str
    file: str
    since: datetime | None
    until: datetime | None

    def is_met_by(self, line: dict[str, Any]) -> bool:
        """Whether a line of the log is asked for."""
        if self.who and line.get("by") not in (self.who, f"person:{self.who}"):
            return False
        if self.what and self.what not in str(line.get("event", "")).lower():
            return False
        if self.until is not None and _moment_of(line) >= self.until:
            return False
        return not self.file or self._is_of_file(line)

    def _is_of_file(self, line: dict[str, Any]) -> bool:
        if self.file in (str(line.get("alias")), str(line.get("original"))):
            return True
        return any(self.file in str(line[name]).lower() for name in OF_FILES if name in line)


def read_page(path: str, question: AuditQuestion) -> AuditPage:
    """The page that is asked for, of the log at `path`.  Raises BadAuditQuestion."""
    wanted = _understood(question)
    if not path:
        return AuditPage([], "", "")
    found: list[dict[str, Any]] = []
    position, spent = "", 0
    for position, size, line in _lines(Path(path), _position(question.before)):
        spent += size
        if line is not None:
            if wanted.since is not None and _moment_of(line) < wanted.since:
                return AuditPage(found, "", path)
            if wanted.is_met_by(line):
                found.append(line)
        if len(found) == LINES or spent >= MOST_READ:
            return AuditPage(found, position, path)
    return AuditPage(found, "", path)


def refused_log_ins(path: str, since: datetime) -> int | None:
    """How many log-ins were refused since then; of a very busy log the last MOST_COUNTED bytes are read."""
    if not path:
        return None
    found = spent = 0
    for _position_of, size, line in _lines(Path(path), None):
        spent += size
        if spent > MOST_COUNTED or (line is not None and _moment_of(line) < since):
            break
        found += line is not None and line.get("event") == "log-in refused"
    return found


def _understood(question: AuditQuestion) -> Wanted:
    return Wanted(
        question.who.strip(),
        question.what.strip().lower(),
        question.file.strip().lower(),
        _moment(question.since, "since", timedelta(0)),
        _moment(question.until, "until", timedelta(days=1)),
    )


def _moment(stated: str, name: str, of_a_date: timedelta) -> datetime | None:
    """A time as people state it; of a date its beginning and `of_a_date`.  Raises BadAuditQuestion."""
    if not stated.strip():
        return None
    try:
        found = datetime.fromisoformat(stated.strip())
        if found.time() == time() and len(stated.strip()) <= len("2026-01-01"):
            found += of_a_date
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError:  # before the first or behind the last moment that can be told
        return LAST if "9999" in stated else FIRST
    except ValueError:
        raise BadAuditQuestion(name, "a date or a time such as 2026-01-31 or 2026-01-31T12:00") from None


def _moment_of(line: dict[str, Any]) -> datetime:
    """When an event happened; the beginning of all time for a line that does not say."""
    try:
        return datetime.fromisoformat(line["time"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        return FIRST


def _position(stated: str) -> tuple[int, int] | None:
    if not stated:
        return None
    inode, _, offset = stated.partition("-")
    parts_fit = all(part.isascii() and part.isdigit() for part in (inode, offset))
    if not parts_fit or len(stated) > LONGEST_POSITION:
        raise BadAuditQuestion("before", "the position that a page gives")
    return int(inode), int(offset)


def _lines(path: Path, before: tuple[int, int] | None) -> Iterator[tuple[str, int, dict[str, Any] | None]]:
    """Position, length and content of each line, the newest first; None for what is no JSON object."""
    for file, inode in _files(path):
        if before is not None and inode != before[0]:
            continue  # newer than the position
        end = None if before is None else before[1]
        before = None
        try:
            with file.open("rb") as log:
                for offset, data in backwards(log, end):
                    yield f"{inode}-{offset}", len(data) + 1, _parsed(data)
        except FileNotFoundError:
            continue  # rotated away meanwhile


def _files(path: Path) -> list[tuple[Path, int]]:
    """The log and its former files, with their inodes, the newest first."""
    found = []
    for each in path.parent.glob(f"{path.name}*") if path.parent.is_dir() else ():
        if each.suffix not in PACKED and each.is_file():
            status = each.stat()
            found.append((each != path, -status.st_mtime, each, status.st_ino))
    return [(each, inode) for _is_former, _age, each, inode in sorted(found)]


def backwards(file: BinaryIO, end: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of each line that is not empty before `end`, by default the file's, the last first."""
    position = file.seek(0, os.SEEK_END)
    position = position if end is None else min(end, position)
    rest = b""
    while position > 0:
        size = min(BLOCK, position)
        position -= size
        file.seek(position)
        first, *lines = (file.read(size) + rest).split(b"\n")
        offset = position + len(first) + 1
        starts = []
        for line in lines:
            starts.append((offset, line))
            offset += len(line) + 1
        yield from ((start, line) for start, line in reversed(starts) if line)
        rest = first
    if rest:
        yield 0, rest


def _parsed(data: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
