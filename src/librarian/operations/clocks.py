"""Whether the clock of this node goes as that of the database, which all nodes share.

Ages are judged by the clock of the node that judges: a token, a lease of a periodic task, a file that nothing
refers to any more.  The collector refuses to delete where the clocks are far apart; here operators are told.
"""

import logging
import threading
from datetime import timedelta

from zope.interface import implementer

from librarian.interfaces import IClock
from librarian.operations.interfaces import IClocks
from librarian.tree.interfaces import ITree

log = logging.getLogger(__name__)

WORTH_A_WARNING = timedelta(seconds=5)  # more than a commit on a busy database takes
EVERY_SECONDS = 600.0  # between two comparisons, each of which commits a trifle


@implementer(IClocks)
class Clocks:
    """Compares this node's clock with the database's, now and then."""

    def __init__(self, tree: ITree, clock: IClock) -> None:
        self._tree = tree
        self._clock = clock
        self._lock = threading.Lock()
        self._compared: float | None = None  # monotonic
        self._warning = ""

    def warning(self) -> str:
        with self._lock:
            now = self._clock.monotonic()
            if self._tree.is_elsewhere and self._is_due(now):
                self._warning, self._compared = self._compare(), now
            return self._warning

    def _is_due(self, now: float) -> bool:
        return self._compared is None or abs(now - self._compared) >= EVERY_SECONDS

    def _compare(self) -> str:
        ahead = self._clock.now() - self._tree.host_time()
        if abs(ahead) < WORTH_A_WARNING:
            return ""
        direction = "ahead of" if ahead > timedelta(0) else "behind"
        warning = f"{abs(ahead).total_seconds():.0f} s {direction} the database's; see to NTP on this node"
        log.warning("clocks differ this_node=%s", warning)
        return warning
