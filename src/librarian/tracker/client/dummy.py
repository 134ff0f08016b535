"""A client whose files are in memory, for tests of programs that use a client."""

import io
import time
from collections.abc import Callable
from typing import BinaryIO

from librarian.tracker.client.client import Client
from librarian.tracker.client.copying import Readable
from librarian.tracker.client.interfaces import FileNotFound, VersionNotFound
from librarian.tracker.client.locks import NoOpLockManager
from librarian.tracker.client.stores.base import DataStore, FileInfoEntry
from librarian.tracker.client.versioned_names import checked_split, versioned_name


class DummyDataStore(DataStore):
    """Files in a dictionary; not for large files, nor for several threads."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.data: dict[str, bytes] = {}
        self.versions: dict[str, int] = {}
        self._clock = clock

    def add_stream(self, name: str, file: Readable) -> str:
        path, version = checked_split(name)
        current = self.versions.get(path)
        if version is not None and current is not None and current >= version:
            return versioned_name(path, current)
        if version is None:
            version = max(int(self._clock()), -1 if current is None else current + 1)
        self.data[path] = b"".join(iter(lambda: file.read(1 << 20), b""))
        self.versions[path] = version
        return versioned_name(path, version)

    def exists(self, name: str) -> bool:
        path, version = checked_split(name)
        return path in self.data and version in (None, self.versions[path])

    def file_version(self, name: str) -> int:
        path, _version = checked_split(name)
        return self.versions[self._known(path, None)]

    def file_size(self, name: str) -> int:
        path, version = checked_split(name)
        return len(self.data[self._known(path, version)])

    def get_stream(self, name: str) -> tuple[BinaryIO, str]:
        path, version = checked_split(name)
        data = self.data[self._known(path, version)]
        return io.BytesIO(data), versioned_name(path, self.versions[path])

    def delete_file(self, name: str) -> None:
        if self.exists(name):
            path, _version = checked_split(name)
            del self.data[path], self.versions[path]

    def list_files(self) -> list[FileInfoEntry]:
        return [
            FileInfoEntry(path, float(self.versions[path]), len(self.data[path]))
            for path in sorted(self.data)
        ]

    def _known(self, path: str, version: int | None) -> str:
        if path not in self.data:
            raise FileNotFound(path)
        if version not in (None, self.versions[path]):
            raise VersionNotFound(versioned_name(path, version or 0), self.versions[path])
        return path


class DummyClient(Client):
    """A Client whose files are in memory; neither disk nor server is touched."""

    def __init__(self) -> None:
        super().__init__(local_store=DummyDataStore(), remote_store=None, lock_manager=NoOpLockManager())
