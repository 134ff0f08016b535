"""Moving a name space to another server: from a directory tree of filetracker 1.x, or a running server.

What is copied twice is sent once: a name that the target holds in this version, or a newer one, is left
alone, so an interrupted run is simply begun again.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, TypeVar

from librarian.tracker.client.datastore import Fact
from librarian.tracker.client.errors import DamagedTransfer, FileNotFound, FiletrackerError
from librarian.tracker.client.files import file_digest
from librarian.tracker.client.names import check_name, split_name, versioned_name
from librarian.tracker.client.remote import RemoteDataStore

T = TypeVar("T")

JOBS = 4  # files on their way at the same time


class NotASource(FiletrackerError, ValueError):
    """There is nothing to migrate from; `path` is the directory that was given."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


class Outcome(Enum):
    """What became of one name."""

    COPIED = "copied"
    THERE = "already there"
    NEWER = "newer there"
    GONE = "deleted meanwhile"
    FAILED = "failed"


@dataclass
class Tally:
    """What became of all of them; `failures` are (name, reason)."""

    counts: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    bytes_copied: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)


class Source(Protocol):
    """Where names come from."""

    def names(self) -> list[str]:
        """All of them, with their leading slash."""

    def describe(self, name: str) -> Fact:
        """Version and size.  Raises FileNotFound."""

    def fetch(self, name: str, directory: str) -> tuple[str, int]:
        """The path of a file with the content, perhaps made in `directory`, and the version it is of.
        Raises FileNotFound."""


class DirectorySource:
    """What filetracker 1.x served, or kept on one machine: ``<dir>/files``, versions in the times."""

    def __init__(self, path: str) -> None:
        if os.path.isdir(os.path.join(path, "links")):
            raise NotASource(path, "this is the store of a 2.x server; start it and give its URL")
        files = os.path.join(path, "files")
        self._dir = files if os.path.isdir(files) else path
        if not os.path.isdir(self._dir):
            raise NotASource(path, "there is no such directory")

    def names(self) -> list[str]:
        return sorted(
            os.path.join(directory, filename)[len(self._dir) :]
            for directory, _directories, filenames in os.walk(self._dir)
            for filename in filenames
        )

    def describe(self, name: str) -> Fact:
        try:
            status = os.stat(self._dir + name)
        except FileNotFoundError:
            raise FileNotFound(name) from None
        return Fact(int(status.st_mtime), status.st_size)

    def fetch(self, name: str, directory: str) -> tuple[str, int]:
        return self._dir + name, self.describe(name).version


class ServerSource:
    """A server of protocol version 2."""

    def __init__(self, store: RemoteDataStore) -> None:
        self._store = store

    def names(self) -> list[str]:
        return sorted(f"/{name}" for name in self._store.list_names())

    def describe(self, name: str) -> Fact:
        return self._store.describe(name)

    def fetch(self, name: str, directory: str) -> tuple[str, int]:
        handle, path = tempfile.mkstemp(dir=directory)
        os.close(handle)
        found = split_name(self._store.get_file(name, path))[1]
        assert found is not None  # stores answer with a version
        return path, found


def migrate(
    source: Source,
    target: RemoteDataStore,
    report: Callable[[str, Outcome], None] = lambda name, outcome: None,
    *,
    expect: Callable[[int], None] = lambda count: None,
    verify: bool = False,
    below: str = "/",
    jobs: int = JOBS,
) -> Tally:
    """Copy every name of `source`, or those below a directory, to `target`.

    `expect` is told how many there are, `report` what became of each.
    Trouble with one name does not stop the others.
    Each file is checked: the target is told the digest and refuses other bytes.  What is there already
    is compared by version and size; with `verify` also by digest, which reads it at both ends.
    """
    tally, prefix = Tally(), f"/{below.strip('/')}/".replace("//", "/")
    with tempfile.TemporaryDirectory(prefix="tracker-migrate-") as scratch, ThreadPoolExecutor(jobs) as pool:
        names = [name for name in source.names() if name.startswith(prefix)]
        expect(len(names))
        work = (pool.submit(_migrate_one, source, target, name, scratch, verify) for name in names)
        for name, future in zip(names, _a_few_ahead(work, 4 * jobs), strict=True):
            outcome, size, reason = future.result()
            tally.counts[outcome] += 1
            tally.bytes_copied += size
            if reason:
                tally.failures.append((name, reason))
            report(name, outcome)
    return tally


def _a_few_ahead(work: Iterator[T], count: int) -> Iterator[T]:
    """The same, but `count` of them begun before the first is waited for, not all."""
    begun: list[T] = []
    for one in work:
        begun.append(one)
        if len(begun) >= count:
            yield begun.pop(0)
    yield from begun


def _migrate_one(
    source: Source, target: RemoteDataStore, name: str, scratch: str, verify: bool
) -> tuple[Outcome, int, str]:
    """Outcome, bytes copied, and why it failed, if it did."""
    try:
        check_name(name, allow_version=False)
        ours, theirs = source.describe(name), _fact_or_none(target, name)
        if theirs is not None and theirs.version > ours.version:
            return Outcome.NEWER, 0, ""
        is_there = theirs is not None and (theirs.version, theirs.size) == (ours.version, ours.size)
        if is_there and (not verify or _is_same(source, name, target, scratch)):
            return Outcome.THERE, 0, ""
        return _copy(source, target, name, scratch)
    except FileNotFound:
        return Outcome.GONE, 0, ""
    except (FiletrackerError, OSError) as error:
        return Outcome.FAILED, 0, str(error)


def _copy(source: Source, target: RemoteDataStore, name: str, scratch: str) -> tuple[Outcome, int, str]:
    path, version = source.fetch(name, scratch)
    try:
        size = os.path.getsize(path)
        held, sha256 = target.add_file_checked(versioned_name(name, version), path)
        if split_name(held)[1] != version:
            return Outcome.NEWER, 0, ""
        if sha256 is None:
            raise DamagedTransfer(name, "the target does not hold what was sent")
        return Outcome.COPIED, size, ""
    finally:
        _discard(path, scratch)


def _is_same(source: Source, name: str, target: RemoteDataStore, scratch: str) -> bool:
    path, _version = source.fetch(name, scratch)
    try:
        ours = file_digest(path)
    finally:
        _discard(path, scratch)
    handle, copy = tempfile.mkstemp(dir=scratch)
    os.close(handle)
    try:
        return target.get_file_checked(name, copy)[1] == ours
    finally:
        os.unlink(copy)


def _discard(path: str, scratch: str) -> None:
    if os.path.dirname(path) == scratch:
        os.unlink(path)


def _fact_or_none(store: RemoteDataStore, name: str) -> Fact | None:
    try:
        return store.describe(name)
    except FileNotFound:
        return None
