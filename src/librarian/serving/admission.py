"""How many connections a process may have, and what it does when it can have no more.

A connection has a descriptor, and while a file is sent or received one more.  Where accept() itself
finds none left, it would fail again at once, for as long as a client waits to be accepted.
"""

import logging
import resource
import time
from typing import Any

from librarian.log_filters import EXHAUSTED, Rarely

log = logging.getLogger(__name__)
log.addFilter(Rarely())

CONNECTIONS = 2000  # with waitress's own 100, sixteen idle browsers keep all others out for two minutes
BESIDE_CONNECTIONS = 100  # descriptors: of the listeners, the tree, the logs, and what the threads work with
FEWEST = 8  # connections that are let in whatever the limit of descriptors is
PAUSE_SECONDS = 0.5


def allow_descriptors(connections: int) -> int:
    """Raise the soft limit, which is 1024 for most, to what so many connections need, or as far as may
    be; how many connections there can be then, `connections` at most."""
    wanted = 2 * connections + BESIDE_CONNECTIONS
    obtained = _raise_limit(wanted)
    allowed = max((min(obtained, wanted) - BESIDE_CONNECTIONS) // 2, FEWEST)
    if allowed < connections:
        log.warning("fewer connections than wanted descriptors=%d connections=%d", obtained, allowed)
    return allowed


def _raise_limit(wanted: int) -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    higher = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (higher, hard))
    except (OSError, ValueError) as error:
        log.warning("limit of descriptors stays soft=%d error=%s", soft, error)
        return soft
    return higher


class Admission:
    """Lets connections in for one of waitress's listeners, unless there is no descriptor for them."""

    def __init__(self, listener: Any) -> None:
        self._accept = listener.accept
        self._readable = listener.readable
        self._paused_until = 0.0
        listener.accept = self.accept
        listener.readable = self.readable

    def accept(self) -> Any:
        try:
            return self._accept()
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            log.error("no descriptors left, accepting pauses error=%s", error)
            return None

    def readable(self) -> bool:
        return time.monotonic() >= self._paused_until and bool(self._readable())
