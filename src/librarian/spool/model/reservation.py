"""A name that one writer has until its file is delivered or given up."""

import fcntl
import hashlib
import os
from pathlib import Path

from librarian.spool.interfaces import TEMP_PREFIX, NameTaken


class Reservation:
    """Keeps other writers from a name, on this machine: an empty, locked file in `tmp`.

    The kernel lets go of the lock when its holder dies, however it dies, so nobody waits for the dead.
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
            self._file.close()  # who had it removed it between our opening and our locking

    def release(self) -> None:
        """Let others have the name.  Harmless when it was released already."""
        if not self._file.closed:
            if self._is_there():
                self._path.unlink(missing_ok=True)
            self._file.close()

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self._path.lstat())
        except FileNotFoundError:
            return False
