"""Backups of a running library, and the way back.

    DIR/tree/Data.fs          all transactions up to the last backup
    DIR/bytes/ab/cd/<sha256>  laid out as a disk store
    DIR/manifests/<time>.json one for each backup, written last
    DIR/manifest.json         the newest of them

The tree is copied first, as of one moment, and then every content that this copy names: the library makes
bytes durable before it names them, and no sweep removes any while the backup has its lease.  So a manifest
never names bytes that are not there.  A backup that is cut off leaves no manifest; what it had copied
already the next one need not.
"""

import hashlib
import json
import logging
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from io import RawIOBase
from pathlib import Path
from typing import Any, BinaryIO

import transaction

from librarian.interfaces import IClock, LibrarianError
from librarian.library.service import Library
from librarian.library.upkeep import HeldLease, UpkeepBranch, leased
from librarian.store.copies import Copies
from librarian.store.disk import DiskStore
from librarian.store.interfaces import BytesDamaged, BytesNotFound, DigestMismatch, IByteStore, SizeMismatch
from librarian.tree.copying import change_copy, open_copy, write_transactions

log = logging.getLogger(__name__)

FORMAT = 1
BATCH = 1000  # contents between two times of letting go of what was loaded


class NoBackup(LibrarianError, LookupError):
    """The folder holds no backup of this name, or none that this version reads."""


class BackupDamaged(LibrarianError, RuntimeError):
    """The copy of the tree is not what its manifest says."""


class NotOurBackup(LibrarianError, RuntimeError):
    """The folder holds backups of another library, or of this one before its tree was set back."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} holds backups of another library, or of this one before it was restored;"
            " begin a new folder"
        )
        self.folder = folder


class NotEmpty(LibrarianError, FileExistsError):
    """A backup is restored into an empty place only."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} is not empty")
        self.folder = folder


@dataclass
class Manifest:
    """What one backup holds; sizes in bytes, digests in hex."""

    format: int
    made: str  # RFC 3339
    last_transaction: str  # hex
    tree_size: int  # of the first bytes of tree/Data.fs
    tree_sha256: str
    contents: int = 0
    bytes: int = 0
    contents_sha256: str = ""  # of all their digests, ascending, a line each
    copied: int = 0  # contents that the backup before had not
    damaged: list[str] = field(default_factory=list)  # contents the library itself had no sound bytes of


@dataclass
class Restored:
    """What was brought back."""

    contents: int = 0
    bytes: int = 0
    damaged: list[str] = field(default_factory=list)


class Backup:
    """One backup of one library into `folder`.

    `verify` reads what the folder holds already once more, and copies anew what is damaged.  `moved`
    gets the number of contents done and of all; `told` the size of each piece that is copied.
    """

    def __init__(
        self,
        library: Library,
        folder: Path,
        *,
        verify: bool = False,
        moved: Callable[[int], object] = lambda done: None,
        told: Callable[[int], object] = lambda size: None,
    ) -> None:
        self._library = library
        self._folder = folder
        self._verify = verify
        self._moved = moved
        self._told = told

    def run(self) -> Manifest:
        """Raises UpkeepBusy, NotOurBackup, CannotCopy, StoreFull."""
        library = self._library
        with library.tree.session(), leased(library.tree, library.clock, "backup") as lease:
            data = self._folder / "tree" / "Data.fs"
            self._prepare(data)
            mark = secrets.token_hex(8)
            library.tree.run_apart(lambda: self._upkeep.mark_backup(mark))
            last = library.tree.copy_to(data, lease.renew)
            size = data.stat().st_size
            made = library.clock.now().isoformat(timespec="seconds")
            manifest = Manifest(FORMAT, made, last.hex(), size, sha256_of_first(data, size))
            self._copy_contents(manifest, data, lease)
            _write_manifest(self._folder, manifest)
            now = library.clock.now()
            library.tree.run_apart(lambda: self._upkeep.note(backed_up_at=now))
        log.info("backup made contents=%d copied=%d", manifest.contents, manifest.copied)
        return manifest

    def _prepare(self, data: Path) -> None:
        """Make the folder, or see that what it holds is a past of this very tree."""
        for folder in (self._folder, data.parent):
            _make_folder(folder)
        if not (self._folder / "manifest.json").exists():
            for unfinished in data.parent.iterdir():  # nothing was ever brought to its end
                unfinished.unlink()
            return
        with open_copy(data) as (root, _forget):
            mark = root["upkeep"].backups[-1]
        transaction.begin()
        if mark not in self._upkeep.backups:
            raise NotOurBackup(self._folder)

    @property
    def _upkeep(self) -> UpkeepBranch:
        found: UpkeepBranch = self._library.tree.branch("upkeep")
        return found

    def _copy_contents(self, manifest: Manifest, data: Path, lease: HeldLease) -> None:
        target = DiskStore(self._folder / "bytes", self._library.clock)
        digest = hashlib.sha256()
        for sha256, size in _contents(data):
            lease.renew()
            if self._copy(target, sha256, size, manifest, lease):
                manifest.contents += 1
                manifest.bytes += size
                digest.update(f"{sha256}\n".encode())
            self._moved(manifest.contents)
        manifest.contents_sha256 = digest.hexdigest()

    def _copy(self, target: DiskStore, sha256: str, size: int, manifest: Manifest, lease: HeldLease) -> bool:
        """See that one content is in the backup; whether it is."""
        if self._is_there(target, sha256, size):
            return True

        def told(piece: int) -> None:
            lease.renew()
            self._told(piece)

        try:
            with self._library.store.open(sha256) as file:
                watched: BinaryIO = _Watched(file, told)  # type: ignore[assignment]  # reads like one
                target.put(watched, size=size, sha256=sha256)
        except (BytesNotFound, BytesDamaged, DigestMismatch, SizeMismatch) as error:
            log.error("content not backed up sha256=%s error=%s", sha256, error)
            manifest.damaged.append(sha256)
            return False
        manifest.copied += 1
        return True

    def _is_there(self, target: IByteStore, sha256: str, size: int) -> bool:
        try:
            found: int = target.verify(sha256, self._told) if self._verify else target.size(sha256)
        except (BytesNotFound, BytesDamaged):
            return False
        return found == size


