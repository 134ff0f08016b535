"""Restores a backup into an empty place, and compares a backup with its manifest."""

import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from librarian import durable
from librarian.interfaces import IClock
from librarian.library.backup.interfaces import BackupDamaged, NotEmpty
from librarian.library.backup.left_bytes import KeptSizes, find_bytes, require_installation
from librarian.library.backup.manifests import (
    ContentsDigest,
    Manifest,
    contents_of,
    make_folder,
    new_file,
    read_manifest,
    read_part,
)
from librarian.library.model.installation import subtree as installation
from librarian.library.model.subtree import LibrarySubtree
from librarian.library.model.subtree import subtree as library
from librarian.library.upkeep.checking import ERROR, Check, Finding
from librarian.library.upkeep.model import subtree as upkeep
from librarian.store.copies import Copies
from librarian.store.disk.store import DiskStore
from librarian.store.interfaces import BytesNotFound, DigestMismatch, SizeMismatch
from librarian.store.s3.interfaces import IKeptObjects
from librarian.store.service import kept_at
from librarian.tree.copying import (
    change_copy,
    copy_database,
    open_copy,
    require_empty,
    write_transactions,
)
from librarian.tree.interfaces import CannotCopy
from librarian.tree.service import Tree

log = logging.getLogger(__name__)

# The subtrees' former names for reading a copy.  A restore has no site, so none are registered as utilities.
SUBTREES: tuple[Any, ...] = (library, upkeep, installation)


@dataclass
class Restored:
    """The result of a restore."""

    contents: int = 0
    bytes: int = 0
    damaged: list[str] = field(default_factory=list)


class Restore:
    """One backup of `folder`, brought back: the newest, or the one whose manifest is called `name`."""

    def __init__(
        self,
        folder: Path,
        name: str = "",
        progress: Callable[[int], object] = lambda done: None,
        *,
        bytes_at: str = "",
        kept: Callable[[str], IKeptObjects] = kept_at,
    ) -> None:
        """`bytes_at`: a bucket in place of the manifest's, where that was copied to.  `kept` opens one."""
        self._folder = folder
        self._bytes_at = bytes_at
        self.manifest = read_manifest(folder, name)
        self._progress = progress
        self._kept = kept

    def run(self, to: Path, clock: IClock, database_uri: str = "") -> Restored:
        """Make `to`/tree/Data.fs and `to`/bytes; everything is verified on the way.

        Bytes that the backup left in their bucket stay there; it is looked whether they are there.

        The tree gets its name last, so a restore that was cut off leaves nothing that a server
        starts with.  With `database_uri` the tree goes into that empty database as well.  Raises
        NotEmpty, BackupDamaged, CannotCopy, and for bytes in a bucket SettingsError, StoreUnavailable.
        """
        if to.exists() and any(to.iterdir()):
            raise NotEmpty(to)
        if database_uri:
            require_empty(database_uri)
        unfinished = to / "tree.unfinished"
        for folder in (to, unfinished):
            make_folder(folder)
        data = unfinished / "Data.fs"
        self._copy_tree(data)
        if self.manifest.bytes_at:
            restored = self._find_bytes(data)
        else:
            target = DiskStore(to / "bytes", clock)
            restored = self._copy_bytes(data, target)
            self._join(data, target)
        if database_uri:
            write_transactions(data, database_uri)
        durable.sync_directory(str(unfinished))
        unfinished.rename(to / "tree")
        durable.sync_directory(str(to))
        log.info("backup restored contents=%d damaged=%d", restored.contents, len(restored.damaged))
        return restored

    def _copy_tree(self, data: Path) -> None:
        manifest = self.manifest
        digest = hashlib.sha256()
        with new_file(data) as target:

            def take(piece: bytes) -> None:
                digest.update(piece)
                target.write(piece)

            read_part(self._folder / "tree" / manifest.copy, 0, manifest.tree_size, take)
        if digest.hexdigest() != manifest.tree_sha256:
            data.unlink()
            raise BackupDamaged(f"tree/{manifest.copy} is not what the manifest says")
        for difference in differences(data, manifest):
            raise BackupDamaged(difference)
        # The copy was made while the backup had its lease, which would now be in the way of the next.
        change_copy(data, lambda root: root["upkeep"].note(lease=None), SUBTREES)

    def _join(self, data: Path, target: DiskStore) -> None:
        """Write the tree's installation id beside the bytes; older versions wrote none."""
        with open_copy(data, subtrees=SUBTREES) as copy:
            ours = copy.root["installation"].id if "installation" in copy.root else None
        theirs = Copies(self._folder / "bytes").installation()
        if ours is not None and theirs not in (None, ours):
            raise BackupDamaged(f"the tree is of installation {ours}, the bytes are of {theirs}")
        if ours is not None:
            target.join(ours)

    def _find_bytes(self, data: Path) -> Restored:
        kept = self._kept(self.place)
        with open_copy(data, subtrees=SUBTREES) as copy:
            require_installation(copy.root, kept)
            found = find_bytes(copy, kept, self._progress)
        if found.generations:
            change_copy(data, found.tell, SUBTREES)
        for sha256 in found.missing:
            log.error("content not there sha256=%s place=%s", sha256, self.place)
        return Restored(found.contents, found.bytes, found.missing)

    @property
    def place(self) -> str:
        """Where the bytes were left, as ``s3://...``; empty if they are in the backup."""
        return self.manifest.bytes_at and (self._bytes_at or self.manifest.bytes_at)

    def _copy_bytes(self, data: Path, target: DiskStore) -> Restored:
        copies, restored = Copies(self._folder / "bytes"), Restored()
        with open_copy(data, subtrees=SUBTREES) as copy, target.many_puts() as puts:
            for sha256, size in contents_of(copy):
                try:
                    with copies.open(sha256) as file:
                        puts.put(file, size=size, sha256=sha256)
                except (BytesNotFound, DigestMismatch, SizeMismatch) as error:
                    log.error("content not restored sha256=%s error=%s", sha256, error)
                    restored.damaged.append(sha256)
                    continue
                restored.contents += 1
                restored.bytes += size
                self._progress(restored.contents)
        return restored


