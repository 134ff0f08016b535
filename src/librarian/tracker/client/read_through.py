"""Reading a server's files through the cache: what was fetched once is served from this machine."""

from contextlib import suppress
from typing import BinaryIO

from librarian.tracker.client.cache import Cache
from librarian.tracker.client.interfaces import FileNotFound
from librarian.tracker.client.stores.base import DataStore
from librarian.tracker.client.stores.remote import RemoteDataStore
from librarian.tracker.client.versioned_names import checked_split, split_name, versioned_name


class ReadThrough:
    """A server behind a cache.  The caller holds the exclusive lock of the name.

    A cached file is served for a name without a version only if the server states a digest and the cached
    file has it; for a name with a version, if the cache has this version.
    """

    def __init__(self, cache: Cache, remote: DataStore) -> None:
        self._cache = cache
        self._remote = remote

    def get_file(self, name: str, save_to: str, *, force_refresh: bool) -> str:
        """Write the file to `save_to`, and add it to the cache; returns the versioned name."""
        # Another process may have fetched the file while this one waited for the lock.
        if not force_refresh and (found := self._cached(name, save_to)):
            return found
        return self._fetch(name, save_to)

    def _cached(self, name: str, save_to: str) -> str | None:
        unversioned, version = checked_split(name)
        if version is None:
            if not self._cache.store.exists(unversioned):
                return None
            fact = self._remote.describe(unversioned)
            name = versioned_name(unversioned, fact.version)
            if fact.sha256 is None or not self._cache.has(name, fact.sha256):
                return None
        with self._cache.tolerated(name):
            if self._cache.store.exists(name):
                return self._cache.store.get_file(name, save_to)
        return None

    def _fetch(self, name: str, save_to: str) -> str:
        if not isinstance(self._remote, RemoteDataStore):
            found = self._remote.get_file(name, save_to)
            self._cache.add(found, save_to)
            return found
        found, sha256 = self._remote.get_file_checked(name, save_to)
        with self._cache.tolerated(found):
            self._cache.drop_outdated(found, sha256, is_newest=split_name(name)[1] is None)
            self._cache.add_download(found, save_to, sha256)
        return found

    def get_stream(self, name: str, *, force_refresh: bool) -> tuple[BinaryIO, str]:
        """The cached file, open, fetched before if it is not there; and its versioned name.

        Where the cache has a greater version already the stream is the server's, as the greater one is
        more likely to be read again.
        """
        store = self._cache.store
        unversioned, version = split_name(name)
        if force_refresh:
            store.delete_file(unversioned)
        if version is None:
            with suppress(FileNotFound):
                return store.get_stream(self._newest(unversioned))
        stream, found = self._remote.get_stream(name)
        if store.exists(unversioned):
            return stream, found
        with stream:
            store.add_stream(found, stream)
        self._cache.keep_to_limit(store.file_size(found))
        return store.get_stream(found)

    def _newest(self, unversioned: str) -> str:
        """The versioned name of the server's newest version; what the cache has beside it is dropped."""
        fact = self._remote.describe(unversioned)
        newest = versioned_name(unversioned, fact.version)
        self._cache.drop_outdated(newest, fact.sha256, is_newest=True)
        return newest
