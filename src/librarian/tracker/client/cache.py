"""The local side of a client: a store, the locks between the processes that use it, and a limit."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import TypeVar

from librarian.tracker.client.cleaner import clean_cache
from librarian.tracker.client.interfaces import FileNotFound, FiletrackerError
from librarian.tracker.client.locks import LockManager
from librarian.tracker.client.stores.base import DataStore
from librarian.tracker.client.stores.local import LocalDataStore
from librarian.tracker.client.versioned_names import checked_split, split_name

log = logging.getLogger(__name__)

T = TypeVar("T")


class Cache:
    """A local store under locks.

    `has_server`: the files are copies of what a server has, so trouble with the store is logged and not
    raised.  `limit` (bytes; None: no limit) is kept if the store is a LocalDataStore that is a cache.
    """

    def __init__(
        self, store: DataStore, locks: LockManager, *, has_server: bool, limit: int | None = None
    ) -> None:
        self.store = store
        self._locks = locks
        self._has_server = has_server
        self._limit = limit
        self._added: int | None = None  # bytes added since the size of the whole cache was last measured

    @contextmanager
    def locked(self, name: str, *, exclusive: bool = False) -> Iterator[LockManager.Lock]:
        """The lock of the name, held within the `with`."""
        with self._locks.lock_for(name) as lock:
            take = lock.lock_exclusive if exclusive else lock.lock_shared
            take()
            yield lock

    @contextmanager
    def tolerated(self, name: str) -> Iterator[None]:
        """Log FiletrackerErrors and OSErrors of the store if there is a server to ask instead."""
        try:
            yield
        except (FiletrackerError, OSError):
            if not self._has_server:
                raise
            log.warning("cache cannot serve name=%s", name, exc_info=True)

    def serve(self, name: str, read: Callable[[DataStore], T], *, lock: bool = True) -> T | None:
        """read(store) if the store has the file; None if not, or if the cache failed."""
        with self.locked(name) if lock else nullcontext(), self.tolerated(name):
            if self.store.exists(name):
                return read(self.store)
        return None

    def has(self, versioned_name: str, sha256: str) -> bool:
        """Whether the store has this very version with this digest."""
        unversioned, version = split_name(versioned_name)
        try:
            cached = self.store.describe(unversioned)
        except FileNotFound:
            return False
        return (cached.version, cached.sha256) == (version, sha256)

    def add(self, versioned_name: str, filename: str) -> None:
        """Copy a file into the store."""
        with self.tolerated(versioned_name):
            self.store.add_file(versioned_name, filename)
            self.keep_to_limit(os.path.getsize(filename))

    def add_download(self, versioned_name: str, filename: str, sha256: str) -> None:
        """As add(), for a file that was just downloaded: it is linked rather than copied if possible."""
        if not isinstance(self.store, LocalDataStore):
            self.add(versioned_name, filename)
            return
        self.store.take_file(versioned_name, filename, sha256)
        self.keep_to_limit(os.path.getsize(filename))

    def drop_outdated(self, versioned_name: str, sha256: str | None, *, is_newest: bool) -> None:
        """Remove the cached file if an answer of the server has shown that it is wrong.

        The answer was that this version has this digest (None: it stated none), and with `is_newest` that
        no greater version exists (any longer).
        """
        unversioned, version = checked_split(versioned_name)
        with suppress(FileNotFound):
            cached = self.store.describe(unversioned)
            differs = cached.version == version and (sha256 is None or cached.sha256 != sha256)
            if differs or (is_newest and version is not None and cached.version > version):
                self.store.delete_file(unversioned)

    def delete(self, name: str) -> None:
        """Remove the file and its lock; with a version in `name`, only if that is the cached one."""
        with self.locked(name, exclusive=True) as lock:
            self.store.delete_file(name)
            lock.close(delete=True)

    def keep_to_limit(self, added: int) -> None:
        """Clean the cache if the bytes added since it was last measured may have filled it."""
        store = self.store
        if self._limit is None or not isinstance(store, LocalDataStore) or not store.is_cache:
            return
        self._added = None if self._added is None else self._added + added
        if self._added is None or self._added > self._limit:
            self._added = clean_cache(store, self._locks, self._limit).bytes_kept
