"""The store's errors for those of the file system."""

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def troubles(step: str) -> Iterator[None]:
    """Turn system errors inside into StoreFull or StoreUnavailable; the log gets the path."""
    try:
        yield
    except LibrarianError:
        raise
    except OSError as error:
        raise logged_trouble(step, error) from error


def logged_trouble(step: str, error: OSError) -> StoreTrouble:
    """The store's error for a system error; the path goes to the log alone."""
    log.error("byte store trouble step=%s error=%s", step, error)
    return trouble(error)
