"""The directory of a local store: where each file lies, and what is recorded of it."""

import logging
import os
from contextlib import suppress

from librarian.durable import make_shared_directories, remove_empty_directories, replacing
from librarian.tracker.client.copying import file_digest
from librarian.tracker.client.interfaces import DamagedFile, FileNotFound, NameConflict
from librarian.tracker.client.stores.checksums import Record, Records, stamp_of

log = logging.getLogger(__name__)

#: The signature of a cache directory, by https://bford.info/cachedir/ : backup programs skip it, and the
#: cleaner may empty it.
CACHE_TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n"


class StoreDirectory:
    """``<root>/files<name>`` is the file, and its modification time the version.

    ``incoming`` has drafts, ``records`` the digest of each file.  In a cache (`is_cache`) a file without a
    record, or with another modification time than recorded, does not count as there: it was edited, lost
    bytes in a power cut, or was written by another program.
    """

    def __init__(self, root: str, *, is_cache: bool) -> None:
        self.root = root
        self.is_cache = is_cache
        self.dir, self.incoming, records = (f"{root}/{name}" for name in ("files", "incoming", "records"))
        self.records = Records(records)
        is_new = not os.path.exists(self.dir)
        for directory in (self.dir, self.incoming, records):
            make_shared_directories(directory)
        if is_cache and is_new:
            self.tag_as_cache()

    def tag_as_cache(self) -> None:
        """Declare that all files in here are copies of others."""
        with replacing(self._tag_path) as file:
            file.write(CACHE_TAG)

    def untag(self) -> None:
        """Withdraw tag_as_cache(): from now on a file in here may be the only copy."""
        with suppress(FileNotFoundError):
            os.unlink(self._tag_path)

    @property
    def is_tagged(self) -> bool:
        """Whether the directory declares that its files are copies."""
        try:
            with open(self._tag_path, "rb") as file:
                return file.read(len(CACHE_TAG)).startswith(CACHE_TAG[:-1])
        except OSError:
            return False

    @property
    def _tag_path(self) -> str:
        return os.path.join(self.root, "CACHEDIR.TAG")

    def path(self, unversioned: str) -> str:
        """The path of a stored file."""
        return self.dir + unversioned

    def status(self, unversioned: str) -> os.stat_result:
        """stat() of the file.  Raises FileNotFound."""
        try:
            status = os.stat(self.path(unversioned))
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFound(unversioned) from None
        if os.path.isdir(self.path(unversioned)):
            raise FileNotFound(unversioned)
        return status

    def current(self, unversioned: str) -> int:
        """The version that is there.  Raises FileNotFound."""
        version = int(self.status(unversioned).st_mtime)
        if self.is_cache:
            record = self.records.read(unversioned)
            if record is None or record.version != version:
                raise FileNotFound(unversioned)
        return version

    def current_or_none(self, unversioned: str) -> int | None:
        """The version that is stored, in seconds; None if there is none."""
        try:
            return self.current(unversioned)
        except FileNotFound:
            return None

    def make_room(self, unversioned: str) -> None:
        """Make the directory of a file.

        A file in place of that directory raises NameConflict; a cache drops it, because the server, which
        has the name now, has no file there any longer.
        """
        directory = os.path.dirname(self.path(unversioned))
        try:
            make_shared_directories(directory)
        except (FileExistsError, NotADirectoryError):
            if not self.is_cache:
                raise NameConflict(unversioned) from None
            parts = unversioned.split("/")
            for end in range(2, len(parts)):
                above = "/".join(parts[:end])
                if os.path.isfile(self.path(above)):
                    self.drop(above)
            make_shared_directories(directory)

    def drop(self, unversioned: str) -> None:
        """Remove the file whatever its version; programs that have it open can read on."""
        path = self.path(unversioned)
        self.records.remove(unversioned)
        with suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(path)
            remove_empty_directories(os.path.dirname(path), self.dir)

    def record(self, unversioned: str, version: int, sha256: str, status: os.stat_result) -> None:
        """Record the digest of a file that has this status."""
        self.records.write(unversioned, Record(version, status.st_size, sha256, stamp_of(status)))

    def restamp(self, unversioned: str, sha256: str | None = None) -> None:
        """Record the present status of a file that has the digest given, or the recorded one."""
        with suppress(OSError):  # without this record the next reader hashes the file once more
            status = os.stat(self.path(unversioned))
            record = self.records.read(unversioned)
            known = sha256 or (record.sha256 if record is not None else None)
            if known is not None:
                self.record(unversioned, int(status.st_mtime), known, status)

    def check(self, unversioned: str) -> None:
        """Raise DamagedFile unless the file is as it was stored.

        It is hashed only if its status has changed since the digest was last verified.
        """
        status = self.status(unversioned)
        record = self.records.read(unversioned)
        if record is not None and record.stamp == stamp_of(status):
            self.records.touch(unversioned)
            return
        actual, version = file_digest(self.path(unversioned)), int(status.st_mtime)
        # Without a record of this version it is the only copy, written by a filetracker that keeps no
        # records, or edited by its owner; current() does not find such a file in a cache.
        if record is not None and record.version == version and record.sha256 != actual:
            self._refuse(unversioned, record.sha256, actual)
        self.record(unversioned, version, actual, status)

    def _refuse(self, unversioned: str, expected: str, actual: str) -> None:
        log.warning("damaged file name=%s sha256=%s expected=%s", unversioned, actual, expected)
        if self.is_cache:
            self.drop(unversioned)
        raise DamagedFile(unversioned, expected, actual)
