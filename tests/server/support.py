"""Raw requests, and servers of a test's own."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.servers.librarian import NotServing, ServerProcess, with_path


def started(
    test: unittest.TestCase, more: str = "", environ: Mapping[str, str] | None = None
) -> ServerProcess:
    """A running server that goes away with the test."""
    server = ServerProcess(more, environ)
    test.addCleanup(server.remove)
    test.addCleanup(server.stop)
    server.start()
    return server


def connected(url: str, timeout: float = 30.0) -> socket.socket:
    """A connection to where a URL points."""
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port or 80), timeout)


def exchange(url: str, request: bytes) -> bytes:
    """All that a server says to the bytes of one request until it closes; it is told that no more come."""
    with closing(connected(url)) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before the end; the answer may be there all the same
        return read_to_end(connection)


def read_to_end(connection: socket.socket) -> bytes:
    pieces = []
    try:
        while piece := connection.recv(1 << 16):
            pieces.append(piece)
    except OSError:
        pass  # a reset is an end
    return b"".join(pieces)


def forget_peak(server: ServerProcess) -> None:
    """Begin to measure peak_kib() anew: see clear_refs in proc(5)."""
    Path(f"/proc/{server.pid}/clear_refs").write_text("5")


def peak_kib(server: ServerProcess) -> int:
    """The most memory the server has had since, in KiB."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


class Nursery:
    """A process that has imported everything and forks a server when it is asked: a second less each."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _NURSERY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=with_path(os.environ),
        )
        self._one_at_a_time = threading.Lock()

    def fork(self, ini: Path, told: Path, log: Path) -> int:
        """The pid of a ``librarian serve`` that writes to these files."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._one_at_a_time:
            self._process.stdin.write(f"{ini}\t{told}\t{log}\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


class ForkedServer(ServerProcess):
    """A server out of a nursery."""

    def __init__(self, nursery: Nursery) -> None:
        super().__init__()
        self._nursery = nursery
        self._pid: int | None = None

    @property
    def pid(self) -> int:
        assert self._pid is not None
        return self._pid

    def start(self, first: str = "") -> None:
        told = self.folder / "told"
        told.write_text("")
        self._pid = self._nursery.fork(self.ini, told, self.log)
        while not (text := told.read_text()).endswith("ready\n"):
            if not self._lives():
                raise NotServing(self.log.read_text()[-4000:])
            time.sleep(0.01)
        self.urls = dict(line.split() for line in text.splitlines() if "http" in line)

    def _lives(self) -> bool:
        return Path(f"/proc/{self.pid}").exists()

    def _end(self, how: signal.Signals) -> None:
        if self._pid is not None:
            os.kill(self._pid, how)
            while self._lives():
                time.sleep(0.005)
            self._pid = None


_NURSERY = """
import os, signal, sys
import ZEO.StorageServer, pyramid_jinja2, pyramid_retry, pyramid_tm, pyramid_zcml, relstorage
import librarian.library.views.files, librarian.machines, librarian.mirrors, librarian.tracker
from librarian.commands.serve import serve
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    ini, told, log = line.rstrip("\\n").split("\\t")
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, path in ((0, os.devnull), (1, told), (2, log)):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND), number)
        serve([ini])
    print(pid, flush=True)
"""
