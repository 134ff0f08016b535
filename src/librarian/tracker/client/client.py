"""What a worker uses: the files of a server, cached on this machine."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import BinaryIO, Literal, TypeVar

from librarian.quantities import parse_size
from librarian.tracker.client.cleaner import clean_cache
from librarian.tracker.client.copying import file_digest
from librarian.tracker.client.file_names import check_name, checked_split, split_name, versioned_name
from librarian.tracker.client.interfaces import FileNotFound, FiletrackerError
from librarian.tracker.client.locks import FcntlLockManager, LockManager, NoOpLockManager
from librarian.tracker.client.stores.base import DataStore, FileInfoEntry
from librarian.tracker.client.stores.local import LocalDataStore
from librarian.tracker.client.stores.remote import RemoteDataStore

log = logging.getLogger(__name__)

T = TypeVar("T")


class Client:
    """Files by name and version, from a server, through a cache, or from this machine alone.

    Called without arguments it is set up by the environment:

    ``FILETRACKER_URL``
        the server; without it the files are kept on this machine only, where any number of
        processes may share them
    ``FILETRACKER_DIR``
        the cache, or without a server the store; ``~/.filetracker-store`` if not set
    ``FILETRACKER_LOCKS_DIR``
        where the locks are, by default below that directory
    ``FILETRACKER_TOKEN``
        the token that the server wants to see, if it does
    ``FILETRACKER_CACHE_LIMIT``
        such as ``20G``; when the cache holds more, the files unused for longest go, down to half of it

    `remote_url`, `cache_dir`, `locks_dir`, `token` and `cache_limit` override these one by one.
    `local_store`, `remote_store` and `lock_manager` put others in their places; None leaves a store out.
    """

    DEFAULT_CACHE_DIR = os.path.join("~", ".filetracker-store")

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
        environ = os.environ
        if cache_dir is None:
            cache_dir = environ.get("FILETRACKER_DIR") or os.path.expanduser(self.DEFAULT_CACHE_DIR)
        remote_url = remote_url or environ.get("FILETRACKER_URL")
        locks_dir = locks_dir or environ.get("FILETRACKER_LOCKS_DIR")
        if remote_store == "auto":
            token = token or environ.get("FILETRACKER_TOKEN")
            remote_store = RemoteDataStore(remote_url, token=token) if remote_url else None
        if local_store == "auto":
            is_cache = remote_store is not None
            local_store = LocalDataStore(cache_dir, is_cache=is_cache) if cache_dir else None
        if lock_manager == "auto":
            locks_dir = locks_dir or (os.path.join(cache_dir, "locks") if cache_dir else None)
            wanted = local_store is not None and locks_dir is not None
            lock_manager = FcntlLockManager(str(locks_dir)) if wanted else NoOpLockManager()
        if local_store is None and remote_store is None:
            raise ValueError("a client needs a local store, a remote store or both")
        if cache_limit is None and environ.get("FILETRACKER_CACHE_LIMIT"):
            cache_limit = parse_size(environ["FILETRACKER_CACHE_LIMIT"], binary=True)
        self.cache_limit = cache_limit  # bytes
        self.lock_manager = lock_manager
        self.remote_store = remote_store
        self.local_store = local_store
        self._added: int | None = None  # bytes cached since the last look at the whole cache

    # Getting

    def get_file(
        self, name: str, save_to: str, add_to_cache: bool = True, force_refresh: bool = False
    ) -> str:
        """Write the file to `save_to`, in one step when it is whole; its versioned name.

        A name with a version comes from the cache if it is there (unless `force_refresh`).  A name
        without one means the newest: the server is asked, and the cache serves it only if the
        server states a digest which proves the cached file to be it.  `save_to` may be a read-only
        hard link to the cached file: replace it rather than edit it.
        Raises FileNotFound, VersionNotFound and other FiletrackerErrors; `save_to` is then untouched.
        """
        check_name(name)
        found = self._locally(name, force_refresh, lambda store: store.get_file(name, save_to))
        if found is not None:
            return found
        if self.remote_store is None:
            raise FileNotFound(name)
        if self.local_store is None or not add_to_cache:
            return self.remote_store.get_file(name, save_to)
        with self._locked(name, exclusive=True):
            # Whoever held the lock before may have fetched it meanwhile.
            if not force_refresh and (found := self._from_cache(name, save_to)):
                return found
            return self._fetch(name, save_to)

    def get_stream(
        self, name: str, force_refresh: bool = False, serve_from_cache: bool = False
    ) -> tuple[BinaryIO, str]:
        """An open binary file, the caller's to close, and its versioned name.

        As get_file(), but nothing is added to the cache unless `serve_from_cache`, which first
        fetches the file into the cache and then reads it there.  A stream from the server goes on
        by itself after a broken connection and raises DamagedTransfer at its end if it is not whole.
        """
        check_name(name)
        held = self._locally(name, force_refresh, lambda store: store.get_stream(name))
        if held is not None:
            return held
        if self.remote_store is None:
            raise FileNotFound(name)
        if not serve_from_cache or self.local_store is None:
            return self.remote_store.get_stream(name)
        with self._locked(name, exclusive=True):
            return self._stream_through_cache(name, force_refresh)

    # Asking

    def file_version(self, name: str) -> int:
        """The newest version, in seconds: the server's, or without one that of this machine.
        A version in `name` is ignored."""
        return self._authority.file_version(name)

    def file_size(self, name: str, force_refresh: bool = False) -> int:
        """Bytes.  Takes no lock: by the time you look, the file may have another size."""
        check_name(name)
        size = self._locally(name, force_refresh, lambda store: store.file_size(name), lock=False)
        if size is not None:
            return size
        if self.remote_store is None:
            raise FileNotFound(name)
        return self.remote_store.file_size(name)

    def list_local_files(self) -> list[FileInfoEntry]:
        """What the cache, or the store of this machine, holds: pairs of relative path (``d/x`` for the
        name ``/d/x``) and version time; each also has `name` and `size`."""
        return self.local_store.list_files() if self.local_store is not None else []

    def list_remote_files(
        self, version_cutoff_timestamp: int | None = None, subpath: str = "", absolute_paths: bool = False
    ) -> list[str]:
        """Names below `subpath` on the server, without leading slash, relative to `subpath` unless
        `absolute_paths`; with a cut-off (seconds) only versions that are not newer."""
        if not isinstance(self.remote_store, RemoteDataStore):
            return []
        return self.remote_store.list_names(version_cutoff_timestamp, subpath, absolute_paths)

    # Changing

    def put_file(
        self,
        name: str,
        filename: str,
        to_local_store: bool = True,
        to_remote_store: bool = True,
        compress_hint: bool = True,
    ) -> str:
        """Store the file `filename` under `name`; the versioned name of what is held there now.

        With a version in `name`, a newer one on the server stays, and its name is what comes back.
        Without one the file becomes the newest version.  The server has it before the cache does,
        so a failure leaves the cache as it was.  If only one store is configured, `to_local_store`
        and `to_remote_store` mean nothing; both False is a ValueError.
        """
        if not to_local_store and not to_remote_store:
            raise ValueError("put_file needs to_local_store, to_remote_store or both")
        check_name(name)
        with self._locked(name, exclusive=True):
            remote = self.remote_store
            if remote is None or (self.local_store is not None and not to_remote_store):
                return self._local.add_file(name, filename)
            if not isinstance(remote, RemoteDataStore):
                held = remote.add_file(name, filename, compress_hint)
                sha256 = file_digest(filename) if split_name(name)[1] in (None, split_name(held)[1]) else None
            else:
                held, sha256 = remote.add_file_checked(name, filename, compress_hint)
            if sha256 is not None and to_local_store and self.local_store is not None:
                self._make_way(held, sha256, is_newest=True)
                self._store_file(held, filename)
            return held

    def delete_file(self, name: str) -> None:
        """Forget the name here and on the server; with a version, only if that is the newest."""
        check_name(name)
        if self.local_store is not None:
            with self.lock_manager.lock_for(name) as lock:
                lock.lock_exclusive()
                self.local_store.delete_file(name)
                lock.close(delete=True)
        if self.remote_store is not None:
            self.remote_store.delete_file(name)

    # How it is done

    @property
    def _authority(self) -> DataStore:
        return self.remote_store if self.remote_store is not None else self._local

    @property
    def _local(self) -> DataStore:
        assert self.local_store is not None  # the constructor insists on one store
        return self.local_store

    @contextmanager
    def _locked(self, name: str, exclusive: bool = False) -> Iterator[None]:
        if self.local_store is None:
            yield
            return
        with self.lock_manager.lock_for(name) as lock:
            if exclusive:
                lock.lock_exclusive()
            else:
                lock.lock_shared()
            yield

    @contextmanager
    def _forgiving(self, name: str) -> Iterator[None]:
        """Trouble with the cache is no reason to fail while there is a server to ask."""
        try:
            yield
        except (FiletrackerError, OSError):
            if self.remote_store is None:
                raise
            log.warning("cache cannot serve name=%s", name, exc_info=True)

    def _may_serve(self, name: str, force_refresh: bool) -> bool:
        """Whether what is on this machine is right without asking: the version says which it is,
        or there is nobody to ask."""
        return self.remote_store is None or (split_name(name)[1] is not None and not force_refresh)

    def _locally(
        self, name: str, force_refresh: bool, serve: Callable[[DataStore], T], *, lock: bool = True
    ) -> T | None:
        """What `serve` makes of the local store, if that has the file and may be relied on."""
        store = self.local_store
        if store is None or not self._may_serve(name, force_refresh):
            return None
        locked = self._locked(name) if lock else nullcontext()
        with locked, self._forgiving(name):
            if store.exists(name):
                return serve(store)
        return None

    def _from_cache(self, name: str, save_to: str) -> str | None:
        """The cached file if it is certainly what the server would send."""
        assert self.remote_store is not None
        unversioned, version = checked_split(name)
        if version is None:
            if not self._local.exists(unversioned):
                return None
            fact = self.remote_store.describe(unversioned)
            name = versioned_name(unversioned, fact.version)
            if fact.sha256 is None or not self._holds(name, fact.sha256):
                return None
        with self._forgiving(name):
            if self._local.exists(name):
                return self._local.get_file(name, save_to)
        return None

    def _holds(self, name: str, sha256: str) -> bool:
        unversioned, version = split_name(name)
        try:
            held = self._local.describe(unversioned)
        except FileNotFound:
            return False
        return (held.version, held.sha256) == (version, sha256)

    def _fetch(self, name: str, save_to: str) -> str:
        assert self.remote_store is not None
        if not isinstance(self.remote_store, RemoteDataStore):
            found = self.remote_store.get_file(name, save_to)
            self._store_file(found, save_to)
            return found
        found, sha256 = self.remote_store.get_file_checked(name, save_to)
        with self._forgiving(found):
            self._make_way(found, sha256, is_newest=split_name(name)[1] is None)
            if isinstance(self.local_store, LocalDataStore):
                self.local_store.take_file(found, save_to, sha256)
                self._keep_to_limit(os.path.getsize(save_to))
            else:
                self._store_file(found, save_to)
        return found

    def _store_file(self, found: str, filename: str) -> None:
        with self._forgiving(found):
            self._local.add_file(found, filename)
            self._keep_to_limit(os.path.getsize(filename))

    def _stream_through_cache(self, name: str, force_refresh: bool) -> tuple[BinaryIO, str]:
        assert self.remote_store is not None
        unversioned, version = split_name(name)
        if force_refresh:
            self._local.delete_file(unversioned)
        if version is None:
            fact = self.remote_store.describe(unversioned)
            self._make_way(versioned_name(unversioned, fact.version), fact.sha256, is_newest=True)
            with suppress(FileNotFound):
                return self._local.get_stream(versioned_name(unversioned, fact.version))
        stream, found = self.remote_store.get_stream(name)
        if self._local.exists(unversioned):  # a newer version is cached, which is wanted more often
            return stream, found
        with stream:
            self._local.add_stream(found, stream)
        self._keep_to_limit(self._local.file_size(found))
        return self._local.get_stream(found)

    def _make_way(self, found: str, sha256: str | None, is_newest: bool) -> None:
        """Drop what is cached if the server has just shown that it is not this version, or that
        there is no such newer version (any more)."""
        unversioned, version = checked_split(found)
        with suppress(FileNotFound):
            held = self._local.describe(unversioned)
            is_other = held.version == version and (sha256 is None or held.sha256 != sha256)
            if is_other or (is_newest and version is not None and held.version > version):
                self._local.delete_file(unversioned)

    def _keep_to_limit(self, added: int) -> None:
        """Count what this client adds; look at the whole cache only when that may have filled it."""
        store = self.local_store
        if self.cache_limit is None or not isinstance(store, LocalDataStore) or not store.is_cache:
            return
        self._added = None if self._added is None else self._added + added
        if self._added is None or self._added > self.cache_limit:
            self._added = clean_cache(store, self.lock_manager, self.cache_limit).bytes_kept
