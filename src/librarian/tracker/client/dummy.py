"""A client that keeps everything in memory, for the tests of whoever uses a client."""

import io
import time
from collections.abc import Callable
from typing import BinaryIO

from librarian.tracker.client.client import Client
from librarian.tracker.client.datastore import DataStore, FileInfoEntry
from librarian.tracker.client.errors import FileNotFound, VersionNotFound
from librarian.tracker.client.files import Readable
from librarian.tracker.client.locks import NoOpLockManager
from librarian.tracker.client.names import checked_split, versioned_name


class DummyDataStore(DataStore):
    """Files in a dictionary.  Not for large ones, nor for several threads."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.data: dict[str, bytes] = {}
        self.versions: dict[str, int] = {}
        self._clock = clock

    def add_stream(self, name: str, file: Readable) -> str:
        key, version = checked_split(name)
        current = self.versions.get(key)
        if version is not None and current is not None and current >= version:
            return versioned_name(key, current)
        if version is None:
            version = max(int(self._clock()), -1 if current is None else current + 1)
        self.data[key] = b"".join(iter(lambda: file.read(1 << 20), b""))
        self.versions[key] = version
        return versioned_name(key, version)

    def exists(self, name: str) -> bool:
        key, version = checked_split(name)
        return key in self.data and version in (None, self.versions[key])

    def file_version(self, name: str) -> int:
        key, _version = checked_split(name)
        return self.versions[self._known(key, None)]

    def file_size(self, name: str) -> int:
        key, version = checked_split(name)
        return len(self.data[self._known(key, version)])

    def get_stream(self, name: str) -> tuple[BinaryIO, str]:
        key, version = checked_split(name)
        data = self.data[self._known(key, version)]
        return io.BytesIO(data), versioned_name(key, self.versions[key])

    def delete_file(self, name: str) -> None:
        if self.exists(name):
            key, _version = checked_split(name)
            del self.data[key], self.versions[key]

    def list_files(self) -> list[FileInfoEntry]:
        return [FileInfoEntry(key, self.versions[key], len(self.data[key])) for key in sorted(self.data)]

    def _known(self, key: str, version: int | None) -> str:
        if key not in self.data:
            raise FileNotFound(key)
        if version not in (None, self.versions[key]):
            raise VersionNotFound(versioned_name(key, version or 0), self.versions[key])
        return key


class DummyClient(Client):
    """A Client whose files are in memory; neither disk nor server is touched."""

    def __init__(self) -> None:
        super().__init__(local_store=DummyDataStore(), remote_store=None, lock_manager=NoOpLockManager())
