"""The reservation of a name in `new` for one writer, until its file is delivered or aborted."""

import fcntl
import hashlib
import os
from pathlib import Path

from librarian.spool.interfaces import TEMP_PREFIX, NameTaken


class Reservation:
    """Keeps other writers from a name, on this machine: an empty, locked file in `tmp`.

    The kernel releases the lock when its holder ends, also by a signal, so a dead writer blocks no name.
    Raises NameTaken if another writer has the name.
    """

    def __init__(self, tmp: Path, name: str) -> None:
        self._path = tmp / f"{TEMP_PREFIX}{hashlib.sha256(name.encode()).hexdigest()[:32]}.name"
        while True:
            self._file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), "r+b")
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._file.close()
                raise NameTaken(name, "tmp") from None
            if self._is_there():
                return
            self._file.close()  # its holder removed the file between our open() and our flock()

    def release(self) -> None:
        """End the reservation.  Does nothing if it has ended already."""
        if not self._file.closed:
            if self._is_there():
                self._path.unlink(missing_ok=True)
            self._file.close()

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self._path.lstat())
        except FileNotFoundError:
            return False
