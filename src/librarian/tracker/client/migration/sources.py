"""The sources of a migration: a directory, or a running server."""

import os
import stat
import tempfile
from collections.abc import Iterator
from typing import Protocol

from librarian.tracker.client.interfaces import FileNotFound, NotAFile, NotASource
from librarian.tracker.client.stores.base import Fact
from librarian.tracker.client.stores.remote import RemoteDataStore
from librarian.tracker.client.versioned_names import split_name


class Source(Protocol):
    """A name space to copy from."""

    def names(self) -> list[str]:
        """All of them, with their leading slash, as they are now."""

    def describe(self, name: str) -> Fact:
        """Version and size.  Raises FileNotFound."""

    def fetch(self, name: str, directory: str) -> tuple[str, int]:
        """The path of a file with the content, and its version; the file may be a new one in `directory`.
        Raises FileNotFound."""


class DirectorySource(Source):
    """The files of filetracker 1.x, served or local: ``<dir>/files``, versions in the times."""

    def __init__(self, path: str) -> None:
        if os.path.isdir(os.path.join(path, "links")):
            raise NotASource(path, "this is the store of a 2.x server; start it and give its URL")
        files = os.path.join(path, "files")
        self._dir = files if os.path.isdir(files) else path
        if not os.path.isdir(self._dir):
            raise NotASource(path, "there is no such directory")

    def names(self) -> list[str]:
        return sorted(path[len(self._dir) :] for path in self._paths())

    def describe(self, name: str) -> Fact:
        try:
            status = os.stat(self._dir + name)
        except FileNotFoundError:
            raise FileNotFound(name) from None
        if stat.S_ISDIR(status.st_mode):
            raise NotAFile(name, "a link to a directory, which is not followed")
        if not stat.S_ISREG(status.st_mode):
            raise NotAFile(name, "not a regular file")
        return Fact(int(status.st_mtime), status.st_size)

    def fetch(self, name: str, directory: str) -> tuple[str, int]:
        return self._dir + name, self.describe(name).version

    def _paths(self) -> Iterator[str]:
        """The paths of files, and of links to directories: they were served too, so they are reported."""
        for directory, directories, filenames in os.walk(self._dir, onerror=_fail):
            links = [one for one in directories if os.path.islink(os.path.join(directory, one))]
            yield from (os.path.join(directory, name) for name in [*filenames, *links])


class ServerSource(Source):
    """A server of protocol version 2, without its fallback."""

    def __init__(self, store: RemoteDataStore) -> None:
        self._store = store.own()

    def names(self) -> list[str]:
        return sorted({f"/{name}" for name in self._store.list_names()})

    def describe(self, name: str) -> Fact:
        return self._store.describe(name)

    def fetch(self, name: str, directory: str) -> tuple[str, int]:
        handle, path = tempfile.mkstemp(dir=directory)
        os.close(handle)
        found = split_name(self._store.get_file(name, path))[1]
        assert found is not None  # stores answer with a version
        return path, found


def _fail(error: OSError) -> None:
    """For os.walk(): a directory that cannot be read has files that would be missed."""
    raise error
