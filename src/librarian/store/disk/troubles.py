"""The store's errors for those of the file system."""

import errno
import logging
import os

from librarian.interfaces import LibrarianError
from librarian.log_filters import EXHAUSTED, NO_ROOM, Rarely
from librarian.store.interfaces import StoreFull, StoreTrouble, StoreUnavailable

log = logging.getLogger(__name__)
log.addFilter(Rarely(EXHAUSTED | NO_ROOM))


def trouble(error: OSError) -> StoreTrouble:
    """The byte store's error for an OSError."""
    number = error.errno or errno.EIO
    if number in NO_ROOM:
        return StoreFull(number, f"the byte store has no room: {os.strerror(number)}")
    return StoreUnavailable(number, f"the byte store is unavailable: {os.strerror(number)}")


class troubles:  # noqa: N801  # read as a function
    """Turn system errors inside into StoreFull or StoreUnavailable; the log gets the path.

    No generator: there are half a dozen of them around each upload.
    """

    def __init__(self, step: str) -> None:
        self._step = step

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and not isinstance(error, LibrarianError):
            raise logged_trouble(self._step, error) from error


def logged_trouble(step: str, error: OSError) -> StoreTrouble:
    """The store's error for a system error; the path goes to the log alone."""
    log.error("byte store trouble step=%s error=%s", step, error)
    return trouble(error)
