"""One part of a cluster: a process, with those that it starts."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from tools.cluster.layout import NoCluster

START_SECONDS = 180.0  # a machine that builds something else at the same time is slow
STOP_SECONDS = 20.0


@dataclass
class Part:
    """A program that runs in the foreground.  It is up when it is well and accepts connections at `ports`.

    Its output goes to the file `log` in its folder.
    """

    name: str
    command: list[str]
    folder: Path
    ports: tuple[int, ...]
    environ: Mapping[str, str] = field(default_factory=dict)
    rights: Mapping[str, Any] = field(default_factory=dict)  # user and group, for Popen
    ending: signal.Signals = signal.SIGTERM  # what makes it end in order
    health: str = ""  # a URL that is 200 once it is up, if it accepts connections before that
    after: Callable[[], None] = lambda: None  # done once it is up, by wait()
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def pids(self) -> list[int]:
        """Its process and those that this has started, in this order; empty where it does not run."""
        if self.process is None or self.process.poll() is not None:
            return []
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [self.process.pid, *map(int, children.read_text().split())]

    def start(self) -> None:
        """Start it and wait until it is up.  Raises NoCluster with the end of its log."""
        self.spawn()
        self.wait()

    def wait(self) -> None:
        """Wait until it is up, and do what is due then.  Raises NoCluster with the end of its log."""
        end = time.monotonic() + START_SECONDS
        while not self.is_up():
            if self.pids and time.monotonic() < end:
                time.sleep(0.02)
                continue
            lines = self.log.read_text(errors="replace").strip().splitlines() or ["it says nothing"]
            self.kill()
            raise NoCluster(f"{self.name} does not start: {lines[-1]} (more in {self.log})")
        self.after()

    def spawn(self) -> None:
        """Start it, and wait for nothing."""
        self.log.touch(0o600)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environ},
                start_new_session=True,  # Ctrl-C is for its keeper, which ends the parts in order
                **self.rights,
            )

    def is_up(self) -> bool:
        """Whether it serves."""
        return bool(self.pids) and all(map(listens, self.ports)) and (not self.health or answers(self.health))

    def stop(self) -> None:
        """End it in order, or, where it takes too long, at once."""
        if self.process is None:
            return
        self.process.send_signal(self.ending)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """SIGKILL to its process and to those that this has started."""
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    with suppress(urllib3.exceptions.HTTPError):
        return urllib3.request("GET", url, retries=False, timeout=5.0).status == 200
    return False


def listens(port: int) -> bool:
    """Whether a server accepts connections there."""
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False
