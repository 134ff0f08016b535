"""Keeping a cache below a size."""

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
_FORGOTTEN_SECONDS = 24 * 3600  # a draft or a lock file that nobody touched for so long is a left-over


@dataclass(frozen=True, slots=True)
class Cleaning:
    """What a look at one cache found and did."""

    bytes_found: int
    bytes_kept: int
    files_removed: int
    files_busy: int  # left alone because someone was using them


def clean_cache(
    store: LocalDataStore,
    locks: LockManager,
    limit: int,
    keep_percent: float = KEEP_PERCENT,
    *,
    dry_run: bool = False,
) -> Cleaning:
    """If the cache holds more than `limit` bytes, remove files until `keep_percent` of it is left.

    The file unused for longest goes first, of equally old ones the larger.  A file in use stays;
    a reader that has one open reads on.  Raises NotACache for a directory without CACHEDIR.TAG.
    """
    if not store.is_tagged:
        raise NotACache(store.root)
    entries = store.list_files()
    found = kept = sum(entry.size for entry in entries)
    removed = busy = 0
    if found > limit:
        entries.sort(key=lambda entry: (_last_used(store, entry), -entry.size))
        for entry in entries:
            if kept <= limit * keep_percent / 100:
                break
            if dry_run or _remove(store, locks, entry):
                kept -= entry.size
                removed += 1
            else:
                busy += 1
    log.info(
        "cache cleaned dir=%s found=%d kept=%d removed=%d busy=%d", store.root, found, kept, removed, busy
    )
    return Cleaning(found, kept, removed, busy)


class CacheCleaner:
    """Cleans several caches at intervals, as a process of its own does beside many workers.

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
        """Look at every cache once; the result for each directory.  Raises NotACache."""
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
        """Clean now and after each interval until `stop` is set; trouble is logged, not raised."""
        while not stop.is_set():
            try:
                self.clean()
            except (FiletrackerError, OSError):
                log.exception("cache cleaning failed")
            stop.wait(self.scan_interval)


def remove_leftovers(store: LocalDataStore) -> int:
    """Remove drafts that a killed process left behind; how many there were."""
    removed = 0
    for entry in os.scandir(store.incoming):
        with suppress(FileNotFoundError):
            if entry.stat().st_ctime < time.time() - _FORGOTTEN_SECONDS:
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
