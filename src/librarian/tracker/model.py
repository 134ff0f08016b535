"""What the tracker keeps in the tree: names, their present versions, and their past ones."""

from collections.abc import Iterator
from typing import NamedTuple

from BTrees.OOBTree import OOBTree
from persistent import Persistent

from librarian.library.model.files import FileHolds
from librarian.tracker.interfaces import NameConflict
from librarian.tree.subtree import Subtree, store_new_class_names


class Held(NamedTuple):
    """A version in the tree: small, and stored in the bucket beside its name, so that listing a
    hundred thousand names loads no object of each."""

    version: int  # seconds
    size: int  # bytes
    sha256: bytes
    alias_id: int
    stored: int  # seconds
    owner: str
    packed_id: int  # an alias of the same bytes as gzip; 0: there is none
    packed_size: int  # bytes
    packed_sha256: bytes


class Past(NamedTuple):
    """A version that was replaced or deleted."""

    held: Held
    superseded: int  # seconds
    deleted: bool


class Directory(Persistent):
    """Says that files lie below a path, or once did.

    It is here for concurrent writers.  Whoever puts a new file ``a`` and whoever makes the directory
    ``a`` write the same key, so one of them is tried again and refused.  And whoever puts ``a/b``
    declares that it relies on the marker of ``a`` being as it saw it; see close().
    """

    closed = False
    gone = False  # a file stands in its place now

    def close(self) -> None:
        """Announce, in a transaction of its own, that an empty directory shall become a file.

        A put below it that began earlier then fails and is tried again; one that begins later sees
        this and reopens it, which conflicts with the file being put.  So there is never both.
        """
        self.closed = True


class EmptyDirectory(Exception):
    """A file is to be put where no file lies below any more; the directory must be closed first."""


class TrackerSubtree(Persistent):
    """All names.  Paths here have no leading slash; ``""`` is the top directory."""

    def __init__(self) -> None:
        self._entries = OOBTree()  # path -> Held | Directory
        self._past = OOBTree()  # path + NUL + number in order -> Past; no path holds a NUL
        self.holds = FileHolds()  # the aliases of all of them, each for its name and version

    # Looking

    def get(self, path: str) -> Held | None:
        found = self._entries.get(path)
        return found if isinstance(found, Held) else None

    def past(self, path: str) -> list[Past]:
        """What the name held before, the latest first."""
        return [past for _key, past in reversed(self._past_items(path))]

    def files(self, directory: str) -> Iterator[tuple[str, Held]]:
        """Relative path and version of every file below `directory`, by path."""
        prefix = _prefix(directory)
        for path, found in self._between(*_below(directory)):
            if isinstance(found, Held):
                yield path[len(prefix) :], found

    def has_files(self, directory: str) -> bool:
        return next(self.files(directory), None) is not None

    def children(self, directory: str, after: str = "") -> Iterator[tuple[str, Held | None]]:
        """Name and version (None: a directory) of what lies directly in `directory`, by name.

        It steps over what lies deeper, so its time is that of what it yields.
        """
        prefix, (low, high) = _prefix(directory), _below(directory)
        if after:
            low = self._behind(f"{prefix}{after}")
        while (path := self._next_file(low, high)) is not None:
            name, slash, _deeper = path[len(prefix) :].partition("/")
            yield name, None if slash else self._entries[path]
            low = f"{prefix}{name}0" if slash else f"{path}\0"

    def _behind(self, path: str) -> str:
        """Where to go on after a file, or after everything below a directory ("0" follows "/")."""
        return f"{path}0" if self.has_files(path) else f"{path}\0"

    def _between(self, low: str, high: str | None) -> Iterator[tuple[str, Held | Directory]]:
        if high is None:  # BTrees would take the last key for the one to be left out
            return iter(self._entries.items(low))
        return iter(self._entries.items(low, high, excludemax=True))

    def _next_file(self, low: str, high: str | None) -> str | None:
        for path, found in self._between(low, high):
            if isinstance(found, Held):
                return str(path)
        return None

    def all_past(self, after: str = "") -> Iterator[tuple[str, Past]]:
        """Key and version of everything past, by name and age, from behind the key `after`."""
        return iter(self._past.items(after, excludemin=bool(after)))

    # Changing

    def put(self, path: str, held: Held, now: int) -> None:
        """Hold this version under `path`; what was there is past.

        Raises NameConflict; and EmptyDirectory, when close_directory() must be committed first.
        """
        self._rely_on_directories(path)
        found = self._entries.get(path)
        if isinstance(found, Directory):
            self._replace_directory(path, found)
        elif found is not None:
            self._add_past(path, Past(found, now, False))
        self._entries[path] = held

    def close_directory(self, path: str) -> None:
        found = self._entries.get(path)
        if isinstance(found, Directory):
            found.close()

    def delete(self, path: str, now: int) -> None:
        """What the name held is past; the name must be there."""
        held = self._entries.pop(path)
        self._add_past(path, Past(held, now, True))

    def forget(self, key: str) -> None:
        """Let go of something past; nothing refers to its aliases any more."""
        held = self._past.pop(key).held
        reason = hold_reason(key.partition("\0")[0], held.version)
        for alias_id in (held.alias_id, held.packed_id):
            if alias_id:
                self.holds.release(alias_id, reason)

    def past_keys(self, path: str) -> list[tuple[str, Past]]:
        """Keys for forget(), the earliest first."""
        return self._past_items(path)

    def _past_items(self, path: str) -> list[tuple[str, Past]]:
        return list(self._past.items(f"{path}\0", f"{path}\1", excludemax=True))

    def _add_past(self, path: str, past: Past) -> None:
        earlier = self._past_items(path)
        number = 1 + int(earlier[-1][0].rpartition("\0")[2]) if earlier else 0
        self._past[f"{path}\0{number:012d}"] = past

    def _rely_on_directories(self, path: str) -> None:
        parts = path.split("/")[:-1]
        for end in range(1, len(parts) + 1):
            directory = "/".join(parts[:end])
            found = self._entries.get(directory)
            if isinstance(found, Held):
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
        directory.gone = True  # written on purpose: see Directory.close()


TrackerBranch = TrackerSubtree  # the name under which older databases have it


def _prefix(directory: str) -> str:
    return f"{directory}/" if directory else ""


def _below(directory: str) -> tuple[str, str | None]:
    """The range of paths below a directory: "0" is the character after "/"."""
    return (f"{directory}/", f"{directory}0") if directory else ("", None)


def hold_reason(path: str, version: int) -> str:
    """For what an alias is held."""
    return f"/{path}@{version}"


subtree = Subtree("tracker", TrackerSubtree, (store_new_class_names,))
