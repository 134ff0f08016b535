"""Manifests: the backups in a folder, and for each the length of its part of the tree's copy.

    DIR/tree/Data.fs          all transactions up to the last backup
    DIR/bytes/ab/cd/<sha256>  laid out as a disk store; without those of backups that left them in a bucket
    DIR/manifests/<time>.json one for each backup, written last
    DIR/manifest.json         the newest of them

A manifest names its copy of the tree, as a folder may get a second one: see treecopy.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Any, BinaryIO, get_origin

from librarian import durable
from librarian.library.backup.interfaces import NoBackup
from librarian.tree.copying import Copy

log = logging.getLogger(__name__)

FORMAT = 1
BATCH = 1000  # contents between two clearings of the connection's cache


@dataclass
class Manifest:
    """The manifest of one backup; sizes in bytes, digests in hex."""

    format: int
    made: str  # RFC 3339
    last_transaction: str  # hex
    tree_size: int  # of the first bytes of its copy of the tree
    tree_sha256: str
    contents: int = 0
    bytes: int = 0
    contents_sha256: str = ""  # of all their digests, ascending, a line each
    copied: int = 0  # contents that the backup before had not
    damaged: list[str] = field(default_factory=list)  # contents the library itself had no sound bytes of
    copy: str = "Data.fs"  # the name of its copy in tree/
    mark: str = ""  # the random mark of this backup in the tree; empty in older manifests
    proven: bool = False  # whether the copy was compared with the tree; older versions did not
    bytes_at: str = ""  # s3://..., where the bytes were left; empty: they are in bytes/
    good_until: str = ""  # RFC 3339; until then no sweep removes bytes that were left


class ContentsDigest:
    """Counts contents, and makes the digest of their digests."""

    def __init__(self) -> None:
        self.number = 0
        self._digest = hashlib.sha256()

    def add(self, sha256: str) -> None:
        """Count a content and add its digest, 64 hex digits; digests must come in ascending order."""
        self.number += 1
        self._digest.update(f"{sha256}\n".encode())

    def hexdigest(self) -> str:
        """The SHA-256 of all digests so far, a line each."""
        return self._digest.hexdigest()


def contents_of(copy: Copy) -> Iterator[tuple[str, int]]:
    """Digest and size of every content that a copy of the tree names, by digest."""
    for number, (key, content) in enumerate(copy.root["library"].contents.items(), 1):
        yield key.hex(), content.filesize
        if number % BATCH == 0:
            copy.forget()


def read_manifest(folder: Path, name: str = "") -> Manifest:
    """The newest manifest of `folder`, or the one of manifests/ that is called `name`.  Raises NoBackup."""
    return _read(folder / "manifests" / f"{Path(name).name}.json" if name else folder / "manifest.json")


def _read(path: Path) -> Manifest:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if found.get("format") == FORMAT:
            return _checked(Manifest(**{**found, "copy": Path(found.get("copy", "Data.fs")).name}))
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise NoBackup(f"no backup can be read from {path}: {error}") from error
    raise NoBackup(f"{path} is of another format than {FORMAT}")


def _checked(manifest: Manifest) -> Manifest:
    """The manifest, if each field is of the kind it is declared with.  Raises TypeError."""
    for each in fields(Manifest):
        if type(getattr(manifest, each.name)) is not (get_origin(each.type) or each.type):
            raise TypeError(f"{each.name} is not what it should be")
    return manifest


def all_manifests(folder: Path) -> list[Manifest]:
    """Every manifest of a folder.  Raises NoBackup if one of them cannot be read."""
    return [_read(path) for path in [*folder.glob("manifest.json"), *folder.glob("manifests/*.json")]]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest durably, under both names."""
    make_own_folder(folder / "manifests")
    name = _free_name(folder / "manifests", datetime.fromisoformat(manifest.made))
    text = json.dumps(asdict(manifest), indent=1)
    for path in (folder / "manifests" / f"{name}.json", folder / "manifest.json"):
        unfinished = path.with_suffix(".unfinished")
        with new_file(unfinished) as file:
            file.write(text.encode())
        unfinished.replace(path)
        durable.sync_directory(str(path.parent))


def _free_name(manifests: Path, made: datetime) -> str:
    """The time, which later backups of that second get a number behind that sorts after it."""
    time = made.strftime("%Y-%m-%dT%H%M%SZ")
    others = (f"{time}_{number}" for number in count(2))
    return next(name for name in chain([time], others) if not (manifests / f"{name}.json").exists())


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file being written, private, durable at the end of the `with`."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def read_part(path: Path, start: int, end: int, take: Callable[[bytes], object]) -> None:
    """Hand the bytes of a file from `start` to `end` to `take`, as far as there are any."""
    with path.open("rb") as file:
        file.seek(start)
        while start < end and (piece := file.read(min(end - start, 1 << 20))):
            take(piece)
            start += len(piece)


def make_folder(path: Path) -> None:
    """Make a folder durably.  One that exists keeps its mode, which its owner has set."""
    durable.make_directories(str(path.absolute()))


def make_own_folder(path: Path) -> None:
    """Make a folder within a folder of backups, mode 0700; one that an older version left open is closed."""
    make_folder(path)
    path.chmod(durable.DIRECTORY_MODE)
