"""The records of a local store: the digest of each file, so that damage is noticed."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

from librarian.durable import make_shared_directories, remove_empty_directories, replacing

_MARK = "@"  # occurs in no directory of a name: the record of /a is never in the way of that of /a/b


@dataclass(frozen=True, slots=True)
class Record:
    """The record of a file since it was stored."""

    version: int  # seconds
    size: int  # bytes
    sha256: str  # hex
    stamp: str  # stamp_of() the file when its digest was last verified

    @classmethod
    def from_json(cls, fields: Mapping[str, object]) -> "Record":
        """The record of these fields.  Raises KeyError, TypeError, ValueError."""
        version, size = fields["version"], fields["size"]
        if not isinstance(version, int) or not isinstance(size, int):
            raise TypeError("version and size must be whole numbers")
        return cls(version, size, str(fields["sha256"]), str(fields["stamp"]))


def stamp_of(status: os.stat_result) -> str:
    """A text that differs whenever the bytes of the file may differ.

    Each write to a file sets its change time (ctime), which no program can set back; so a file with the
    same stamp need not be hashed again.  Linking sets it too, which costs a hash that was not needed.  The
    id of the boot is part of the stamp, because a power cut can lose bytes and keep the times.
    """
    times = f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"
    return f"{times}:{_boot_id()}"


class Records:
    """The records of a store, one JSON file for each name."""

    def __init__(self, directory: str) -> None:
        self.dir = directory

    def path(self, name: str) -> str:
        """The path of a file's record."""
        return self.dir + name + _MARK

    def read(self, name: str) -> Record | None:
        """The record of a name; None if it is missing or damaged."""
        try:
            with open(self.path(name), encoding="utf-8") as file:
                return Record.from_json(json.load(file))
        except (FileNotFoundError, NotADirectoryError, KeyError, TypeError, ValueError, RecursionError):
            return None

    def write(self, name: str, record: Record) -> None:
        """Store the record of a file, replacing an older one in one step."""
        path = self.path(name)
        make_shared_directories(os.path.dirname(path))
        with replacing(path, temporary=self.dir) as file:
            file.write(json.dumps(asdict(record)).encode())

    def touch(self, name: str) -> None:
        """Note that the file was used now, for last_used()."""
        with suppress(OSError):
            os.utime(self.path(name))

    def last_used(self, name: str) -> float | None:
        """The time when the file was last used, in seconds since 1970; None without a record."""
        try:
            return os.stat(self.path(name)).st_mtime
        except OSError:
            return None

    def remove(self, name: str) -> None:
        """Remove the record of a file if there is one, and directories that become empty."""
        path = self.path(name)
        with suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(path)
            remove_empty_directories(os.path.dirname(path), self.dir)


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "unknown"
