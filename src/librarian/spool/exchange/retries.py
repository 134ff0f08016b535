"""Second tries: how many, and the pauses before them."""

import logging

from librarian.spool.interfaces import (
    CertificateRefused,
    ExchangeError,
    FTPOSError,
    Sleep,
    TemporaryError,
    TransferDamaged,
)
from librarian.spool.settings import Target

log = logging.getLogger(__name__)

NO_SPACE = {452, 552}  # RFC 959, 4.2.2


def worth_another_try(error: ExchangeError) -> bool:
    """Whether the same step, over a new connection, may succeed."""
    if isinstance(error, CertificateRefused) or error.code in NO_SPACE:
        return False
    return isinstance(error, FTPOSError | TemporaryError | TransferDamaged)


class Tries:
    """Allows a step `count` tries, with pauses between them that double up to the target's limit."""

    def __init__(self, count: int, target: Target, sleep: Sleep) -> None:
        self._count = count
        self._target = target
        self._sleep = sleep
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what has failed so far."""
        self._left = self._count
        self._pause = self._target.backoff  # seconds

    def pause_after(self, error: ExchangeError, what: str) -> None:
        """Return when the step is to be tried again; raise `error` if it is not."""
        self._left -= 1
        if self._left <= 0 or not worth_another_try(error):
            raise error
        log.warning("Trying again in %g s, as %s failed: %s", self._pause, what, error)
        self._sleep(self._pause)
        self._pause = min(self._pause * 2, self._target.backoff_limit)
