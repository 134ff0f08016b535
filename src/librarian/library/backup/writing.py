"""Backups of a running library: the tree, the bytes, then the manifest.

The tree is copied first, as of one moment, and then every content that this copy names: the library makes
bytes durable before it names them, and no sweep removes any while the backup has its lease.  So a manifest
never names bytes that are not there.  A backup that is cut off leaves no manifest; what it had copied
already the next one need not.
"""

import logging
import secrets
from collections.abc import Callable
from datetime import timedelta
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO

import transaction

from librarian.library.backup.interfaces import BackupDamaged, NotOurBackup
from librarian.library.backup.left_bytes import LeftBytes, is_listed
from librarian.library.backup.manifests import FORMAT, ContentsDigest, Manifest, contents_of, write_manifest
from librarian.library.backup.tree_copy import TreeCopy
from librarian.library.installation import installation_of
from librarian.library.operations import Library
from librarian.library.upkeep.leases import HeldLease, leased
from librarian.library.upkeep.model import UpkeepSubtree
from librarian.store.copies import open_to_copy
from librarian.store.disk.many import ManyPuts
from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import BytesDamaged, BytesNotFound, DigestMismatch, IByteStore, SizeMismatch
from librarian.store.listed import ListedSizes
from librarian.tree.copying import Copy, open_copy

log = logging.getLogger(__name__)

ATTEMPTS = 2  # a store in the network may send a wrong byte once


class Backup:
    """One backup of one library into `folder`.

    `verify` reads what the folder holds already once more, and copies anew what is damaged.  `progress`
    gets the number of contents done; `pace` the size of each piece that is read, in bytes, and may sleep.
    With `left` the bytes stay where they are: it is looked whether all are there, and none is read.
    """

    def __init__(
        self,
        library: Library,
        folder: Path,
        *,
        verify: bool = False,
        progress: Callable[[int], object] = lambda done: None,
        pace: Callable[[int], object] = lambda size: None,
        left: LeftBytes | None = None,
    ) -> None:
        self._left = left
        self._library = library
        self._folder = folder
        self._verify = verify
        self._progress = progress
        self._pace = pace

    def run(self) -> Manifest:
        """Make the backup; its manifest.

        Raises UpkeepBusy, NotOurBackup, NoBackup, CannotCopy, BackupDamaged, StoreFull.
        """
        library = self._library
        with library.tree.session(), leased(library.tree, library.clock, "backup") as lease:
            copy = TreeCopy(self._folder, self._is_known)
            target = self._target()
            mark = secrets.token_hex(8)
            library.tree.run_independently(lambda: self._upkeep.mark_backup(mark))
            last = library.tree.copy_to(copy.path, lease.renew)
            made = library.clock.now().isoformat(timespec="seconds")
            manifest = Manifest(FORMAT, made, last.hex(), *copy.finish(), copy=copy.path.name, mark=mark)
            with open_copy(copy.path, last) as opened:
                self._prove(opened, last, manifest)
                if self._left is None:
                    self._copy_contents(manifest, opened, target, lease)
                else:
                    self._leave_contents(self._left, manifest, opened, lease)
            write_manifest(self._folder, manifest)
            now = library.clock.now()
            library.tree.run_independently(lambda: self._upkeep.note(backed_up_at=now))
        log.info("backup made contents=%d copied=%d", manifest.contents, manifest.copied)
        return manifest

    def _is_known(self, mark: str) -> bool:
        transaction.begin()
        return mark in self._upkeep.backups

    @property
    def _upkeep(self) -> UpkeepSubtree:
        found: UpkeepSubtree = self._library.tree.subtree("upkeep")
        return found

    @staticmethod
    def _prove(copy: Copy, last: bytes, manifest: Manifest) -> None:
        """Raise BackupDamaged unless the copy, opened anew, ends with the commit of this backup's mark."""
        if copy.last != last or copy.root["upkeep"].backups[-1:] != (manifest.mark,):
            raise BackupDamaged(f"the copy of the tree ends before the backup began: {manifest.copy}")
        manifest.proven = True

    def _target(self) -> DiskStore:
        """The store of the backup, which carries the id of this installation."""
        target = DiskStore(self._folder / "bytes", self._library.clock)
        target.clear_incoming(timedelta(0))  # what a backup that was killed has left
        ours = installation_of(self._library.tree)
        if ours is not None and target.join(ours) != ours:
            raise NotOurBackup(self._folder)
        return target

    def _copy_contents(self, manifest: Manifest, copy: Copy, target: DiskStore, lease: HeldLease) -> None:
        digest = ContentsDigest()
        with target.many_puts() as puts:
            for sha256, size in contents_of(copy):
                lease.renew()
                if self._is_there(target, sha256, size) or self._copy(puts, sha256, size, manifest, lease):
                    digest.add(sha256)
                    manifest.contents += 1
                    manifest.bytes += size
                self._progress(manifest.contents)
        manifest.contents_sha256 = digest.hexdigest()

    def _leave_contents(self, left: LeftBytes, manifest: Manifest, copy: Copy, lease: HeldLease) -> None:
        """Note where the bytes are, and which are not there."""
        manifest.bytes_at, manifest.good_until = left.place, left.good_until(manifest.made)
        digest, sizes = ContentsDigest(), ListedSizes(self._library.store)
        for sha256, size in contents_of(copy):
            lease.renew()
            if is_listed(sizes, sha256, size):
                digest.add(sha256)
                manifest.contents += 1
                manifest.bytes += size
            else:
                manifest.damaged.append(sha256)
            self._progress(manifest.contents)
        manifest.contents_sha256 = digest.hexdigest()

    def _copy(self, puts: ManyPuts, sha256: str, size: int, manifest: Manifest, lease: HeldLease) -> bool:
        """Copy one content; False if the library has no sound bytes of it."""
        for attempt in range(ATTEMPTS):
            try:
                self._copy_once(puts, sha256, size, lease)
            except (BytesNotFound, BytesDamaged, DigestMismatch, SizeMismatch) as error:
                log.error("content not backed up sha256=%s attempt=%d error=%s", sha256, attempt + 1, error)
                if isinstance(error, BytesNotFound) or self._is_damaged(sha256):
                    break
            else:
                manifest.copied += 1
                return True
        manifest.damaged.append(sha256)
        return False

    def _copy_once(self, puts: ManyPuts, sha256: str, size: int, lease: HeldLease) -> None:
        def copied(piece: int) -> None:
            lease.renew()
            self._pace(piece)

        with open_to_copy(self._library.store, sha256) as file:
            watched: BinaryIO = _Watched(file, copied)  # type: ignore[assignment]  # reads like one
            puts.put(watched, size=size, sha256=sha256)

    def _is_damaged(self, sha256: str) -> bool:
        """Whether bytes that were read wrong are; they are in quarantine then."""
        store = self._library.store
        return self._library.reads.quarantine(store, sha256) or sha256 not in store

    def _is_there(self, target: IByteStore, sha256: str, size: int) -> bool:
        try:
            found: int = target.verify(sha256, self._pace) if self._verify else target.size(sha256)
        except (BytesNotFound, BytesDamaged):
            return False
        return found == size


class _Watched(RawIOBase):
    """A file that calls `pace` with the size of each piece that is read from it, in bytes."""

    def __init__(self, file: BinaryIO, pace: Callable[[int], object]) -> None:
        self._file = file
        self._pace = pace

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self._pace(len(piece))
        return piece
