"""The watchdog: asks the service at intervals to set silent machines OFFLINE.

Any number may run: the transaction of the service records each silence once.
"""

import logging
import threading
import time
from collections.abc import Callable

from librarian.machines.agent.interfaces import Unreachable
from librarian.machines.agent.scheduler_client import Api

log = logging.getLogger(__name__)


class Watchdog:
    """Measures how long the service has answered without a break, and sends that along.

    Machines cannot report while the service is away.  So after an outage, and after the start of the
    watchdog, no machine is set OFFLINE before one heartbeat timeout has passed.
    """

    def __init__(self, api: Api, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._monotonic = monotonic  # seconds
        self._reachable_since: float | None = None

    def check(self, judge_now: bool = False) -> list[str]:
        """One request; the host names of the machines that were set OFFLINE.

        `judge_now` leaves out how long the service has been reachable.  Raises Unreachable.
        """
        fields = {} if judge_now else {"reachable_seconds": self._reachable_seconds()}
        try:
            answer = self._api.post("/+scheduler/+watch", **fields)
        except Unreachable:
            self._reachable_since = None
            raise
        if self._reachable_since is None:
            self._reachable_since = self._monotonic()
        for hostname in answer["offline"]:
            log.warning("machine silent machine=%s", hostname)
        return list(answer["offline"])

    def _reachable_seconds(self) -> int:
        return 0 if self._reachable_since is None else int(self._monotonic() - self._reachable_since)

    def run(self, stop: threading.Event, pause_seconds: float) -> None:
        """Check every `pause_seconds` until `stop` is set."""
        while not stop.is_set():
            try:
                self.check()
            except Unreachable as error:
                log.warning("server unreachable reason=%s", error)
            stop.wait(pause_seconds)
