"""The watchdog: now and then it has the registry look for machines that have fallen silent.

Any number may run; the registry's transactions see to it that each silence is noted once.
"""

import logging
import threading
import time
from collections.abc import Callable

from librarian.machines.agent.scheduler_client import Api, Unreachable

log = logging.getLogger(__name__)


class Watchdog:
    """Knows how long it has seen the registry answer without a break.

    Machines that could not report are not silent: after an outage, and after its own start, it
    lets one whole limit pass before anybody is judged.
    """

    def __init__(self, api: Api, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._monotonic = monotonic
        self._reachable_since: float | None = None

    def turn(self, judge_now: bool = False) -> list[str]:
        """One round; the host names of the machines set OFFLINE.  Raises Unreachable."""
        fields = {} if judge_now else {"reachable_seconds": self._reachable_seconds()}
        try:
            told = self._api.post("/+scheduler/+watch", **fields)
        except Unreachable:
            self._reachable_since = None
            raise
        if self._reachable_since is None:
            self._reachable_since = self._monotonic()
        for hostname in told["offline"]:
            log.warning("machine silent machine=%s", hostname)
        return list(told["offline"])

    def _reachable_seconds(self) -> int:
        return 0 if self._reachable_since is None else int(self._monotonic() - self._reachable_since)

    def run(self, stop: threading.Event, pause_seconds: float) -> None:
        """Rounds until `stop` is set."""
        while not stop.is_set():
            try:
                self.turn()
            except Unreachable as error:
                log.warning("registry out of reach reason=%s", error)
            stop.wait(pause_seconds)