class _Watched(RawIOBase):
    """A file that tells of each piece that is read from it."""

    def __init__(self, file: BinaryIO, told: Callable[[int], object]) -> None:
        self._file = file
        self._told_of = told

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self._told_of(len(piece))
        return piece


class Restore:
    """One backup of `folder`, brought back: the newest, or the one whose manifest is called `name`."""

    def __init__(
        self, folder: Path, name: str = "", moved: Callable[[int], object] = lambda done: None
    ) -> None:
        self._folder = folder
        self.manifest = read_manifest(folder, name)
        self._moved = moved

    def run(self, to: Path, clock: IClock, database_uri: str = "") -> Restored:
        """Make `to`/tree/Data.fs and `to`/bytes; everything is verified on the way.

        With `database_uri` the tree goes into that empty database as well.  Raises NotEmpty,
        BackupDamaged, CannotCopy.
        """
        if to.exists() and any(to.iterdir()):
            raise NotEmpty(to)
        data = to / "tree" / "Data.fs"
        for folder in (to, data.parent):
            _make_folder(folder)
        self._copy_tree(data)
        if database_uri:
            write_transactions(data, database_uri)
        restored = self._copy_bytes(data, DiskStore(to / "bytes", clock))
        log.info("backup restored contents=%d damaged=%d", restored.contents, len(restored.damaged))
        return restored

    def _copy_tree(self, data: Path) -> None:
        source = self._folder / "tree" / "Data.fs"
        with _new_file(data) as target:
            actual = _copy_first(source, self.manifest.tree_size, target.write)
        if actual != self.manifest.tree_sha256:
            data.unlink()
            raise BackupDamaged("tree/Data.fs is not what the manifest says")
        # The copy was made while the backup had its lease, which would now be in the way of the next.
        change_copy(data, lambda root: root["upkeep"].note(lease=None))

    def _copy_bytes(self, data: Path, target: DiskStore) -> Restored:
        copies, restored = Copies(self._folder / "bytes"), Restored()
        for sha256, size in _contents(data):
            try:
                with copies.open(sha256) as file:
                    target.put(file, size=size, sha256=sha256)
            except (BytesNotFound, DigestMismatch, SizeMismatch) as error:
                log.error("content not restored sha256=%s error=%s", sha256, error)
                restored.damaged.append(sha256)
                continue
            restored.contents += 1
            restored.bytes += size
            self._moved(restored.contents)
        return restored


def _contents(data: Path) -> Iterator[tuple[str, int]]:
    """Digest and size of every content that a copy of the tree names, by digest."""
    with open_copy(data) as (root, forget):
        for number, (key, content) in enumerate(root["library"].contents.items(), 1):
            yield key.hex(), content.filesize
            if number % BATCH == 0:
                forget()


def read_manifest(folder: Path, name: str = "") -> Manifest:
    """The newest manifest of `folder`, or the one of manifests/ that is called `name`.  Raises NoBackup."""
    path = folder / "manifests" / f"{Path(name).name}.json" if name else folder / "manifest.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if found.get("format") == FORMAT:
            return Manifest(**found)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise NoBackup(f"no backup can be read from {path}: {error}") from error
    raise NoBackup(f"{path} is of another format than {FORMAT}")


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    _make_folder(folder / "manifests")
    name = datetime.fromisoformat(manifest.made).strftime("%Y-%m-%dT%H%M%SZ")
    text = json.dumps(asdict(manifest), indent=1)
    for path in (folder / "manifests" / f"{name}.json", folder / "manifest.json"):
        unfinished = path.with_suffix(".unfinished")
        with _new_file(unfinished) as file:
            file.write(text.encode())
        unfinished.replace(path)
        _sync_folder(path.parent)


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file being written, private, durable at the end of the `with`."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _copy_first(source: Path, size: int, write: Callable[[bytes], object]) -> str:
    """Hand the first `size` bytes of a file to `write`; the SHA-256 of what there was."""
    digest = hashlib.sha256()
    with source.open("rb") as file:
        while size and (piece := file.read(min(size, 1 << 20))):
            digest.update(piece)
            write(piece)
            size -= len(piece)
    return digest.hexdigest()


def sha256_of_first(path: Path, size: int) -> str:
    """The SHA-256, in hex, of the first `size` bytes of a file."""
    return _copy_first(path, size, lambda piece: None)


def _make_folder(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
