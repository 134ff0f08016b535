"""The drop folder on disk; other programs may use gocept.filestore 1.0 on the same folder."""

import logging
import os
import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, count
from pathlib import Path

from zope.interface import implementer

from librarian.durable import rename_new, sync_directory, sync_file
from librarian.interfaces import IClock
from librarian.spool.interfaces import (
    SPACES,
    TEMP_PREFIX,
    BadName,
    IFileStore,
    Names,
    NameTaken,
    NotPrepared,
    NotSpooled,
    UnknownSpace,
)
from librarian.spool.model.names import MAX_BYTES, check_name
from librarian.spool.model.reservation import Reservation
from librarian.spool.model.writer import SpoolFile, SpoolWriter

log = logging.getLogger(__name__)

FORGOTTEN_AFTER = timedelta(hours=36)  # the age at which maildir(5) takes an unfinished file for abandoned
WRITE_MODES = {"w", "wb", "x", "xb"}


@implementer(IFileStore)
class FileStore:
    """A spool; `path` need not exist before prepare().  By `clock` files are abandoned, or expire."""

    def __init__(self, path: str | os.PathLike[str], clock: IClock) -> None:
        self.path = Path(path).absolute()
        self._clock = clock

    def prepare(self) -> None:
        for folder in (self.path, *(self.path / space for space in SPACES)):
            folder.mkdir(exist_ok=True)
        sync_directory(self.path.parent)
        sync_directory(self.path)

    def check_prepared(self) -> None:
        """Raise NotPrepared if a folder of the spool is missing: prepare() was not called here."""
        check_prepared(self.path)

    def create(self, filename: str, mode: str = "w") -> SpoolFile:
        if mode not in WRITE_MODES:
            raise BadName(mode, "is not a mode to write a new file with")
        path = self._place("tmp") / check_name(filename)
        try:
            return SpoolFile(path)
        except FileExistsError:
            if not self._untouched_for(path, FORGOTTEN_AFTER):
                raise NameTaken(filename, "tmp") from None
        path.unlink()
        return SpoolFile(path)

    def writer(self, filename: str, *, replace: bool = False) -> SpoolWriter:
        return SpoolWriter(self, check_name(filename), replace=replace)

    def move(self, filename: str, from_space: str, to_space: str, *, replace: bool = False) -> None:
        source = self._find(filename, from_space)
        if from_space == to_space:
            return
        self._place(to_space)
        if to_space != "tmp":
            sync_file(source, follow_symlinks=False)
        self._settle(source, source.name, to_space, replace=replace)
        sync_directory(source.parent)

    def copy(self, filename: str, from_space: str, to_space: str, *, replace: bool = False) -> None:
        source = self._find(filename, from_space)
        self._place(to_space)
        temp = self.unfinished()
        try:
            with source.open("rb") as original, SpoolFile(temp) as copy:
                shutil.copyfileobj(original, copy)
            self._settle(temp, source.name, to_space, replace=replace)
        finally:
            temp.unlink(missing_ok=True)

    def remove(self, filename: str, space: str) -> None:
        path = self._find(filename, space)
        path.unlink()
        sync_directory(path.parent)

    def list(self, space: str) -> Names:
        place = self._place(space)
        hidden = TEMP_PREFIX if space == "tmp" else "/"
        return sorted(str(path) for path in place.iterdir() if not path.name.startswith(hidden))

    def archive(self, filename: str, *, durable: bool = True) -> str:
        source = self._find(filename, "new")
        twin = self._place("cur") / source.name
        if twin.exists() and twin.samefile(source):  # left by a crash between link(2) and unlink(2)
            source.unlink()
            return twin.name
        name = self._settle_numbered(source, source.name, "cur", durable=durable)
        if durable:
            sync_directory(source.parent)
        return name

    def reap(self, older_than: timedelta = FORGOTTEN_AFTER) -> Names:
        return self._delete_untouched("tmp", older_than, "abandoned file reaped file=%s")

    def expire(self, older_than: timedelta) -> Names:
        return self._delete_untouched("cur", older_than, "kept file expired file=%s")

    # For writers and for imports.

    def unfinished(self) -> Path:
        """A path in `tmp` that no other writer uses."""
        return self._place("tmp") / f"{TEMP_PREFIX}{secrets.token_hex(8)}.part"

    def reserve(self, name: str) -> Reservation:
        reservation = Reservation(self._place("tmp"), name)
        try:
            self.check_free(name, "new")
        except BaseException:
            reservation.release()
            raise
        return reservation

    def deliver(self, path: Path, name: str, *, replace: bool = False, numbered: bool = False) -> str:
        """Let the durable file at `path`, on this file system, appear in `new`; its name there."""
        if numbered and not replace:
            name = self._settle_numbered(path, name, "new")
        else:
            self._settle(path, name, "new", replace=replace)
        return name

    def check_free(self, name: str, space: str, *, replace: bool = False) -> None:
        """Raise NameTaken if a file of this name may not come into the space."""
        if not replace and os.path.lexists(self._place(space) / name):
            raise NameTaken(name, space)

    def _settle(
        self, source: Path, name: str, space: str, *, replace: bool = False, durable: bool = True
    ) -> None:
        target = self._place(space) / name
        try:
            if replace:
                source.replace(target)
            else:
                rename_new(source, target)
        except FileExistsError:
            raise NameTaken(name, space) from None
        except FileNotFoundError:
            raise NotSpooled(source.name, source.parent.name) from None
        if durable:
            sync_directory(target.parent)

    def _settle_numbered(self, source: Path, name: str, space: str, *, durable: bool = True) -> str:
        for candidate in chain([name], _numbered(name)):
            try:
                self._settle(source, candidate, space, durable=durable)
            except NameTaken:
                continue
            if candidate != name:
                log.warning("name was taken space=%s file=%s kept_as=%s", space, name, candidate)
            return candidate
        raise AssertionError("unreachable: there is always another number")

    def _delete_untouched(self, space: str, older_than: timedelta, event: str) -> Names:
        gone = []
        for entry in sorted(self._place(space).iterdir()):
            if entry.is_file() and self._untouched_for(entry, older_than):
                entry.unlink(missing_ok=True)
                log.info(event, entry.name)
                gone.append(entry.name)
        return gone

    def _untouched_for(self, path: Path, age: timedelta) -> bool:
        """Neither written nor moved for so long.  A rename sets ctime only, a restore mtime only."""
        try:
            stat = path.lstat()
        except FileNotFoundError:
            return True
        touched = datetime.fromtimestamp(max(stat.st_mtime, stat.st_ctime), UTC)
        return self._clock.now() - touched > age

    def _place(self, space: str) -> Path:
        if space not in SPACES:
            raise UnknownSpace(space)
        place = self.path / space
        if not place.is_dir():
            raise NotPrepared(self.path)
        return place

    def _find(self, filename: str, space: str) -> Path:
        """The path of a file that is there, from its name or from the path that list() gave."""
        place = self._place(space)
        if isinstance(filename, str) and filename.startswith(f"{place}/"):
            filename = filename[len(str(place)) + 1 :]
        path = place / check_name(filename)
        if not os.path.lexists(path):
            raise NotSpooled(filename, space)
        return path


def check_prepared(path: Path) -> None:
    """Raise NotPrepared unless the folder `path` is a spool."""
    if not all((path / space).is_dir() for space in SPACES):
        raise NotPrepared(path)


def _numbered(name: str) -> Iterator[str]:
    """`a.~2~`, `a.~3~`, ...: GNU's names for further versions, cut to fit a directory entry."""
    for number in count(2):
        ending = f".~{number}~"
        stem = name.encode()[: MAX_BYTES - len(ending)].decode(errors="ignore")
        yield stem + ending
