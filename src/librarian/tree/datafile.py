"""A FileStorage whose every step lasts: its name, its pack and its index, through kill -9 and power cuts.

ZODB's own fsyncs what it commits and nothing else.
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
from ZODB.FileStorage import FileStorage
from ZODB.FileStorage.FileStorage import FileStorageError, RedundantPackWarning
from ZODB.POSException import ReadOnlyError
from ZODB.utils import z64

from librarian.durable import sync_directory, sync_file
from librarian.tree.settling import beside, settle

log = logging.getLogger(__name__)


class DataFile(FileStorage):
    """The FileStorage at `path`, made where there never was one.

    Raises TreeMissing where there was one, and LockError if another process has it.
    """

    # Of FileStorage, which has no types.
    _pack_is_in_progress: bool
    _file: Any

    def __init__(self, path: Path, **options: Any) -> None:
        path = path.absolute()
        if not options.get("read_only"):
            lock = LockFile(f"{path}.lock")
            try:
                settle(path)
            finally:
                lock.close()  # FileStorage takes it itself; whoever is quicker finds all settled
        super().__init__(str(path), **options)

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
        with self._packing():
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
                self._commit_lock.release()  # the packer has taken it
            with self._lock:
                self._save_index()

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
        self._clear_index()  # it would be another file's
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
