"""Keeping caches below a size."""

import glob
import logging
import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from librarian.tracker.client.interfaces import FiletrackerError, NotACache
from librarian.tracker.client.locks import FcntlLockManager, LockManager
from librarian.tracker.client.stores.base import FileInfoEntry
from librarian.tracker.client.stores.local import LocalDataStore

log = logging.getLogger(__name__)

KEEP_PERCENT = 50.0
_LEFTOVER_SECONDS = 24 * 3600  # a draft of this age was left by a killed process


@dataclass(frozen=True, slots=True)
class Cleaning:
    """The result of cleaning one cache."""

    bytes_found: int
    bytes_kept: int
    files_removed: int
    files_busy: int  # kept because they were locked


def clean_cache(
    store: LocalDataStore,
    locks: LockManager,
    limit: int,
    keep_percent: float = KEEP_PERCENT,
    *,
    dry_run: bool = False,
) -> Cleaning:
    """If the cache holds more than `limit` bytes, remove files until `keep_percent` of it is left.

    Files are removed in the order of their last use, of equally old ones the larger first.  A locked file
    is kept; a program that has a removed file open can read on.  Raises NotACache for a directory without
    CACHEDIR.TAG.
    """
    if not store.is_tagged:
        raise NotACache(store.root)
    entries = sorted(store.list_files(), key=lambda entry: (_last_used(store, entry), -entry.size))
    found = kept = sum(entry.size for entry in entries)
    removed = busy = 0
    enough = limit * keep_percent / 100 if found > limit else found
    for entry in entries:
        if kept <= enough:
            break
        if dry_run or _remove(store, locks, entry):
            kept -= entry.size
            removed += 1
        else:
            busy += 1
    message = "cache cleaned dir=%s found=%d kept=%d removed=%d busy=%d"
    log.info(message, store.root, found, kept, removed, busy)
    return Cleaning(found, kept, removed, busy)


class CacheCleaner:
    """Cleans several caches, once or at intervals.

    `glob_cache_dirs` are patterns of cache directories; `cache_size_limit` (bytes) holds for each.
    `locks_dir`, if the clients were given one, must be given here too.
    """

    def __init__(
        self,
        cache_size_limit: int,
        glob_cache_dirs: Iterable[str],
        scan_interval: float = 600.0,  # seconds
        percent_cleaning_level: float = KEEP_PERCENT,
        locks_dir: str | None = None,
    ) -> None:
        self.cache_size_limit = cache_size_limit
        self.glob_cache_dirs = list(glob_cache_dirs)
        self.scan_interval = scan_interval
        self.percent_cleaning_level = percent_cleaning_level
        self.locks_dir = locks_dir

    def clean(self, *, dry_run: bool = False) -> dict[str, Cleaning]:
        """Clean each cache once; returns the result for each directory.  Raises NotACache."""
        results = {}
        for pattern in self.glob_cache_dirs:
            for path in sorted(glob.glob(os.path.expanduser(pattern))):
                if not os.path.isdir(os.path.join(path, "files")):
                    raise NotACache(path)
                store = LocalDataStore(path, is_cache=True)
                locks = FcntlLockManager(self.locks_dir or os.path.join(path, "locks"))
                results[path] = clean_cache(
                    store, locks, self.cache_size_limit, self.percent_cleaning_level, dry_run=dry_run
                )
                if not dry_run:
                    remove_leftovers(store)
        return results

    def run(self, stop: threading.Event) -> None:
        """Clean now and after each interval until `stop` is set; errors are logged, not raised."""
        while not stop.is_set():
            try:
                self.clean()
            except (FiletrackerError, OSError):
                log.exception("cache cleaning failed")
            stop.wait(self.scan_interval)


def remove_leftovers(store: LocalDataStore) -> int:
    """Remove drafts that killed processes left; returns how many."""
    removed = 0
    for entry in os.scandir(store.incoming):
        with suppress(FileNotFoundError):
            if entry.stat().st_ctime < time.time() - _LEFTOVER_SECONDS:
                os.unlink(entry.path)
                removed += 1
    return removed


def _last_used(store: LocalDataStore, entry: FileInfoEntry) -> float:
    used = store.records.last_used(entry.name)
    return entry.mtime if used is None else used


def _remove(store: LocalDataStore, locks: LockManager, entry: FileInfoEntry) -> bool:
    lock = locks.lock_for(entry.name)
    try:
        if not lock.try_lock_exclusive():
            return False
        store.drop(entry.name)
        lock.close(delete=True)
        return True
    finally:
        lock.close()
