"""Claims: a prober marks the mirrors it is probing, so that another process leaves them alone."""

import os
import secrets
import socket
from datetime import datetime, timedelta
from pathlib import Path

from librarian.mirrors.model.mirrors import DistributionMirror


class Claimer:
    """Marks mirrors as being probed by this process, so that another prober leaves them alone."""

    def __init__(self, lifetime: timedelta) -> None:
        self.token = secrets.token_hex(8)
        self._lifetime = lifetime
        self._process = _this_process()

    def claim(self, mirror: DistributionMirror, now: datetime) -> bool:
        """Take the mirror, unless another live process has it; whether it is taken."""
        if mirror.claim is not None:
            _token, until, process = mirror.claim
            # Twice the lifetime away is what a clock that was wrong has left behind.
            if now < until < now + 2 * self._lifetime and not _is_dead(process):
                return False
        mirror.claim = (self.token, now + self._lifetime, self._process)
        return True

    def holds(self, mirror: DistributionMirror) -> bool:
        """Whether the claim is still this process's: another may have taken the mirror over meanwhile."""
        return mirror.claim is not None and mirror.claim[0] == self.token


def _this_process() -> str:
    return f"{socket.gethostname()} {os.getpid()} {_started(os.getpid())}"


def _is_dead(process: str) -> bool:
    """Whether a process is gone for certain, which only processes of this host can be known to be."""
    host, pid, started = process.split(" ")
    return host == socket.gethostname() and _started(int(pid)) != started


def _started(pid: int) -> str:
    """The start of a process, in ticks since boot (proc(5), field 22): a pid alone is used again."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "gone"