def differences(data: Path, manifest: Manifest) -> Iterator[str]:
    """The differences between a copy of the tree and its manifest, one phrase each."""
    digest, damaged = ContentsDigest(), set(manifest.damaged)
    with open_copy(data, bytes.fromhex(manifest.last_transaction), SUBTREES) as copy:
        if copy.last.hex() != manifest.last_transaction:
            yield f"the last transaction is {copy.last.hex()}, not {manifest.last_transaction}"
            return
        for sha256, _size in contents_of(copy):
            if sha256 not in damaged:
                digest.add(sha256)
    if digest.number != manifest.contents:
        yield f"the tree names {digest.number} sound contents, not {manifest.contents}"
    elif digest.hexdigest() != manifest.contents_sha256:
        yield "the tree names other contents than the manifest"


class CheckBackup(Check):
    """A backup compared with its manifest, then its tree with its own indexes and its bytes; as Check."""

    def __init__(
        self,
        folder: Path,
        name: str = "",
        progress: Callable[[str, int], object] = lambda part, seen: None,
        *,
        kept: Callable[[str], IKeptObjects] = kept_at,
    ) -> None:
        self._folder = folder
        self._kept = kept
        self.manifest = read_manifest(folder, name)
        self._data = folder / "tree" / self.manifest.copy
        self._progress = progress
        self.seen = {}

    def __iter__(self) -> Iterator[Finding]:
        manifest, digest = self.manifest, hashlib.sha256()
        try:
            read_part(self._data, 0, manifest.tree_size, digest.update)
            if digest.hexdigest() != manifest.tree_sha256:
                yield self._finding("the bytes are not what the manifest says")
                return
            problems = list(differences(self._data, manifest))
            yield from (self._finding(problem) for problem in problems)
            if not problems:
                yield from self._look_inside()
        except (CannotCopy, OSError) as error:
            yield self._finding(str(error))

    def _look_inside(self) -> Iterator[Finding]:
        last = bytes.fromhex(self.manifest.last_transaction)
        tree = Tree(copy_database(self._data, last, SUBTREES))
        place = self.manifest.bytes_at
        store = KeptSizes(self._kept(place)) if place else Copies(self._folder / "bytes")
        self._library: Any = _Copied(tree, store)
        try:
            yield from super().__iter__()
        finally:
            tree.close()

    def _bytes(self) -> Iterator[Finding]:
        """No finding for bytes that this backup does not name: they belong to other backups."""
        yield from ()

    def _finding(self, detail: str) -> Finding:
        return Finding(ERROR, "copy of the tree", self._data.name, detail)


class _Copied(NamedTuple):
    """The parts of a library that a check needs, made of a backup."""

    tree: Tree
    store: Copies | KeptSizes

    @property
    def subtree(self) -> LibrarySubtree:
        subtree: LibrarySubtree = self.tree.subtree("library")
        return subtree
