"""Python programs that begin with the library imported: each saves a second or two of processor time.

A process of this module, the nursery, imports everything once and forks a child for each program.  What a
program does, prints and leaves behind is what it would be in a python of its own.
"""

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

NURSERY = Path(__file__).with_name("nursery.py")
#: Beginnings of what an interpreter or the loader of its libraries reads from the environment at its start.
READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_", "GLIBC_")


def with_path(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with what a python needs to find what this one finds: in a buildout that is sys.path."""
    return {
        **environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONWARNINGS": "ignore",
    }


def run(
    code: str, *arguments: str, environ: Mapping[str, str], folder: Path | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """What a program printed, and its exit status; it is killed after `timeout` seconds."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = begin(code, *arguments, output=output, errors=errors, environ=environ, folder=folder)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        for file in (output, errors):
            file.seek(0)
        return subprocess.CompletedProcess(list(arguments), status, output.read(), errors.read())


def begin(
    code: str,
    *arguments: str,
    output: IO[str],
    errors: IO[str],
    environ: Mapping[str, str],
    folder: Path | None = None,
    forked: bool = True,
) -> "Forked | subprocess.Popen[str]":
    """A process that runs `code` as ``python -c`` does; its standard input is empty.

    It is an interpreter of its own without `forked`, and where its environment has what is read at the start.
    """
    if not forked or at_start(environ) != at_start(os.environ):
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            cwd=folder,
            env=with_path(environ),
            text=True,
        )
    return Forked(code, arguments, (output.fileno(), errors.fileno()), folder, with_path(environ))


def at_start(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that is read at an interpreter's start, but for what with_path sets."""
    return {
        name: value
        for name, value in environ.items()
        if name.startswith(READ_AT_START) and name not in with_path({})
    }


class Forked:
    """A child of the nursery, with what tests use of a subprocess.Popen."""

    def __init__(
        self,
        code: str,
        arguments: tuple[str, ...],
        told: tuple[int, int],
        folder: Path | None,
        environ: Mapping[str, str],
    ) -> None:
        """`told` are the descriptors of its standard output and error."""
        self.returncode: int | None = None
        order = {"code": code, "arguments": arguments, "folder": str(folder or ""), "environ": dict(environ)}
        reading, writing = os.pipe()
        self._report = os.fdopen(reading, "rb", buffering=0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            nursery().send(json.dumps(order).encode(), [nothing, *told, writing])
        finally:
            os.close(nothing)
            os.close(writing)
        self.pid = int(self._line())

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, or minus a signal; subprocess.TimeoutExpired after `timeout` seconds."""
        status = self._ended(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("forked", timeout or 0)
        return status

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._report], [], [], timeout)[0]:
            self.returncode = int(self._line())
            self._report.close()
        return self.returncode

    def _line(self) -> bytes:
        """The next line of the report, whose lines are short enough to come whole."""
        line = b""
        while not line.endswith(b"\n"):
            piece = self._report.read(1)
            if not piece:
                raise EOFError("the nursery has ended")
            line += piece
        return line

    def send_signal(self, number: signal.Signals) -> None:
        """Send it to the process, unless that has ended."""
        with suppress(ProcessLookupError):  # it has ended, and that is not told yet
            if self.poll() is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The process that forks."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", NURSERY, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env=with_path(os.environ),
                pass_fds=[theirs.fileno()],
            )
        self._orders = ours
        self._one_at_a_time = threading.Lock()
        atexit.register(self._close)

    def send(self, message: bytes, descriptors: list[int]) -> None:
        """Order one child."""
        with self._one_at_a_time:
            socket.send_fds(self._orders, [message], descriptors)

    def _close(self) -> None:
        self._orders.close()
        self._process.wait()


@functools.cache
def nursery() -> Nursery:
    """The one of this process; it ends when this process does."""
    return Nursery()
