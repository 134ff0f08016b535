"""A worker as its parent sees it: a process, and a connection to it."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace

from librarian.serving.interfaces import WorkerFailed
from librarian.serving.sockets import Sockets
from librarian.serving.workers.order import COVER, READY, Order

STARTING_SECONDS = 120.0  # until a worker must accept connections

# Spawned with the import path of this process, which in a buildout no variable of the environment states.
_RUN = (
    "import gc, json, sys; gc.disable(); order = json.load(sys.stdin); sys.path[:] = order.pop('path'); "
    "from librarian.log_filters import hide_setuptools_warning as hide; hide(); "
    "from librarian.serving.workers.worker import work; gc.enable(); work(order)"
)


class Worker:
    """A worker process that was started."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket, number: int) -> None:
        self._process = process
        self._control = control
        self.number = number

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    @classmethod
    async def start(cls, order: Order, sockets: Sockets, environ: Mapping[str, str]) -> "Worker":
        """Start a worker, which need not be ready yet; `environ` is added to the environment."""
        ours, theirs = socket.socketpair()
        with theirs:
            fds = {name: sock.fileno() for name, sock in sockets.items()}
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", _RUN, "librarian worker", str(order.number), order.ini),
                stdin=asyncio.subprocess.PIPE,
                pass_fds=(theirs.fileno(), *fds.values()),
                env={**os.environ, **environ},
            )
            order = replace(order, control=theirs.fileno(), sockets=fds)
        ours.setblocking(False)
        assert process.stdin is not None
        process.stdin.write(json.dumps({"path": sys.path, **asdict(order)}).encode())
        process.stdin.close()
        return cls(process, ours, order.number)

    async def ready(self) -> None:
        """Return when it accepts connections.  Raises WorkerFailed, when it has ended."""
        loop = asyncio.get_running_loop()
        said = b""
        try:
            with suppress(OSError):
                said = await asyncio.wait_for(loop.sock_recv(self._control, 1), STARTING_SECONDS)
        finally:
            if said != READY:
                self.kill()
        if said != READY:
            raise WorkerFailed(await self.ended())

    def say(self, word: bytes) -> None:
        """Send it STOP, RETIRE, ABORT or REOPEN; nothing happens if it has ended."""
        with suppress(OSError):
            self._control.send(word)

    def cover(self, sockets: Sockets) -> None:
        """Have it accept connections at these sockets too, until UNCOVER; nothing happens if it has ended."""
        with suppress(OSError):
            socket.send_fds(self._control, [COVER], [sock.fileno() for sock in sockets.values()])

    def kill(self) -> None:
        """SIGKILL, if it runs.

        asyncio's own kill() asks first whether it has ended, which takes the exit status from what waits for
        it: a worker that had just ended by itself would have ended with 255.
        """
        if self.is_running:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def ended(self) -> int:
        """Wait for its end; its exit status, negative for a signal."""
        status = await self._process.wait()
        self._control.close()
        return status
