"""Copying one name from a source to a server."""

import os
import tempfile
from enum import Enum

from librarian.tracker.client.copying import file_digest
from librarian.tracker.client.interfaces import DamagedTransfer, FileNotFound, FiletrackerError, RemoteError
from librarian.tracker.client.migration.sources import Source
from librarian.tracker.client.stores.base import Fact
from librarian.tracker.client.stores.remote import RemoteDataStore
from librarian.tracker.client.versioned_names import check_name, split_name, versioned_name


class Outcome(Enum):
    """The result of copying one name."""

    COPIED = "copied"
    THERE = "already there"
    NEWER = "newer there"
    GONE = "deleted meanwhile"
    FAILED = "failed"


class Mover:
    """Copies single names; threads can share it.  `scratch` is a directory for files on their way.

    A name that the target did not list at the beginning is copied without asking the target for it.
    """

    def __init__(self, source: Source, target: RemoteDataStore, scratch: str, verify: bool) -> None:
        self.source = source
        self._target = target
        self._scratch = scratch
        self._verify = verify
        self._there = frozenset(self.list_target())

    def list_target(self) -> list[str]:
        """All names at the target, with their leading slash."""
        try:
            return [f"/{name}" for name in self._target.list_names()]
        except RemoteError as error:
            if error.status not in (400, 404):  # the answers of servers that have no file yet
                raise
            return []

    def move(self, name: str) -> tuple[Outcome, int, str]:
        """The outcome, the bytes copied, and the reason of a failure.  GONE: the source did not find it."""
        try:
            check_name(name, allow_version=False)
            ours, theirs = self.source.describe(name), self._fact_there(name)
            if theirs is not None and theirs.version > ours.version:
                return Outcome.NEWER, 0, ""
            is_there = theirs is not None and (theirs.version, theirs.size) == (ours.version, ours.size)
            if is_there and (not self._verify or self._is_same(name)):
                return Outcome.THERE, 0, ""
            return self._copy(name)
        except FileNotFound:
            return Outcome.GONE, 0, ""
        except (FiletrackerError, OSError) as error:
            return Outcome.FAILED, 0, str(error)

    def _copy(self, name: str) -> tuple[Outcome, int, str]:
        path, version = self.source.fetch(name, self._scratch)
        try:
            size = os.path.getsize(path)
            held, sha256 = self._target.add_file_checked(versioned_name(name, version), path)
            if split_name(held)[1] != version:
                return Outcome.NEWER, 0, ""
            if sha256 is None:
                raise DamagedTransfer(name, "the target does not have the bytes that were sent")
            return Outcome.COPIED, size, ""
        finally:
            self._discard(path)

    def _is_same(self, name: str) -> bool:
        path, _version = self.source.fetch(name, self._scratch)
        try:
            ours = file_digest(path)
        finally:
            self._discard(path)
        handle, copy = tempfile.mkstemp(dir=self._scratch)
        os.close(handle)
        try:
            return self._target.get_file_checked(name, copy)[1] == ours
        except FileNotFound:  # deleted at the target since it was described
            return False
        finally:
            os.unlink(copy)

    def _discard(self, path: str) -> None:
        if os.path.dirname(path) == self._scratch:
            os.unlink(path)

    def _fact_there(self, name: str) -> Fact | None:
        if name not in self._there:
            return None
        try:
            return self._target.describe(name)
        except FileNotFound:
            return None
