"""One clock for all nodes: that of the database.

Ages are judged by the clock of the node that judges: a token, a lease of a periodic task, a file that nothing
refers to any more.  So each node compares its clock with the database's at its start and every ten minutes.
Where they are LEFT_ALONE apart, operators are told, and an IFollowingClock goes as the database's.  Less
stays: clocks under NTP are closer than that, and a comparison is no better than a commit is quick.
The collector deletes nothing on a node whose own clock is far off, as the kernel gives that time to files.
"""

import logging
import threading
from datetime import timedelta
from typing import Any

from zope.component import getUtility
from zope.interface import implementer

from librarian.clock import LEFT_ALONE, own_time
from librarian.interfaces import IClock, IFollowingClock
from librarian.operations.interfaces import IClocks
from librarian.periodic import PeriodicTask
from librarian.tree.interfaces import ITree

log = logging.getLogger(__name__)

STANDS_STILL = timedelta(microseconds=10)  # between two numbers of transactions that come of no clock
EVERY_SECONDS = 600.0  # between two comparisons, each of which commits a trifle
NO_TIME = timedelta(0)


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
                self._warning, self._compared = compare_clocks(self._tree, self._clock), now
            return self._warning

    def _is_due(self, now: float) -> bool:
        return self._compared is None or abs(now - self._compared) >= EVERY_SECONDS


def compare_clocks(tree: ITree, clock: Any) -> str:
    """What to tell operators of the clock of this node, empty for nothing; and have `clock` follow the
    database's where it can and must.  Raises what the tree raises where it cannot be written."""
    ahead = _ahead(tree, clock)
    if abs(ahead) < LEFT_ALONE:
        _follow(clock, NO_TIME)
        return ""
    followed = IFollowingClock.providedBy(clock) and _goes(tree)
    _follow(clock, -ahead if followed else NO_TIME)
    direction = "ahead of" if ahead > NO_TIME else "behind"
    what = ", which this node follows" if followed else ""
    warning = f"{abs(ahead).total_seconds():.0f} s {direction} the database's{what}; see to NTP on this node"
    log.warning("clocks differ this_node=%s", warning)
    return warning


def _ahead(tree: ITree, clock: Any) -> timedelta:
    """How far the clock of this node is ahead of the database's at least, or behind it if negative."""
    begun = own_time(clock)
    host = tree.host_time()  # between the two
    least, most = begun - host, own_time(clock) - host
    return NO_TIME if least <= NO_TIME <= most else min(least, most, key=abs)


def _goes(tree: ITree) -> bool:
    """Whether the numbers of transactions tell the time.

    They never decrease: where the clock of the database was once set to the future, they stand still until
    that time has come.
    """
    before = tree.host_time()
    return tree.host_time() - before > STANDS_STILL


def _follow(clock: Any, ahead: timedelta) -> None:
    if IFollowingClock.providedBy(clock):
        clock.follow(ahead)


def compare_at_start() -> None:
    """Compare the clocks once, in any process that works on a database that may be elsewhere."""
    tree = getUtility(ITree)
    if tree.is_elsewhere and IFollowingClock.providedBy(getUtility(IClock)):
        _Comparison().once()


def begin(event: Any) -> None:
    """Compare the clocks periodically, in every process of a server: each corrects its own."""
    if getUtility(ITree).is_elsewhere and IFollowingClock.providedBy(getUtility(IClock)):
        _Comparison().start()


class _Comparison(PeriodicTask):
    """Compares every ten minutes, also where no load balancer asks whether the node is ready."""

    def __init__(self) -> None:
        super().__init__("clock comparison", EVERY_SECONDS)
        self._tree, self._clock = getUtility(ITree), getUtility(IClock)

    def once(self) -> None:
        """Compare; a database that cannot be written is no reason to stop, nor not to start."""
        try:
            compare_clocks(self._tree, self._clock)
        except Exception as error:  # noqa: BLE001  # whatever an engine raises
            log.warning("clocks not compared error=%r", error)
