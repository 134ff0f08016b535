"""Files on their way into a spool."""

import io
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from zope.interface import implementer

from librarian.spool.interfaces import IFileStore, ISpoolWriter, SpoolError


class SpoolFile(io.BufferedWriter):
    """A file in `tmp`: takes bytes, and text as UTF-8; durable once close() has returned."""

    def __init__(self, path: Path) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        super().__init__(io.FileIO(fd, "w"))
        self.path = path

    def write(self, data: Any, /) -> int:
        return super().write(data.encode() if isinstance(data, str) else data)

    def close(self) -> None:
        if self.closed:
            return
        try:
            self.flush()
            os.fsync(self.fileno())
        finally:
            super().close()


@implementer(ISpoolWriter)
class SpoolWriter:
    """Writes to a temporary file in `tmp`, and holds a reservation of its final name in `new`.

    With `replace` there is no reservation: the last writer to commit wins."""

    def __init__(self, store: IFileStore, name: str, *, replace: bool) -> None:
        self.name = name
        self.replace = replace
        self._store = store
        self._reservation = None if replace else store.reserve(name)
        try:
            self._temp = store.unfinished()
            self._file = SpoolFile(self._temp)
        except BaseException:
            self._release()
            raise
        self._decided = False
        self._joined = False

    def write(self, data: bytes | str) -> int:
        if isinstance(data, str):
            data = data.encode()
        self._file.write(data)
        return len(data)

    def join(self, transaction_manager: Any) -> Self:
        self._refuse_second_decision()
        transaction_manager.get().join(Delivery(self, transaction_manager))
        self._joined = True
        return self

    def commit(self) -> None:
        self._refuse_second_decision()
        self._file.close()
        self._store.deliver(self._temp, self.name, replace=self.replace)
        self._decide()

    def abort(self) -> None:
        if self._decided:
            return
        self._decide()
        self._file.close()
        self._temp.unlink(missing_ok=True)

    def _decide(self) -> None:
        self._decided = True
        self._release()

    def _release(self) -> None:
        if self._reservation is not None:
            self._reservation.release()

    def _refuse_second_decision(self) -> None:
        if self._decided:
            raise SpoolError(f"{self.name!r} has been delivered or aborted already")
        if self._joined:
            raise SpoolError(f"{self.name!r} is delivered or aborted by its transaction")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()
        elif self._joined:
            self._file.close()
        else:
            self._commit_or_abort()

    def _commit_or_abort(self) -> None:
        """Deliver, or abort if that fails.  The name may be numbered: a program that does not know of
        reservations may have taken ours meanwhile."""
        self._refuse_second_decision()
        try:
            self.prepare(check=False)
            self.finish()
        except BaseException:
            self.abort()
            raise

    # For the two-phase commit.

    def position(self) -> int:
        """The number of bytes written, all of them given to the operating system."""
        if self._decided:
            return 0
        if not self._file.closed:
            self._file.flush()
        return self._temp.stat().st_size

    def rewind(self, position: int) -> None:
        """Cut the file to `position` bytes."""
        if self._decided:
            return
        if self._file.closed:
            os.truncate(self._temp, position)
            return
        self._file.seek(position)
        self._file.truncate()

    def prepare(self, *, check: bool = True) -> None:
        """Make the bytes durable and check the name, so that finish() succeeds."""
        if self._decided:  # aborted by an exception that the caller has handled
            return
        self._file.close()
        if check:
            self._store.check_free(self.name, "new", replace=self.replace)

    def finish(self) -> None:
        """Let the file appear.  If the name was taken since prepare(), under a numbered one."""
        if self._decided:
            return
        self._store.deliver(self._temp, self.name, replace=self.replace, numbered=True)
        self._decide()


class Delivery:
    """The writer's part in a two-phase commit (transaction.interfaces.ISavepointDataManager).

    It sorts last: a file leaves for the partner only when all other participants have committed.  A crash
    between the others' commit and ours leaves the file in `tmp`, where the reaper finds it.
    """

    def __init__(self, writer: SpoolWriter, transaction_manager: Any) -> None:
        self.transaction_manager = transaction_manager
        self._writer = writer

    def sortKey(self) -> str:
        """As transaction's IDataManager has it: after the tree, which votes first."""
        return f"~librarian.spool:{self._writer.name}:{id(self)}"

    def abort(self, transaction: Any) -> None:
        """The transaction is given up: discard the file in `tmp`."""
        self._writer.abort()

    def tpc_begin(self, transaction: Any) -> None:
        """Nothing to do before the vote."""

    def commit(self, transaction: Any) -> None:
        """The bytes are in `tmp` already."""

    def tpc_vote(self, transaction: Any) -> None:
        """Make the bytes durable.  Raises OSError, and nothing of the transaction happens."""
        self._writer.prepare()

    def tpc_finish(self, transaction: Any) -> None:
        """Give the file its final name."""
        self._writer.finish()

    def tpc_abort(self, transaction: Any) -> None:
        """The two-phase commit failed: discard the file."""
        self._writer.abort()

    def savepoint(self) -> "Savepoint":
        """As transaction's ISavepointDataManager has it."""
        return Savepoint(self._writer)


class Savepoint:
    """The file as it was at one moment of the transaction."""

    def __init__(self, writer: SpoolWriter) -> None:
        self._writer = writer
        self._position = writer.position()

    def rollback(self) -> None:
        """Cut off what was written since."""
        self._writer.rewind(self._position)
