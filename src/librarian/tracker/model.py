"""The subtree ``tracker``: names with their present versions, and past versions.

A version is a value, not a persistent object: it never changes, and it lies in the bucket of the BTree beside
its name.  So listing a hundred thousand names loads the buckets and no object for each name.  It needs no
services either; callers get it as a FileVersion.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from BTrees.OOBTree import OOBTree
from persistent import Persistent

from librarian.library.model.files import FileHolds
from librarian.tracker.interfaces import EmptyDirectory, FileVersion, NameConflict, Overwrite
from librarian.tree.indexes import SmallOOBTree, make_small, nodes_on_the_way
from librarian.tree.subtree import Subtree, store_new_class_names


class StoredVersion(NamedTuple):
    """One version of one name, as it is stored: digests as bytes, times in seconds."""

    version: int  # seconds
    size: int  # bytes
    sha256: bytes
    alias_id: int
    stored: int  # seconds
    owner: str  # the id of the principal who put it
    packed_id: int  # an alias of the same bytes as gzip; 0: there is none
    packed_size: int  # bytes
    packed_sha256: bytes

    def prevails(self, version: int | None, rule: Overwrite) -> bool:
        """Whether this version stays when `version` is put by `rule`; None is a put without a version."""
        if version is None or rule is Overwrite.ALWAYS:
            return False
        return self.version > version or (rule is Overwrite.IF_NEWER and self.version == version)

    def described(self, path: str) -> FileVersion:
        """This version as the present one of the name ``/<path>``."""
        return FileVersion(
            name=f"/{path}",
            version=self.version,
            size=self.size,
            sha256=self.sha256.hex(),
            packed_sha256=self.packed_sha256.hex() if self.packed_id else None,
            packed_size=self.packed_size,
            stored=datetime.fromtimestamp(self.stored, UTC),
            owner=self.owner,
        )


class PastVersion(NamedTuple):
    """A version that was overwritten or deleted."""

    file: StoredVersion
    superseded: int  # seconds
    deleted: bool

    def described(self, path: str) -> FileVersion:
        """This version as a past one of the name ``/<path>``."""
        superseded = datetime.fromtimestamp(self.superseded, UTC)
        return replace(self.file.described(path), superseded=superseded, deleted=self.deleted)


class Directory(Persistent):
    """The mark of a directory: files lie below its path, or once did.

    It makes concurrent writers conflict.  A transaction that puts a new file ``a`` and one that puts
    ``a/b`` and so makes the directory ``a`` write the same key; one of them is retried and then refused.
    A transaction that puts another file below ``a`` reads the mark in such a way that it fails if the mark
    is written meanwhile; see close().
    """

    closed = False
    gone = False  # a file has taken its path

    def close(self) -> None:
        """Announce, in a transaction before it, that a file is to take the path of this empty directory.

        A put below it that began earlier then fails and is retried; one that begins later reopens the
        directory, which conflicts with the put of the file.  So one path is never both.
        """
        self.closed = True


class TrackerSubtree(Persistent):
    """All names.  Paths have no leading slash here; ``""`` is the top directory."""

    def __init__(self) -> None:
        self._entries = SmallOOBTree()  # path -> StoredVersion | Directory
        self._past = OOBTree()  # path, NUL, serial number -> PastVersion; no path has a NUL
        self.holds = FileHolds()  # the aliases of all versions, each for its name and version

    # Reading

    def get(self, path: str) -> StoredVersion | None:
        """The present version of a name."""
        found = self._entries.get(path)
        return found if isinstance(found, StoredVersion) else None

    def objects_behind(self, path: str) -> list[bytes]:
        """The _p_oid of each stored object that get() reads: while none changes, it returns the same."""
        return [self._p_oid, *nodes_on_the_way(self._entries, path)]

    def past(self, path: str) -> list[PastVersion]:
        """The past versions of a name, the latest first."""
        return [past for _key, past in reversed(self.past_items(path))]

    def files(self, directory: str) -> Iterator[tuple[str, StoredVersion]]:
        """Relative path and version of every file below `directory`, by path."""
        prefix = _prefix(directory)
        for path, found in self._between(*_below(directory)):
            if isinstance(found, StoredVersion):
                yield path[len(prefix) :], found

    def has_files(self, directory: str) -> bool:
        """Whether a file lies below the directory."""
        return next(self.files(directory), None) is not None

    def children(self, directory: str, after: str = "") -> Iterator[tuple[str, StoredVersion | None]]:
        """Name and version (None: a directory) of the direct children of `directory`, by name.

        It skips what lies deeper, so its time is proportional to the number of children.
        """
        prefix, (low, high) = _prefix(directory), _below(directory)
        if after:
            low = self._behind(f"{prefix}{after}")
        while (path := self._next_file(low, high)) is not None:
            name, slash, _deeper = path[len(prefix) :].partition("/")
            yield name, None if slash else self._entries[path]
            low = f"{prefix}{name}0" if slash else f"{path}\0"

    def _behind(self, path: str) -> str:
        """The first path behind a file, or behind everything below a directory ("0" follows "/" in ASCII)."""
        return f"{path}0" if self.has_files(path) else f"{path}\0"

    def _between(self, low: str, high: str | None) -> Iterator[tuple[str, StoredVersion | Directory]]:
        if high is None:  # excludemax would leave out the last key
            return iter(self._entries.items(low))
        return iter(self._entries.items(low, high, excludemax=True))

    def _next_file(self, low: str, high: str | None) -> str | None:
        for path, found in self._between(low, high):
            if isinstance(found, StoredVersion):
                return str(path)
        return None

    def all_past(self, after: str = "") -> Iterator[tuple[str, PastVersion]]:
        """Key and version of all past versions, by name and age, from behind the key `after`."""
        return iter(self._past.items(after, excludemin=bool(after)))

    # Writing

    def put(self, path: str, file: StoredVersion, now: int) -> None:
        """Make `file` the present version of `path`; the former one becomes a past version.

        `now` in seconds.  Raises NameConflict, and EmptyDirectory where close_directory() must be
        committed first.
        """
        self._require_directories(path)
        found = self._entries.get(path)
        if isinstance(found, Directory):
            self._replace_directory(path, found)
        elif found is not None:
            self._add_past(path, PastVersion(found, now, False))
        self._entries[path] = file

    def close_directory(self, path: str) -> None:
        """Prepare for put() that raised EmptyDirectory; see Directory.close()."""
        found = self._entries.get(path)
        if isinstance(found, Directory):
            found.close()

    def delete(self, path: str, now: int) -> None:
        """Make the present version of a name a past one.  Raises KeyError if there is none."""
        file = self._entries.pop(path)
        self._add_past(path, PastVersion(file, now, True))

    def forget(self, key: str) -> None:
        """Remove a past version by its key, and release its aliases."""
        file = self._past.pop(key).file
        reason = hold_reason(key.partition("\0")[0], file.version)
        for alias_id in (file.alias_id, file.packed_id):
            if alias_id:
                self.holds.release(alias_id, reason)

    def past_items(self, path: str) -> list[tuple[str, PastVersion]]:
        """The past versions of a name with their keys for forget(), the earliest first."""
        return list(self._past.items(f"{path}\0", f"{path}\1", excludemax=True))

    def _add_past(self, path: str, past: PastVersion) -> None:
        earlier = self.past_items(path)
        number = 1 + int(earlier[-1][0].rpartition("\0")[2]) if earlier else 0
        self._past[f"{path}\0{number:012d}"] = past

    def _require_directories(self, path: str) -> None:
        parts = path.split("/")[:-1]
        for end in range(1, len(parts) + 1):
            directory = "/".join(parts[:end])
            found = self._entries.get(directory)
            if isinstance(found, StoredVersion):
                raise NameConflict(f"/{path}", f"/{directory}")
            if found is None:
                self._entries[directory] = Directory()
            elif found.closed:
                found.closed = False
            elif self._p_jar is not None and found._p_jar is not None:
                self._p_jar.readCurrent(found)

    def _replace_directory(self, path: str, directory: Directory) -> None:
        if self.has_files(path):
            raise NameConflict(f"/{path}", f"/{path}/")
        if not directory.closed:
            raise EmptyDirectory(path)
        directory.gone = True  # a write, so that it conflicts: see Directory.close()


def _prefix(directory: str) -> str:
    return f"{directory}/" if directory else ""


def _below(directory: str) -> tuple[str, str | None]:
    """The range of paths below a directory: "0" is the character after "/"."""
    return (f"{directory}/", f"{directory}0") if directory else ("", None)


def hold_reason(path: str, version: int) -> str:
    """The reason under which the aliases of a version are held."""
    return f"/{path}@{version}"


FORMER_NAMES = {
    "librarian.tracker.model.Held": StoredVersion,
    "librarian.tracker.model.Past": PastVersion,
    "librarian.tracker.model.TrackerBranch": TrackerSubtree,
}


def make_indexes_small(subtree: TrackerSubtree) -> None:
    """Copy the names and their holds, of which each put writes one, into BTrees with smaller buckets."""
    make_small(subtree, ("_entries",))
    make_small(subtree.holds, ("_keys",))


STEPS = (store_new_class_names, store_new_class_names, make_indexes_small)

subtree = Subtree("tracker", TrackerSubtree, STEPS, FORMER_NAMES)
