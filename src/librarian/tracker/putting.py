"""A put on its way: whether its bytes are wanted, their storing, their naming, and what is recorded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from librarian.library.interfaces import InvalidFilename
from librarian.library.operations import Library
from librarian.security.audit import record_event
from librarian.security.interaction import current_principal
from librarian.store.interfaces import IReceiving, StoredBytes
from librarian.tracker.client.versioned_names import MAX_VERSION
from librarian.tracker.interfaces import (
    BadName,
    Declared,
    EmptyDirectory,
    FileVersion,
    NoLaterVersion,
    Overwrite,
    TooLarge,
)
from librarian.tracker.model import StoredVersion, TrackerSubtree, hold_reason
from librarian.tracker.protocol import most_unpacked
from librarian.tracker.retention import Retention
from librarian.tracker.settings import TrackerSettings
from librarian.tracker.unpacking import UnpackingReceiving
from librarian.tracker.uploads import StoredUpload, may_be_kept, store_upload

MIMETYPE = "application/octet-stream"  # names of the tracker say nothing about the type of a file


@dataclass
class Putting:
    """One put, for the acting principal; its steps are called in their order.

    `path` is the name without its leading slash.  Where `prevailing` is the present version after look(), it
    stays whatever the bytes are, and they need not be read.
    """

    library: Library
    settings: TrackerSettings
    path: str
    version: int | None
    rule: Overwrite
    declared: Declared
    prevailing: FileVersion | None = None

    def __post_init__(self) -> None:
        self._owner = current_principal().id

    def look(self) -> None:
        """Find what prevails.  Raises TooLarge by the declared size."""
        self._check_size(self.declared.size)
        self.prevailing = self.library.tree.run_independently(self._find_prevailing)

    def receiver(self, keeps_packed: bool) -> IReceiving:
        """What takes a gzip body while it arrives, for store(); it writes the packed form where that may be
        kept, and where `keeps_packed` says that it is read again."""
        store = self.library.store
        if self.prevailing is not None:  # nothing of it is wanted
            plain: IReceiving = store.receive(self.declared.packed_size)
            return plain
        keeps_packed |= self.settings.keep_packed and may_be_kept(self.declared)
        return UnpackingReceiving(store, self.declared, self._limit, keeps_packed)

    def store(self, stream: BinaryIO) -> StoredUpload:
        """Make the bytes durable.  Raises BadUpload, TooLarge, StoreFull."""
        keep_packed = self.settings.keep_packed
        upload = store_upload(self.library.store, stream, self.declared, self._limit, keep_packed)
        self._check_size(upload.plain.size)
        return upload

    def run(self, work: Callable[[], Any]) -> Any:
        """Give durable bytes their name, in up to three transactions; see Directory.close()."""
        run = self.library.tree.run_together
        try:
            return run(work)
        except EmptyDirectory:
            run(lambda: self._subtree.close_directory(self.path))
            return run(work)

    def name(self, upload: StoredUpload) -> tuple[FileVersion, bool]:
        """The version that the name has now, and whether it is this one; in a transaction.

        Raises EmptyDirectory, BadName, NameConflict, NoLaterVersion.
        """
        try:
            file, is_ours = self._name(upload)
        except InvalidFilename as error:
            raise BadName(f"/{self.path}", str(error)) from None
        return file.described(self.path), is_ours

    def end(self, named: tuple[FileVersion, bool]) -> tuple[FileVersion, bool]:
        """Record what was committed, and return it."""
        file, is_ours = named
        if is_ours:
            facts = {"version": file.version, "size": file.size, "sha256": file.sha256}
            record_event("tracker file put", name=f"/{self.path}", **facts)
        return named

    @property
    def _subtree(self) -> TrackerSubtree:
        subtree: TrackerSubtree = self.library.tree.subtree("tracker")
        return subtree

    @property
    def _limit(self) -> int:
        return most_unpacked(self.declared, self.settings.largest_file)

    def _check_size(self, size: int | None) -> None:
        largest = self.settings.largest_file
        if largest and size is not None and size > largest:
            raise TooLarge(largest)

    def _find_prevailing(self) -> FileVersion | None:
        present = self._subtree.get(self.path)
        if present is None or not present.prevails(self.version, self.rule):
            return None
        return present.described(self.path)

    def _name(self, upload: StoredUpload) -> tuple[StoredVersion, bool]:
        subtree, now, version = self._subtree, int(self.library.clock.now().timestamp()), self.version
        present = subtree.get(self.path)
        if present is not None:
            version = _later_version(self.path, present, now) if version is None else version
            if present.prevails(version, self.rule):
                return present, False
            if present.version == version and present.sha256.hex() == upload.plain.sha256:
                return present, True  # sent again, perhaps because the answer was lost
        file = self._add(upload, now if version is None else version, now)
        subtree.put(self.path, file, now)
        Retention.of(self.settings, now).forget_expired(subtree, self.path)
        return file, True

    def _add(self, upload: StoredUpload, version: int, now: int) -> StoredVersion:
        packed, reason = upload.packed, hold_reason(self.path, version)
        return StoredVersion(
            version=version,
            size=upload.plain.size,
            sha256=bytes.fromhex(upload.plain.sha256),
            alias_id=self._add_alias(upload.plain, reason),
            stored=now,
            owner=self._owner,
            packed_id=0 if packed is None else self._add_alias(packed, reason),
            packed_size=0 if packed is None else packed.size,
            packed_sha256=b"" if packed is None else bytes.fromhex(packed.sha256),
        )

    def _add_alias(self, stored: StoredBytes, reason: str) -> int:
        filename = self.path.rpartition("/")[2]
        record = self.library.add(stored, filename, MIMETYPE, restricted=True, owner=self._owner)
        self._subtree.holds.hold(record, reason)
        return record.id


def _later_version(path: str, present: StoredVersion, now: int) -> int:
    """The version of a put that states none: now, or a second after the present one."""
    version = max(now, present.version + 1)
    if version > MAX_VERSION:
        raise NoLaterVersion(f"/{path}")
    return version
