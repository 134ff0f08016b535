"""A FileStorage whose name, pack and index are durable, as its commits are: a crash loses none of them.

ZODB's FileStorage syncs commits alone.
"""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from persistent.TimeStamp import TimeStamp
from zc.lockfile import LockFile
from ZODB.FileStorage.FileStorage import FileStorageError, RedundantPackWarning
from ZODB.POSException import ReadOnlyError
from ZODB.utils import z64

from librarian.durable import close_to_others, sync_directory, sync_file
from librarian.tree.filestorage.checksums import sum_of, with_room, with_sum
from librarian.tree.filestorage.crash_recovery import beside, settle
from librarian.tree.filestorage.full_disk import RESERVE, RoomyFile, telling_full
from librarian.tree.filestorage.index_file import save_index, why_unfit
from librarian.tree.filestorage.transactions import LENGTH, RECORD

log = logging.getLogger(__name__)

WORTH_AN_INDEX = 100  # bytes; FileStorage believes no index of less

SUFFIXES = ("", ".index", ".lock", ".tmp", ".old", ".pack")  # of the files that FileStorage has


class DataFile(RoomyFile):
    """The FileStorage at `path`, made where there never was one.

    Raises TreeMissing where there was one, and LockError if another process has it.
    """

    # Of FileStorage, which has no types.
    _pack_is_in_progress: bool
    _file: Any
    _tfile: Any
    _ude: Any
    _transaction: Any
    _closed = False

    def __init__(self, path: Path, **options: Any) -> None:
        path = path.absolute()
        if not options.get("read_only"):
            lock = LockFile(f"{path}.lock")
            try:
                settle(path)
            finally:
                lock.close()  # FileStorage takes it itself; a process that takes it first finds all settled
        super().__init__(str(path), **options)
        self._close_to_others()
        if all(found.name.startswith((path.name, RESERVE)) for found in path.parent.iterdir()):
            close_to_others(path.parent)  # nothing but the tree is in this directory

    def _close_to_others(self) -> None:
        """Set the files' mode to 0600: ZODB and older versions of this package made them by the umask."""
        for suffix in SUFFIXES:
            close_to_others(beside(self._path, suffix))

    @property
    def _path(self) -> Path:
        return Path(self._file_name)

    def pack(self, t: float, referencesf: Any, gc: bool | None = None) -> None:
        """As FileStorage's, but at each moment the name is that of a whole file that is on the disk.

        No commit comes between the last one that was packed and the moment at which the packed file is
        durable under the name.  The file of before stays, as ``.old``, where the file system has links.
        """
        if self._is_read_only:
            raise ReadOnlyError()
        stop = TimeStamp(*time.gmtime(t)[:5], t % 60).raw()
        if stop == z64:
            raise FileStorageError("Invalid pack time")
        if not self._index:
            return
        with telling_full(), self._packing():
            beside(self._path, ".old").unlink(missing_ok=True)
            try:
                packed = self.packer(self, referencesf, stop, self._pack_gc if gc is None else gc)
            except RedundantPackWarning as detail:
                log.info("nothing to pack reason=%s", detail)
                return
            if packed is None:
                return
            try:
                self._take(*packed)
            finally:
                self._commit_lock.release()  # acquired by the packer
            with self._lock:
                self._save_index()

    def _begin(self, tid: bytes, user: bytes, description: bytes, extension: bytes) -> None:
        extension = with_room(extension)
        self._ude = user, description, extension
        super()._begin(tid, user, description, extension)

    def tpc_vote(self, transaction: Any) -> Any:
        with telling_full(), self._lock:
            if transaction is self._transaction:
                user, description, extension = self._ude
                self._ude = user, description, with_sum(extension, sum_of(self._records_to_come()))
            return super().tpc_vote(transaction)

    def _records_to_come(self) -> Iterator[tuple[bytes, bytes]]:
        """Object id and data of each record of the transaction that is being committed."""
        end = self._tfile.tell()
        self._tfile.seek(0)
        while self._tfile.tell() < end:
            oid, _tid, _previous, _begin, _version, length = RECORD.unpack(self._tfile.read(RECORD.size))
            data = self._tfile.read(length or LENGTH.size)
            yield oid, data if length else b""
        self._tfile.seek(end)

    def close(self) -> None:
        # FileStorage saves its index after it has released the lock: another process may have the file then.
        if not self._file.closed:
            with self._lock:
                self._save_index()
            self._closed = True
        super().close()

    def _save_index(self) -> None:
        """Save the index; an error is logged only, as the next start can build the index anew."""
        if self._is_read_only or self._closed or self._pos < WORTH_AN_INDEX:
            return
        try:
            save_index(self._index, self._pos, beside(self._path, ".index"), self._path)
        except OSError as error:
            log.warning("index not saved path=%s error=%s", self._path, error)
        self._close_to_others()

    def _restore_index(self) -> Any:
        """The index that was saved, with its position and transaction; None to build it anew."""
        path = beside(self._path, ".index")
        if not path.exists():
            return None
        why = why_unfit(path, self._path)
        found = None if why else super()._restore_index()
        if found is None:
            log.warning("index rebuilt path=%s reason=%s", path, why or "it does not fit the file")
        return found

    @contextmanager
    def _packing(self) -> Iterator[None]:
        with self._lock:
            if self._pack_is_in_progress:
                raise FileStorageError("Already packing")
            self._pack_is_in_progress = True
        try:
            yield
        finally:
            with self._lock:
                self._pack_is_in_progress = False

    def _take(self, size: int, index: Any) -> None:
        """Put the packed file in the place of this one."""
        path, packed = self._path, beside(self._path, ".pack")
        try:
            sync_file(packed)
        except OSError:
            packed.unlink()
            raise
        self._clear_index()  # the index would describe another file
        self._keep_old()
        sync_directory(path.parent)
        with self._files.write_lock(), self._lock:
            self._files.empty()
            self._file.close()
            try:
                packed.replace(path)
            finally:
                self._file = open(path, "r+b")  # noqa: SIM115, PTH123  # for as long as the storage is open
            self._initIndex(index, self._tindex)
            self._pos = size
            sync_directory(path.parent)

    def _keep_old(self) -> None:
        """Give the file a second name: two renames would leave a moment without the first one."""
        try:
            os.link(self._path, beside(self._path, ".old"))
        except OSError as error:
            log.warning("the tree of before the pack is not kept error=%s", error)
