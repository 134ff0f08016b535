"""Operations on the files below one folder, and a disk in memory that they are done to.

An inode is a number; 0 is the folder itself.  Not modelled: modes, owners and times of files, which no
promise rests on (a sweep spares what is too young by its time, so a file whose time was lost stays longer).
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = 0


@dataclass(frozen=True)
class Data:
    """Bytes written into a file."""

    inode: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class Size:
    """A file cut off, or extended by zeros, to `size` bytes."""

    inode: int
    size: int


@dataclass(frozen=True)
class Names:
    """Directory entries that change in one step: (folder, name, inode, or None for an entry that goes).

    A rename is one step with two of them.
    """

    changes: tuple[tuple[int, str, int | None], ...]

    @property
    def folders(self) -> set[int]:
        """The directories that are changed."""
        return {folder for folder, _name, _inode in self.changes}

    @property
    def named(self) -> set[int]:
        """The inodes that get a name."""
        return {inode for _folder, _name, inode in self.changes if inode is not None}


@dataclass(frozen=True)
class Sync:
    """fsync or fdatasync of a file or a directory; of everything where `inode` is None (syncfs, sync)."""

    inode: int | None
    path: str  # relative to the folder, as it was called then


@dataclass(frozen=True)
class Said:
    """What the program has said to the world."""

    facts: dict[str, Any] = field(hash=False)


Change = Data | Size | Names
Operation = Change | Sync | Said


class Disk:
    """Files by inode, and directories by inode."""

    def __init__(self) -> None:
        self.files: dict[int, bytearray] = {}
        self.folders: dict[int, dict[str, int]] = {ROOT: {}}

    @classmethod
    def read(cls, folder: Path) -> "Disk":
        """The disk that holds what is below `folder`; two names of one file stay that."""
        disk, known = cls(), {folder.stat().st_ino: ROOT}
        for path in sorted(folder.rglob("*")):
            if not (path.is_dir() or path.is_file()):
                continue  # a socket
            number = known.setdefault(path.stat().st_ino, len(known))
            if path.is_dir():
                disk.folders[number] = {}
            else:
                disk.files[number] = bytearray(path.read_bytes())
            disk.folders[known[path.parent.stat().st_ino]][path.name] = number
        return disk

    def copy(self) -> "Disk":
        """Another with the same content."""
        other = Disk()
        other.files = {inode: bytearray(data) for inode, data in self.files.items()}
        other.folders = {inode: dict(names) for inode, names in self.folders.items()}
        return other

    def new_inode(self, *, is_folder: bool) -> int:
        """The number of a new file or directory, which has no name yet."""
        inode = 1 + max(*self.files, *self.folders, ROOT) if self.files else 1 + max(self.folders)
        if is_folder:
            self.folders[inode] = {}
        else:
            self.files[inode] = bytearray()
        return inode

    def add(self, other: "Disk") -> None:
        """Have the inodes of another, empty and without names, where they are missing here."""
        for inode in other.files:
            self.files.setdefault(inode, bytearray())
        for inode in other.folders:
            self.folders.setdefault(inode, {})

    def apply(self, change: Change) -> None:
        """Do what an operation does."""
        match change:
            case Data(inode, offset, data):
                file = self.files[inode]
                file.extend(bytes(max(offset - len(file), 0)))
                file[offset : offset + len(data)] = data
            case Size(inode, size):
                file = self.files[inode]
                del file[size:]
                file.extend(bytes(size - len(file)))
            case Names(changes):
                for folder, name, inode_or_none in changes:
                    if inode_or_none is None:
                        self.folders[folder].pop(name, None)
                    else:
                        self.folders[folder][name] = inode_or_none

    def find(self, path: str) -> int | None:
        """The inode at a path relative to the root."""
        inode: int | None = ROOT
        for name in path.split("/") if path else ():
            inode = self.folders.get(inode, {}).get(name) if inode is not None else None
        return inode

    def walk(self, folder: int = ROOT, path: str = "") -> Iterator[tuple[str, int]]:
        """Path and inode of everything that has a name, directories before what is in them."""
        for name, inode in sorted(self.folders[folder].items()):
            yield f"{path}{name}", inode
            if inode in self.folders:
                yield from self.walk(inode, f"{path}{name}/")

    def digest(self) -> bytes:
        """Equal for equal content."""
        digest = hashlib.sha256()
        for path, inode in self.walk():
            content = self.files.get(inode)
            digest.update(f"{path}\0".encode())
            digest.update(b"/" if content is None else hashlib.sha256(content).digest())
        return digest.digest()

    def write_to(self, folder: Path) -> None:
        """Make real files of it, in a folder that is missing or empty."""
        folder.mkdir(exist_ok=True)
        written: dict[int, Path] = {}
        for path, inode in self.walk():
            target = folder / path
            if inode in self.folders:
                target.mkdir(mode=0o700)
            elif inode in written:
                os.link(written[inode], target)
            else:
                target.write_bytes(self.files[inode])
                target.chmod(0o600)
                written[inode] = target
