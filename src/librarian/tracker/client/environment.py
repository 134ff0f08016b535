"""The settings of a client: the arguments that it was given, else the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from librarian.quantities import parse_size
from librarian.tracker.client.locks import FcntlLockManager, LockManager, NoOpLockManager
from librarian.tracker.client.stores.base import DataStore
from librarian.tracker.client.stores.local import LocalDataStore
from librarian.tracker.client.stores.remote import RemoteDataStore

DEFAULT_DIRECTORY = "~/.filetracker-store"


@dataclass(frozen=True)
class ClientSettings:
    """The places of files, locks and the server; an empty directory or URL means that there is none."""

    directory: str
    url: str
    locks: str
    token: str | None
    cache_limit: int | None  # bytes

    @classmethod
    def of(
        cls,
        environ: Mapping[str, str],
        *,
        directory: str | None,
        url: str | None,
        locks: str | None,
        token: str | None,
        cache_limit: int | None,
    ) -> Self:
        """An argument that is None or, but for `directory`, empty is taken from the environment.

        Raises ValueError for a FILETRACKER_CACHE_LIMIT that is no size.
        """
        if directory is None:
            directory = environ.get("FILETRACKER_DIR") or os.path.expanduser(DEFAULT_DIRECTORY)
        if cache_limit is None and (stated := environ.get("FILETRACKER_CACHE_LIMIT")):
            cache_limit = parse_size(stated, binary=True)
        return cls(
            directory=directory,
            url=url or environ.get("FILETRACKER_URL", ""),
            locks=locks or environ.get("FILETRACKER_LOCKS_DIR") or (directory and f"{directory}/locks"),
            token=token or environ.get("FILETRACKER_TOKEN"),
            cache_limit=cache_limit,
        )

    def remote_store(self) -> RemoteDataStore | None:
        """The store of the server; None without a URL."""
        return RemoteDataStore(self.url, token=self.token) if self.url else None

    def local_store(self, *, is_cache: bool) -> LocalDataStore | None:
        """The store in the directory; None without one."""
        return LocalDataStore(self.directory, is_cache=is_cache) if self.directory else None

    def lock_manager(self, local_store: DataStore | None) -> LockManager:
        """Locks for what `local_store` holds; without one there is nothing to lock."""
        return FcntlLockManager(self.locks) if local_store is not None and self.locks else NoOpLockManager()
