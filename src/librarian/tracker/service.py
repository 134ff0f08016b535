"""The utility ITracker, and its answer to the garbage collector."""

import logging
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import BinaryIO

from zope.component import getUtility
from zope.interface import implementer

from librarian.interfaces import ISettings
from librarian.library.generations import store_and_name
from librarian.library.library_file import LibraryFile
from librarian.library.operations import Library
from librarian.library.service import HeldInSubtree
from librarian.security.audit import record_event
from librarian.tracker.authorization import check_directory, check_file
from librarian.tracker.interfaces import (
    Declared,
    Entry,
    FileVersion,
    ITracker,
    NoSuchDirectory,
    NoSuchFile,
    NoSuchVersion,
    Overwrite,
    Pruned,
)
from librarian.tracker.model import StoredVersion, TrackerSubtree
from librarian.tracker.putting import Putting
from librarian.tracker.retention import Retention
from librarian.tracker.settings import TrackerSettings

log = logging.getLogger(__name__)


@implementer(ITracker)
class Tracker:
    """The name space.  Its files are restricted aliases, so that no search by digest discloses them."""

    def __init__(self) -> None:
        self._library = Library()
        self._settings = getUtility(ISettings)

    @property
    def settings(self) -> TrackerSettings:
        """The section ``librarian.tracker`` of the settings."""
        return self._settings.section(TrackerSettings)

    @property
    def subtree(self) -> TrackerSubtree:
        """The subtree of the tracker in this thread's tree.  Valid until its session ends."""
        subtree: TrackerSubtree = self._library.tree.subtree("tracker")
        return subtree

    # Writing

    def put(
        self,
        name: str,
        stream: BinaryIO,
        version: int | None,
        rule: Overwrite,
        declared: Declared = Declared(),  # noqa: B008  # immutable
    ) -> tuple[FileVersion, bool]:
        putting = self.putting(name, version, rule, declared)
        if putting.prevailing is not None:
            return putting.prevailing, False
        stored = partial(putting.store, stream)
        return putting.end(store_and_name(putting.run, stored, putting.name))

    def putting(
        self,
        name: str,
        version: int | None,
        rule: Overwrite,
        declared: Declared = Declared(),  # noqa: B008  # immutable
    ) -> Putting:
        path = check_file("write", name)
        putting = Putting(self._library, self.settings, path, version, rule, declared)
        putting.look()
        return putting

    def delete(self, name: str, version: int) -> bool:
        path = check_file("write", name)
        deleted: bool = self._library.tree.run_independently(lambda: self._delete(path, version))
        if deleted:
            record_event("tracker file deleted", name=name, up_to_version=version)
        return deleted

    def _delete(self, path: str, version: int) -> bool:
        subtree, now = self.subtree, self._now()
        present = subtree.get(path)
        if present is None:
            raise NoSuchFile(f"/{path}")
        if present.version > version:
            return False
        subtree.delete(path, now)
        self._retention(now).forget_expired(subtree, path)
        return True

    # Reading

    def get(self, name: str, version: int | None = None, *, deleted: bool = False) -> FileVersion:
        path = check_file("read", name)
        present = self.subtree.get(path)
        if present is not None and version in (None, present.version):
            return present.described(path)
        if version is None or (present is None and not deleted):
            raise NoSuchFile(name)
        for past in self.subtree.past(path):
            if past.file.version == version:
                return past.described(path)
        raise NoSuchVersion(name, version)

    def objects_behind(self, name: str) -> list[bytes]:
        """The _p_oid of each stored object from which get() takes the present version of a name."""
        return self.subtree.objects_behind(name[1:])

    def open(self, file: FileVersion) -> LibraryFile:
        return LibraryFile(self.open_bytes(file), f"{file.name}@{file.version}")

    def open_bytes(self, file: FileVersion, *, packed: bool = False, whole: bool = True) -> BinaryIO:
        """An open file with the bytes, verified as the settings demand.

        A large file is mostly the byte store's own, which a server can send by sendfile(2).  `packed`:
        the gzip form, which must be kept; `whole` is False where only a part is going to be read.
        Raises BytesNotFound, BytesDamaged.
        """
        sha256 = file.packed_sha256 if packed else file.sha256
        size = file.packed_size if packed else file.size
        assert sha256 is not None  # the caller has checked that the gzip form is kept
        store = self._library.store
        opened: BinaryIO = self._library.reads.checked(store, store.open(sha256), sha256, size, whole)
        return opened

    def listing(self, directory: str, not_after: int | None = None) -> bytes:
        path = self._existing_directory(directory)
        return "".join(
            f"{name}\n"
            for name, file in self.subtree.files(path)
            if not_after is None or file.version <= not_after
        ).encode()

    def entries(self, directory: str, after: str = "", limit: int = 1000) -> Sequence[Entry]:
        path = self._existing_directory(directory)
        found = islice(self.subtree.children(path, after), limit)
        return tuple(_entry(path, name, file) for name, file in found)

    def _existing_directory(self, directory: str) -> str:
        path = check_directory(directory)
        if path and not self.subtree.has_files(path):
            raise NoSuchDirectory(directory)
        return path

    def history(self, name: str) -> Sequence[FileVersion]:
        path = check_file("read", name)
        present = self.subtree.get(path)
        found = [] if present is None else [present.described(path)]
        found += [past.described(path) for past in self.subtree.past(path)]
        if not found:
            raise NoSuchFile(name)
        return tuple(found)

    # Pruning

    def prune(self, dry_run: bool = False) -> Pruned:
        """In several transactions, each with a limited number of versions."""
        after: str | None = ""
        versions = size = 0
        while after is not None:
            work = partial(self._prune_batch, after, dry_run)
            after, some = self._library.tree.run_independently(work)
            versions += some.versions
            size += some.bytes
        log.info("pruned versions=%d bytes=%d dry_run=%s", versions, size, dry_run)
        return Pruned(versions, size)

    def _prune_batch(self, after: str, dry_run: bool) -> tuple[str | None, Pruned]:
        return self._retention(self._now()).prune_batch(self.subtree, after, dry_run)

    def _retention(self, now: int) -> Retention:
        return Retention.of(self.settings, now)

    def _now(self) -> int:
        return int(self._library.clock.now().timestamp())


def _entry(directory: str, name: str, file: StoredVersion | None) -> Entry:
    path = f"{directory}/{name}" if directory else name
    return Entry(name, f"/{path}", None if file is None else file.described(path))


references = HeldInSubtree("tracker")
