"""Files in a directory of this machine: the cache of a server's files, or the only copies."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from librarian.durable import make_directories, replacing, sync_removal
from librarian.tracker.client.copying import Readable, copy_bytes, copy_hashing, file_digest
from librarian.tracker.client.interfaces import FileNotFound, NameConflict, VersionNotFound
from librarian.tracker.client.stores.base import DataStore, Fact, FileInfoEntry
from librarian.tracker.client.stores.layout import StoreDirectory
from librarian.tracker.client.versioned_names import checked_split, versioned_name


class LocalDataStore(StoreDirectory, DataStore):
    """Files in ``<dir>/files``, one version of each name.

    With `is_cache` the files are copies of what a server has: a damaged one is dropped, and get_file() makes
    a hard link where that is possible, one at a time.  The link is read-only, which stops a program that
    would edit its file in place; a program that edits it all the same (as root) damages the cached file,
    which is noticed and not given out again.  Without `is_cache` the files are the only copies: they are
    copied in and out, made durable, and not dropped.  `hard_links` overrides whether links are made.
    """

    def __init__(
        self,
        dir: str,  # noqa: A002  # the name filetracker gives it
        *,
        is_cache: bool = False,
        hard_links: bool | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(dir, is_cache=is_cache)
        self.hard_links = is_cache if hard_links is None else hard_links
        self._clock = clock

    # Writing

    def add_stream(self, name: str, file: Readable) -> str:
        unversioned, version = checked_split(name)
        current = self.current_or_none(unversioned)
        if version is not None and current is not None and current >= version:
            return versioned_name(unversioned, current)
        if version is None:  # two puts within one second are two versions nevertheless
            version = max(int(self._clock()), -1 if current is None else current + 1)
        with self._replacing(unversioned, version) as target:
            sha256, _size = copy_hashing(file, target)
            self.record(unversioned, version, sha256, os.fstat(target.fileno()))
        self.restamp(unversioned, sha256)
        return versioned_name(unversioned, version)

    def take_file(self, name: str, filename: str, sha256: str | None = None) -> str:
        """add_file() of a file that is not going to be edited, such as a new download.

        It is linked if that is possible.  `sha256`, its digest in hex, saves hashing it.
        """
        unversioned, version = checked_split(name)
        if version is None or not self.hard_links or int(os.stat(filename).st_mtime) != version:
            return self.add_file(name, filename)
        current = self.current_or_none(unversioned)
        if current is not None and current >= version:
            return versioned_name(unversioned, current)
        draft = _draft_in(self.incoming)
        try:
            os.link(filename, draft)
        except OSError:
            return self.add_file(name, filename)
        os.chmod(draft, 0o444)
        sha256 = sha256 or file_digest(draft)
        self.record(unversioned, version, sha256, os.stat(draft))
        self._move_into_place(draft, unversioned)
        self.restamp(unversioned, sha256)
        return name

    @contextmanager
    def _replacing(self, unversioned: str, version: int) -> Iterator[BinaryIO]:
        self.make_room(unversioned)
        durable = not self.is_cache
        if durable:
            self.untag()  # it may have been a cache before
        path = self.path(unversioned)
        with (
            _conflicts_explained(unversioned),
            replacing(path, version=version, temporary=self.incoming, durable=durable) as target,
        ):
            yield target
        if durable:  # the name is, but the names of the directories on the way to it may not be
            make_directories(os.path.dirname(os.path.abspath(path)))

    def _move_into_place(self, draft: str, unversioned: str) -> None:
        try:
            with _conflicts_explained(unversioned):
                self.make_room(unversioned)
                os.replace(draft, self.path(unversioned))
        finally:
            with suppress(FileNotFoundError):
                os.unlink(draft)

    def delete_file(self, name: str) -> None:
        unversioned, version = checked_split(name)
        current = self.current_or_none(unversioned)
        if current is not None and version in (None, current):
            self.drop(unversioned)
            if not self.is_cache:
                sync_removal(os.path.dirname(self.path(unversioned)))

    # Reading

    def get_stream(self, name: str) -> tuple[BinaryIO, str]:
        unversioned, version = self._find(name)
        self.check(unversioned)
        try:
            stream = open(self.path(unversioned), "rb")  # noqa: SIM115  # the caller closes it
        except FileNotFoundError:
            raise FileNotFound(unversioned) from None
        return stream, versioned_name(unversioned, version)

    def get_file(self, name: str, filename: str) -> str:
        stream, found = self.get_stream(name)
        unversioned, version = checked_split(found)
        with stream:
            if self.hard_links and self._link_out(unversioned, filename):
                return found
            with replacing(filename, version=version) as target:
                copy_bytes(stream, target)
        return found

    def _link_out(self, unversioned: str, filename: str) -> bool:
        """Link the file to `filename`, and return whether that was done.

        A file that has a link already is not linked again: a program that edits its file in spite of its
        mode would edit that of another program too.
        """
        path = self.path(unversioned)
        if os.stat(path).st_nlink > 1:
            return False
        draft = _draft_in(os.path.dirname(filename) or ".")
        try:
            os.chmod(path, 0o444)
            os.link(path, draft)
        except OSError:
            return False
        try:
            os.replace(draft, filename)
        finally:
            with suppress(FileNotFoundError):  # rename(2) does nothing if both names are of one file
                os.unlink(draft)
        self.restamp(unversioned)
        return True

    def exists(self, name: str) -> bool:
        unversioned, version = checked_split(name)
        current = self.current_or_none(unversioned)
        return current is not None and version in (None, current)

    def file_version(self, name: str) -> int:
        return self.current(checked_split(name)[0])

    def file_size(self, name: str) -> int:
        unversioned, _version = self._find(name)
        return self.status(unversioned).st_size

    def describe(self, name: str) -> Fact:
        """The digest is the recorded one; get_stream() and get_file() verify it, this does not."""
        unversioned, _version = checked_split(name)
        status = self.status(unversioned)
        record = self.records.read(unversioned)
        version = int(status.st_mtime)
        known = record is not None and record.version == version
        return Fact(version, status.st_size, record.sha256 if record is not None and known else None)

    def list_files(self) -> list[FileInfoEntry]:
        """All files, by name."""
        found = []
        for directory, _directories, filenames in os.walk(self.dir):
            for filename in filenames:
                path = os.path.join(directory, filename)
                with suppress(FileNotFoundError):  # removed since the directory was read
                    status = os.stat(path)
                    found.append(FileInfoEntry(path[len(self.dir) :], status.st_mtime, status.st_size))
        return sorted(found)

    def _find(self, name: str) -> tuple[str, int]:
        """Name and version of the file that is there.  Raises FileNotFound, VersionNotFound."""
        unversioned, version = checked_split(name)
        current = self.current(unversioned)
        if version not in (None, current):
            raise VersionNotFound(name, current)
        return unversioned, current


@contextmanager
def _conflicts_explained(unversioned: str) -> Iterator[None]:
    """Raise NameConflict where a file has the path of a directory, or a directory that of a file."""
    try:
        yield
    except (IsADirectoryError, NotADirectoryError, FileExistsError):
        raise NameConflict(unversioned) from None


def _draft_in(directory: str) -> str:
    return f"{directory}/.{os.getpid()}.{time.monotonic_ns()}.part"
