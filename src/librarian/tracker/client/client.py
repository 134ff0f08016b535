"""The client that programs use: the files of a server, cached on this machine."""

import os
from collections.abc import Callable
from typing import BinaryIO, Literal, TypeVar

from librarian.tracker.client.cache import Cache
from librarian.tracker.client.copying import file_digest
from librarian.tracker.client.environment import DEFAULT_DIRECTORY, ClientSettings
from librarian.tracker.client.interfaces import FileNotFound
from librarian.tracker.client.locks import LockManager
from librarian.tracker.client.read_through import ReadThrough
from librarian.tracker.client.stores.base import DataStore, FileInfoEntry
from librarian.tracker.client.stores.remote import RemoteDataStore
from librarian.tracker.client.versioned_names import check_name, split_name

T = TypeVar("T")


class Client:
    """Files by name and version: from a server, through a cache, or from this machine alone.

    Without arguments the environment configures it:

    ``FILETRACKER_URL``
        the server; without it files are kept on this machine only, where any number of processes may
        share them
    ``FILETRACKER_DIR``
        the cache, or without a server the store; by default ``~/.filetracker-store``
    ``FILETRACKER_LOCKS_DIR``
        the directory of the locks; by default ``locks`` in that directory
    ``FILETRACKER_TOKEN``
        the API token for the server, if it wants one
    ``FILETRACKER_CACHE_LIMIT``
        such as ``20G``; when the cache holds more, the files unused for longest are removed, down to half

    `remote_url`, `cache_dir`, `locks_dir`, `token` and `cache_limit` (bytes) override these one by one; an
    empty `cache_dir` means no cache.  `local_store`, `remote_store` and `lock_manager` replace the parts;
    None leaves a store out.  Raises ValueError if neither store is left.
    """

    DEFAULT_CACHE_DIR = DEFAULT_DIRECTORY

    def __init__(
        self,
        local_store: DataStore | Literal["auto"] | None = "auto",
        remote_store: DataStore | Literal["auto"] | None = "auto",
        lock_manager: LockManager | Literal["auto"] = "auto",
        cache_dir: str | None = None,
        remote_url: str | None = None,
        locks_dir: str | None = None,
        *,
        token: str | None = None,
        cache_limit: int | None = None,
    ) -> None:
        settings = ClientSettings.of(
            os.environ,
            directory=cache_dir,
            url=remote_url,
            locks=locks_dir,
            token=token,
            cache_limit=cache_limit,
        )
        self.remote_store = settings.remote_store() if remote_store == "auto" else remote_store
        is_cache = self.remote_store is not None
        self.local_store = settings.local_store(is_cache=is_cache) if local_store == "auto" else local_store
        self.lock_manager = (
            settings.lock_manager(self.local_store) if lock_manager == "auto" else lock_manager
        )
        self.cache_limit = settings.cache_limit
        self._cache = self._local_side()

    def _local_side(self) -> Cache | None:
        if self.local_store is None:
            if self.remote_store is None:
                raise ValueError("a client needs a local store, a remote store or both")
            return None
        has_server = self.remote_store is not None
        return Cache(self.local_store, self.lock_manager, has_server=has_server, limit=self.cache_limit)

    # Reading

    def get_file(
        self, name: str, save_to: str, add_to_cache: bool = True, force_refresh: bool = False
    ) -> str:
        """Write the file to `save_to`, in one step when it is complete; returns the versioned name.

        A name with a version is served from the cache if that has the version (unless `force_refresh`).
        A name without one means the newest version: the server is asked, and the cached file is used only
        if the server states a digest and the cached file has it.  `save_to` may become a read-only hard
        link to the cached file: a program should replace it rather than edit it.
        Raises FileNotFound, VersionNotFound and other FiletrackerErrors; `save_to` is then unchanged.
        """
        check_name(name)
        found = self._served_locally(name, force_refresh, lambda store: store.get_file(name, save_to))
        if found is not None:
            return found
        remote = self._server(name)
        if self._cache is None or not add_to_cache:
            return remote.get_file(name, save_to)
        with self._cache.locked(name, exclusive=True):
            return ReadThrough(self._cache, remote).get_file(name, save_to, force_refresh=force_refresh)

    def get_stream(
        self, name: str, force_refresh: bool = False, serve_from_cache: bool = False
    ) -> tuple[BinaryIO, str]:
        """An open binary file, which the caller closes, and its versioned name.

        As get_file(), but nothing is added to the cache unless `serve_from_cache`: then the file is fetched
        into the cache and read there.  A stream from the server resumes after a broken connection, and
        raises DamagedTransfer at its end if it is not complete.
        """
        check_name(name)
        opened = self._served_locally(name, force_refresh, lambda store: store.get_stream(name))
        if opened is not None:
            return opened
        remote = self._server(name)
        if self._cache is None or not serve_from_cache:
            return remote.get_stream(name)
        with self._cache.locked(name, exclusive=True):
            return ReadThrough(self._cache, remote).get_stream(name, force_refresh=force_refresh)

    def file_version(self, name: str) -> int:
        """The newest version, in seconds: the server's, or without a server that of this machine.

        A version in `name` is ignored.
        """
        return self._authority.file_version(name)

    def file_size(self, name: str, force_refresh: bool = False) -> int:
        """The size in bytes.  It takes no lock, so the file may change meanwhile."""
        check_name(name)
        size = self._served_locally(name, force_refresh, lambda store: store.file_size(name), lock=False)
        return self._server(name).file_size(name) if size is None else size

    def list_local_files(self) -> list[FileInfoEntry]:
        """The files of the cache, or of the store of this machine.

        Each entry is a pair of relative path (``d/x`` for the name ``/d/x``) and version, with the
        attributes `name` and `size`.
        """
        return [] if self._cache is None else self._cache.store.list_files()

    def list_remote_files(
        self, version_cutoff_timestamp: int | None = None, subpath: str = "", absolute_paths: bool = False
    ) -> list[str]:
        """The names below `subpath` on the server, without leading slash; [] without a server.

        They are relative to `subpath` unless `absolute_paths`; with a cut-off (seconds) only those whose
        version is not greater.
        """
        if not isinstance(self.remote_store, RemoteDataStore):
            return []
        return self.remote_store.list_names(version_cutoff_timestamp, subpath, absolute_paths)

    # Writing

    def put_file(
        self,
        name: str,
        filename: str,
        to_local_store: bool = True,
        to_remote_store: bool = True,
        compress_hint: bool = True,
    ) -> str:
        """Store the file `filename` under `name`; returns the versioned name that is held now.

        With a version in `name`, a greater one on the server stays, and its name is returned.  Without one
        the file becomes the newest version.  The server gets the file before the cache does, so the cache
        is unchanged after a failure.  With one store only, `to_local_store` and `to_remote_store` have no
        effect; both False is a ValueError.
        """
        if not (to_local_store or to_remote_store):
            raise ValueError("put_file needs to_local_store, to_remote_store or both")
        check_name(name)
        cache = self._cache
        if cache is None:
            return _send(self._server(name), name, filename, compress_hint)[0]
        with cache.locked(name, exclusive=True):
            if self.remote_store is None or not to_remote_store:
                return cache.store.add_file(name, filename)
            held, sha256 = _send(self.remote_store, name, filename, compress_hint)
            if sha256 is not None and to_local_store:
                cache.drop_outdated(held, sha256, is_newest=True)
                cache.add(held, filename)
            return held

    def delete_file(self, name: str) -> None:
        """Delete the file here and on the server; with a version in `name`, only if that is the newest."""
        check_name(name)
        if self._cache is not None:
            self._cache.delete(name)
        server = self.remote_store
        if server is not None:
            server.delete_file(name)

    @property
    def _authority(self) -> DataStore:
        """The store whose newest version counts."""
        store = self.local_store if self.remote_store is None else self.remote_store
        assert store is not None  # the constructor demands one of them
        return store

    def _server(self, name: str) -> DataStore:
        """The remote store.  Raises FileNotFound where there is none to ask for `name`."""
        if self.remote_store is None:
            raise FileNotFound(name)
        return self.remote_store

    def _served_locally(
        self, name: str, force_refresh: bool, read: Callable[[DataStore], T], *, lock: bool = True
    ) -> T | None:
        """read(local store), if that has the file and is right without asking the server.

        It is if there is no server, or if `name` has a version.
        """
        is_certain = self.remote_store is None or (split_name(name)[1] is not None and not force_refresh)
        return self._cache.serve(name, read, lock=lock) if self._cache is not None and is_certain else None


def _send(remote: DataStore, name: str, filename: str, compress_hint: bool) -> tuple[str, str | None]:
    """Put a file to a store; the versioned name it holds now, and the digest if that is this file."""
    if isinstance(remote, RemoteDataStore):
        return remote.add_file_checked(name, filename, compress_hint)
    held = remote.add_file(name, filename, compress_hint)
    is_ours = split_name(name)[1] in (None, split_name(held)[1])
    return held, file_digest(filename) if is_ours else None
