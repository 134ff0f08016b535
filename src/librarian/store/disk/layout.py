"""The layout of the disk store: its names and folders, and the strays that do not belong there."""

import os
import re
import stat
from collections.abc import Iterator

from librarian import durable
from librarian.durable import close_to_others
from librarian.store.hashing import is_sha256
from librarian.store.interfaces import BytesNotFound

_FAN_OUT = re.compile("[0-9a-f]{2}")
# A file system keeps its own lost+found where it is mounted.
INSTALLATION = "installation"
_FOLDERS = {"incoming", "partial", "quarantine", "lost+found"}
_OWN_NAMES = {*_FOLDERS, "usage", "fresh", "fresh.taken", INSTALLATION}


def read_installation(root: str) -> str | None:
    """The id that a store's folder carries; None if it has none yet."""
    try:
        with open(os.path.join(root, INSTALLATION), encoding="ascii", errors="replace") as file:
            return file.read(200).strip()
    except FileNotFoundError:
        return None


def relative_path(sha256: str) -> str:
    """The path of a digest's bytes, below the root."""
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"


class Layout:
    """The folders under one root; `root` is absolute.

    Two levels of 256 make 65,536 leaves: a million files are 15 to a leaf, a hundred million 1,500.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.incoming = os.path.join(root, "incoming")
        self.partial = os.path.join(root, "partial")
        self.quarantine = os.path.join(root, "quarantine")
        self._settled: set[str] = set()  # folders this process knows to be durable

    def prepare(self) -> None:
        """Make the folders every store has."""
        for path in (self.root, self.incoming, self.quarantine):
            durable.make_directories(path)
            close_to_others(path)
        for name in (INSTALLATION, "usage", "fresh", "fresh.taken"):
            close_to_others(f"{self.root}/{name}")

    def require_volume(self) -> None:
        """Raise FileNotFoundError if this is no store at all, as when its volume is not mounted."""
        os.stat(self.incoming)

    def leaf(self, sha256: str) -> str:
        """The folder where the bytes of a digest are held."""
        self._check(sha256)
        return f"{self.root}/{sha256[:2]}/{sha256[2:4]}"

    def held(self, sha256: str) -> str:
        """The path of held bytes.  Only a digest gets one: anything else raises BytesNotFound."""
        self._check(sha256)
        return f"{self.root}/{relative_path(sha256)}"

    def quarantined(self, sha256: str) -> str:
        """The path of quarantined bytes."""
        self._check(sha256)
        return f"{self.quarantine}/{sha256}"

    def settle(self, sha256: str) -> None:
        """See that the leaf of a digest is there to stay: made, and durable up to the root."""
        leaf = self.leaf(sha256)
        if leaf in self._settled and os.path.isdir(leaf):
            return
        if _has_held(leaf):
            self._settled.add(leaf)
            return
        for path in (os.path.dirname(leaf), leaf):
            if path not in self._settled or not os.path.isdir(path):
                durable.make_directory(path)
                self._settled.add(path)

    def make_leaf(self, sha256: str) -> None:
        """Make the leaf of a digest if it is missing; to make it durable is left to the caller."""
        leaf = self.leaf(sha256)
        for path in (os.path.dirname(leaf), leaf) if not os.path.isdir(leaf) else ():
            durable.make_private(path)

    def walk_held(self) -> Iterator[str]:
        """The digests of held bytes, ascending; one leaf at a time in memory."""
        self.require_volume()
        for folder in self._folders(self.root):
            for leaf in self._folders(folder):
                prefix = folder[-2:] + leaf[-2:]
                yield from (name for name in _names(leaf) if _is_held(leaf, name, prefix))

    def walk_quarantine(self) -> Iterator[str]:
        """The digests of quarantined bytes, ascending."""
        yield from (name for name in _names(self.quarantine) if is_sha256(name))

    def strays(self) -> Iterator[str]:
        """Names relative to the root that no store of this kind gives."""
        for name in _names(self.root):
            if _is_fan_out(self.root, name):
                yield from self._strays_in_folder(name)
            elif name not in _OWN_NAMES:
                yield name
        yield from (f"quarantine/{name}" for name in _names(self.quarantine) if not is_sha256(name))

    def _strays_in_folder(self, folder: str) -> Iterator[str]:
        for name in _names(f"{self.root}/{folder}"):
            leaf = f"{folder}/{name}"
            if not _is_fan_out(f"{self.root}/{folder}", name):
                yield leaf
                continue
            path = f"{self.root}/{leaf}"
            yield from (f"{leaf}/{file}" for file in _names(path) if not _is_held(path, file, folder + name))

    def _folders(self, path: str) -> Iterator[str]:
        return (f"{path}/{name}" for name in _names(path) if _is_fan_out(path, name))

    @staticmethod
    def _check(sha256: str) -> None:
        if not is_sha256(sha256):
            raise BytesNotFound(sha256)


def _names(path: str) -> list[str]:
    """The names in a folder, in order; none if it has just gone."""
    try:
        return sorted(os.listdir(path))
    except FileNotFoundError:
        return []


def _has_held(leaf: str) -> bool:
    """Whether a leaf holds anything: then the leaf is durable, synced before its first file."""
    try:
        with os.scandir(leaf) as entries:
            return any(is_sha256(entry.name) for entry in entries)
    except FileNotFoundError:
        return False


def _is_fan_out(path: str, name: str) -> bool:
    return _FAN_OUT.fullmatch(name) is not None and os.path.isdir(f"{path}/{name}")


def _is_held(leaf: str, name: str, prefix: str) -> bool:
    """Whether a name in a leaf is that of held bytes: a regular file, in the place of its digest."""
    return is_sha256(name) and name.startswith(prefix) and _is_regular(f"{leaf}/{name}")


def _is_regular(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False
