"""Files in a directory of this machine: the cache of a server's files, or the only copy."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from librarian.durable import make_shared_directories, remove_empty_directories, replacing
from librarian.tracker.client.copying import Readable, copy_bytes, copy_hashing, file_digest
from librarian.tracker.client.file_names import checked_split, versioned_name
from librarian.tracker.client.interfaces import DamagedFile, FileNotFound, NameConflict, VersionNotFound
from librarian.tracker.client.stores.base import DataStore, Fact, FileInfoEntry
from librarian.tracker.client.stores.checksums import Record, Records, stamp_of

log = logging.getLogger(__name__)

#: The mark of https://bford.info/cachedir/ : backups skip the directory, the cleaner may empty it.
CACHE_TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n"


class LocalDataStore(DataStore):
    """Each file is ``<dir>/files<name>``, and its modification time is its version.

    With `is_cache` the files are copies of what a server holds: a damaged one is dropped, and
    handing one out makes a hard link where that is possible, one at a time.  The link is read-only,
    so that a program which edits its file in place is stopped; one that gets past that (as root)
    spoils the cached file, which is noticed and not handed out again.  Without `is_cache` this is the only
    copy: files are copied in and out, made durable, and never dropped.  `hard_links` decides
    otherwise.
    """

    def __init__(
        self,
        dir: str,  # noqa: A002  # the name filetracker gives it
        *,
        is_cache: bool = False,
        hard_links: bool | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.root = dir
        self.dir = os.path.join(dir, "files")
        self.incoming = os.path.join(dir, "incoming")
        self.records = Records(os.path.join(dir, "records"))
        self.is_cache = is_cache
        self.hard_links = is_cache if hard_links is None else hard_links
        self._clock = clock
        is_new = not os.path.exists(self.dir)
        for directory in (self.dir, self.incoming, self.records.dir):
            make_shared_directories(directory)
        if is_cache and is_new:
            self.tag_as_cache()

    def tag_as_cache(self) -> None:
        """Declare everything in here to be a copy of something else."""
        with replacing(self._tag_path) as file:
            file.write(CACHE_TAG)

    @property
    def is_tagged(self) -> bool:
        """Whether the directory says of itself that it may be emptied."""
        try:
            with open(self._tag_path, "rb") as file:
                return file.read(len(CACHE_TAG)).startswith(CACHE_TAG[:-1])
        except OSError:
            return False

    @property
    def _tag_path(self) -> str:
        return os.path.join(self.root, "CACHEDIR.TAG")

    # What goes in

    def add_stream(self, name: str, file: Readable) -> str:
        unversioned, version = checked_split(name)
        current = self._current_or_none(unversioned)
        if version is not None and current is not None and current >= version:
            return versioned_name(unversioned, current)
        if version is None:  # two puts within a second are two versions nevertheless
            version = max(int(self._clock()), -1 if current is None else current + 1)
        with self._placing(unversioned, version) as target:
            sha256, _size = copy_hashing(file, target)
            self._record(unversioned, version, sha256, os.fstat(target.fileno()))
        self._restamp(unversioned, sha256)
        return versioned_name(unversioned, version)

    def take_file(self, name: str, filename: str, sha256: str | None = None) -> str:
        """add_file() of a file that no one is going to edit, such as a fresh download: it is linked
        if that is possible.  `sha256`, its digest in hex, saves reading it again."""
        unversioned, version = checked_split(name)
        if version is None or not self.hard_links or int(os.stat(filename).st_mtime) != version:
            return self.add_file(name, filename)
        current = self._current_or_none(unversioned)
        if current is not None and current >= version:
            return versioned_name(unversioned, current)
        draft = os.path.join(self.incoming, f".{os.getpid()}.{time.monotonic_ns()}.part")
        try:
            os.link(filename, draft)
        except OSError:
            return self.add_file(name, filename)
        os.chmod(draft, 0o444)
        sha256 = sha256 or file_digest(draft)
        self._record(unversioned, version, sha256, os.stat(draft))
        self._put_in_place(unversioned, draft)
        self._restamp(unversioned, sha256)
        return name

    # What comes out

    def get_stream(self, name: str) -> tuple[BinaryIO, str]:
        unversioned, path, version = self._find(name)
        self._check(unversioned, path)
        try:
            stream = open(path, "rb")  # noqa: SIM115  # the caller closes it
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

    def exists(self, name: str) -> bool:
        unversioned, version = checked_split(name)
        current = self._current_or_none(unversioned)
        return current is not None and version in (None, current)

    def file_version(self, name: str) -> int:
        return self._current(checked_split(name)[0])

    def file_size(self, name: str) -> int:
        _unversioned, path, _version = self._find(name)
        return os.stat(path).st_size

    def describe(self, name: str) -> Fact:
        """The digest is the recorded one; reading the file checks it, this does not."""
        unversioned, _version = checked_split(name)
        status = self._status(unversioned)
        record = self.records.read(unversioned)
        version = int(status.st_mtime)
        known = record is not None and record.version == version
        return Fact(version, status.st_size, record.sha256 if record is not None and known else None)

    def delete_file(self, name: str) -> None:
        unversioned, version = checked_split(name)
        current = self._current_or_none(unversioned)
        if current is not None and version in (None, current):
            self.drop(unversioned)

    def drop(self, unversioned: str) -> None:
        """Remove the file whatever its version; readers that have it open read on."""
        path = self.dir + unversioned
        self.records.remove(unversioned)
        with suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(path)
            remove_empty_directories(os.path.dirname(path), self.dir)

    def list_files(self) -> list[FileInfoEntry]:
        """All files, by name."""
        found = []
        for directory, _directories, filenames in os.walk(self.dir):
            for filename in filenames:
                path = os.path.join(directory, filename)
                with suppress(FileNotFoundError):  # gone since the directory was read
                    status = os.stat(path)
                    found.append(FileInfoEntry(path[len(self.dir) :], status.st_mtime, status.st_size))
        return sorted(found)

    # How it is done

    def _status(self, unversioned: str) -> os.stat_result:
        try:
            status = os.stat(self.dir + unversioned)
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFound(unversioned) from None
        if os.path.isdir(self.dir + unversioned):
            raise FileNotFound(unversioned)
        return status

    def _current(self, unversioned: str) -> int:
        """The version held.  In a cache a file counts only if its record says the same version:
        otherwise it was edited, cut off by a loss of power, or put there by something else."""
        version = int(self._status(unversioned).st_mtime)
        if self.is_cache:
            record = self.records.read(unversioned)
            if record is None or record.version != version:
                raise FileNotFound(unversioned)
        return version

    def _current_or_none(self, unversioned: str) -> int | None:
        try:
            return self._current(unversioned)
        except FileNotFound:
            return None

    def _find(self, name: str) -> tuple[str, str, int]:
        unversioned, version = checked_split(name)
        current = self._current(unversioned)
        if version not in (None, current):
            raise VersionNotFound(name, current)
        return unversioned, self.dir + unversioned, current

    @contextmanager
    def _placing(self, unversioned: str, version: int) -> Iterator[BinaryIO]:
        path = self.dir + unversioned
        self._make_room(unversioned)
        durable = not self.is_cache
        if durable:
            with suppress(FileNotFoundError):  # it was a cache once; from now on files live only here
                os.unlink(self._tag_path)
        try:
            with replacing(path, version=version, temporary=self.incoming, durable=durable) as target:
                yield target
        except (IsADirectoryError, NotADirectoryError, FileExistsError):
            raise NameConflict(unversioned) from None

    def _put_in_place(self, unversioned: str, draft: str) -> None:
        try:
            self._make_room(unversioned)
            os.replace(draft, self.dir + unversioned)
        except (IsADirectoryError, NotADirectoryError, FileExistsError):
            raise NameConflict(unversioned) from None
        finally:
            with suppress(FileNotFoundError):
                os.unlink(draft)

    def _make_room(self, unversioned: str) -> None:
        """Make the directory.  In a cache a file in its place goes: the server, which has the last
        word, has the name now, so it has no file there any more."""
        try:
            make_shared_directories(os.path.dirname(self.dir + unversioned))
        except (FileExistsError, NotADirectoryError):
            if not self.is_cache:
                raise NameConflict(unversioned) from None
            parts = unversioned.split("/")
            for end in range(2, len(parts)):
                self.drop_file_at("/".join(parts[:end]))
            make_shared_directories(os.path.dirname(self.dir + unversioned))

    def drop_file_at(self, unversioned: str) -> None:
        if os.path.isfile(self.dir + unversioned):
            self.drop(unversioned)

    def _link_out(self, unversioned: str, filename: str) -> bool:
        """Link the file to `filename`; False if that cannot be, or a link is out already: then
        whoever edits theirs after all would edit another user's file too."""
        path = self.dir + unversioned
        if os.stat(path).st_nlink > 1:
            return False
        draft = os.path.join(os.path.dirname(filename) or ".", f".{os.getpid()}.{time.monotonic_ns()}.part")
        try:
            os.chmod(path, 0o444)
            os.link(path, draft)
        except OSError:
            return False
        try:
            os.replace(draft, filename)
        finally:
            with suppress(FileNotFoundError):  # also left by rename(2) if both were one file already
                os.unlink(draft)
        self._restamp(unversioned)
        return True

    def _record(self, unversioned: str, version: int, sha256: str, status: os.stat_result) -> None:
        self.records.write(unversioned, Record(version, status.st_size, sha256, stamp_of(status)))

    def _restamp(self, unversioned: str, sha256: str | None = None) -> None:
        """Note the file as it is now, known to be right, with the digest given or the recorded one."""
        with suppress(OSError):  # without the note the next reader hashes the file once more
            status = os.stat(self.dir + unversioned)
            record = self.records.read(unversioned)
            known = sha256 or (record.sha256 if record is not None else None)
            if known is not None:
                self._record(unversioned, int(status.st_mtime), known, status)

    def _check(self, unversioned: str, path: str) -> None:
        """Raise DamagedFile unless the file is what was stored; hashes it only if it may not be."""
        status = self._status(unversioned)
        record = self.records.read(unversioned)
        if record is not None and record.stamp == stamp_of(status):
            self.records.touch(unversioned)
            return
        actual = file_digest(path)
        version = int(status.st_mtime)
        if record is None or record.version != version:
            # The only copy, written by a filetracker that keeps no records or edited by its owner;
            # in a cache _current() has turned such a file down.
            record = Record(version, status.st_size, actual, "")
        if actual != record.sha256:
            self._refuse(unversioned, record.sha256, actual)
        self._record(unversioned, version, actual, status)

    def _refuse(self, unversioned: str, expected: str, actual: str) -> None:
        log.warning("damaged file name=%s sha256=%s expected=%s", unversioned, actual, expected)
        if self.is_cache:
            self.drop(unversioned)
        raise DamagedFile(unversioned, expected, actual)
