"""The client of a tracker: everything here needs the standard library and urllib3, nothing else.

Client is what a program uses; the stores and lock managers are for those who put it together
themselves.
"""

from librarian.tracker.client.cleaner import CacheCleaner, Cleaning, clean_cache
from librarian.tracker.client.client import Client
from librarian.tracker.client.dummy import DummyClient, DummyDataStore
from librarian.tracker.client.interfaces import (
    DamagedFile,
    DamagedTransfer,
    FileNotFound,
    FiletrackerError,
    InvalidName,
    NameConflict,
    NotACache,
    ProtocolMismatch,
    RemoteError,
    RemoteUnavailable,
    VersionChanged,
    VersionNotFound,
)
from librarian.tracker.client.locks import FcntlLockManager, LockManager, NoOpLockManager
from librarian.tracker.client.stores.base import DataStore, Fact, FileInfoEntry
from librarian.tracker.client.stores.local import LocalDataStore
from librarian.tracker.client.stores.remote import RemoteDataStore
from librarian.tracker.client.versioned_names import check_name, split_name, versioned_name

__all__ = [
    "CacheCleaner",
    "Cleaning",
    "Client",
    "DamagedFile",
    "DamagedTransfer",
    "DataStore",
    "DummyClient",
    "DummyDataStore",
    "Fact",
    "FcntlLockManager",
    "FileInfoEntry",
    "FileNotFound",
    "FiletrackerError",
    "InvalidName",
    "LocalDataStore",
    "LockManager",
    "NameConflict",
    "NoOpLockManager",
    "NotACache",
    "ProtocolMismatch",
    "RemoteDataStore",
    "RemoteError",
    "RemoteUnavailable",
    "VersionChanged",
    "VersionNotFound",
    "check_name",
    "clean_cache",
    "split_name",
    "versioned_name",
]
