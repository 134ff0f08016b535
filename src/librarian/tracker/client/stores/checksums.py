"""What a local store remembers about each file, so that damage does not pass for content."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

from librarian.durable import make_shared_directories, remove_empty_directories, replacing

_MARK = "@"  # occurs in no directory of a name: the record of /a is never in the way of that of /a/b


@dataclass(frozen=True, slots=True)
class Record:
    """A file as it was stored."""

    version: int  # seconds
    size: int  # bytes
    sha256: str  # hex
    stamp: str  # stamp_of() the file when its digest was last found to be right

    @classmethod
    def from_json(cls, fields: Mapping[str, object]) -> "Record":
        """Raises KeyError, TypeError and ValueError for what is no record."""
        version, size = fields["version"], fields["size"]
        if not isinstance(version, int) or not isinstance(size, int):
            raise TypeError("version and size must be whole numbers")
        return cls(version, size, str(fields["sha256"]), str(fields["stamp"]))


def stamp_of(status: os.stat_result) -> str:
    """Differs whenever the bytes may differ.

    Any write to a file sets its change time (ctime), which no program can set back, so a file with
    the same stamp need not be hashed again.  Linking sets it too, which costs one hash too many.
    The id of the boot is part of it, because a loss of power can lose bytes and keep the times.
    """
    times = f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"
    return f"{times}:{_boot_id()}"


class Records:
    """The records of a store, one small file each."""

    def __init__(self, directory: str) -> None:
        self.dir = directory

    def path(self, name: str) -> str:
        return self.dir + name + _MARK

    def read(self, name: str) -> Record | None:
        """None if there is none, or none that can be understood."""
        try:
            with open(self.path(name), encoding="utf-8") as file:
                return Record.from_json(json.load(file))
        except (FileNotFoundError, NotADirectoryError, KeyError, TypeError, ValueError, RecursionError):
            return None

    def write(self, name: str, record: Record) -> None:
        path = self.path(name)
        make_shared_directories(os.path.dirname(path))
        with replacing(path, temporary=self.dir) as file:
            file.write(json.dumps(asdict(record)).encode())

    def touch(self, name: str) -> None:
        """Remember that the file was used now; the cache cleaner asks last_used()."""
        with suppress(OSError):
            os.utime(self.path(name))

    def last_used(self, name: str) -> float | None:
        """Seconds since 1970, None without a record."""
        try:
            return os.stat(self.path(name)).st_mtime
        except OSError:
            return None

    def remove(self, name: str) -> None:
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
