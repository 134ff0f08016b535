"""A FileStorage that asks its files for nothing that it has just written.

FileStorage gathers a transaction in a file and reads back the header of each object that is stored anew, to
see that it was not changed meanwhile: three system calls for an object, and at each of them other threads
may take the interpreter.  Here a transaction is gathered in memory, and what was stored last is remembered.
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any

from ZODB.FileStorage import FileStorage
from ZODB.FileStorage.FileStorage import TempFormatter
from ZODB.FileStorage.format import DataHeader

GATHERED = 1 << 20  # bytes of a transaction in memory; a larger one goes on in a file without a name
TRACE = b"A tree of librarian was here; its transactions are gathered in memory.\n"
MOST_REMEMBERED = 1 << 14  # objects, 200 bytes each


class RememberingFile(FileStorage):
    """Remembers the transactions of the objects that were stored last."""

    # Of FileStorage, which has no types.
    _lock: Any
    _tindex: Any
    _file_name: str

    def __init__(self, path: str, **options: Any) -> None:
        self._serials: dict[bytes, bytes] = {}  # object id -> transaction, the latest last
        self._stored: set[bytes] = set()  # ids, by store() in the transaction that is being committed
        self._expected: Any = None  # the header that store() is about to ask for
        self._leaves_trace = True  # see crash_recovery: a missing file is not taken for a new one
        super().__init__(path, **options)
        if self._tfile is not None:
            self._gather_anew()

    def _gather_anew(self) -> None:
        with suppress(OSError):
            self._tfile.close()
        folder = str(Path(self._file_name).parent)
        self._tfile: Any = SpooledTemporaryFile(GATHERED, dir=folder)  # noqa: SIM115  # closed with the storage
        self._tfmt = TempFormatter(self._tfile)

    def store(self, oid: bytes, oldserial: bytes, data: bytes, version: str, transaction: Any) -> None:
        """As FileStorage's."""
        with self._lock:  # which FileStorage takes too
            if self._leaves_trace:
                self._leave_trace()
            if self._serials.get(oid) == oldserial:
                self._expected = DataHeader(oid, oldserial, 0, 0, 0, 0)
            try:
                super().store(oid, oldserial, data, version, transaction)
                self._stored.add(oid)
            finally:
                self._expected = None

    def _leave_trace(self) -> None:
        with suppress(OSError):
            Path(f"{self._file_name}.tmp").write_bytes(TRACE)
            self._leaves_trace = False

    def _read_data_header(self, pos: int, oid: bytes | None = None, _file: Any = None) -> Any:
        # The first question of store(), which looks at the transaction alone where there is no conflict.
        expected, self._expected = self._expected, None
        if expected is not None and _file is None and oid == expected.oid:
            return expected
        return super()._read_data_header(pos, oid, _file)

    def _finish_finish(self, tid: bytes) -> None:
        super()._finish_finish(tid)
        self._forget(self._tindex)  # also what was undone, deleted or restored
        self._serials.update(dict.fromkeys(self._stored, tid))
        if len(self._serials) > MOST_REMEMBERED:
            self._forget(list(self._serials)[: MOST_REMEMBERED // 2])

    def _forget(self, oids: Iterable[bytes]) -> None:
        for oid in oids:
            self._serials.pop(oid, None)

    def _clear_temp(self) -> None:
        self._stored.clear()
        self._tindex.clear()
        if self._tfile is None:
            return
        if self._tfile.name is not None:  # it has become a file
            self._gather_anew()  # its buffer, which perhaps cannot be written, goes with it
        else:
            self._tfile.seek(0)
