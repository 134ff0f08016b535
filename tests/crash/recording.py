"""A program recorded by strace while it works on a folder."""

import ctypes
import json
import os
import shutil
import subprocess
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.crash.operations import Disk, Operation
from tests.crash.trace import CALLS, Trace

PR_SET_PTRACER = 0x59616D61  # prctl(2): where Yama is, a process has to allow it
ANY_PROCESS = 2**64 - 1
LONGEST_STRING = 64 << 20  # bytes of one write


@dataclass
class Recording:
    """The disk before, the operations since, and the disk after them, which knows all inodes that were."""

    before: Disk
    operations: list[Operation]
    after: Disk


class Words:
    """Where a scene says what it has acknowledged: each word is a write(2), which stands in the trace."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def say(self, **facts: Any) -> None:
        """Say it."""
        os.write(self._file, (json.dumps(facts) + "\n").encode())


def missing() -> str | None:
    """Why nothing can be recorded here; None if it can."""
    if shutil.which("strace") is None:
        return "strace is missing"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return f"strace may not trace here: {tried.stderr.strip()}" if tried.returncode else None


def record(folder: Path, work: Callable[[Path, Words], None]) -> Recording:
    """Run `work` on ``folder/site`` in a child of this process, and what it does there."""
    site, said, trace = folder / "site", folder / "said", folder / "trace"
    site.mkdir(exist_ok=True)
    before = Disk.read(site)
    _run_traced(trace, folder / "failed", lambda: work(site, Words(said)))
    found = Trace(before, site, said)
    with trace.open() as lines:
        found.take(lines)
    return Recording(before, found.operations, found.disk)


def _run_traced(trace: Path, failed: Path, work: Callable[[], None]) -> None:
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        _work_when_told(ready, failed, work)
    os.close(ready)
    options = [
        "-f",
        "-y",
        "-xx",
        "-s",
        str(LONGEST_STRING),
        "-e",
        "signal=none",
        "-e",
        f"trace={CALLS}",
    ]
    command = ["strace", *options, "-o", str(trace), "-p", str(child)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        tracer.stderr.readline()  # it is attached
        os.write(go, b"!")
        os.close(go)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        raise AssertionError(failed.read_text() if failed.exists() else f"the scene ended with {status}")


def _work_when_told(ready: int, failed: Path, work: Callable[[], None]) -> None:
    """Never returns."""
    status = 1
    try:
        ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(ANY_PROCESS), 0, 0, 0)
        os.read(ready, 1)
        work()
        status = 0
    except BaseException:  # noqa: BLE001  # no test goes on in here
        failed.write_text(traceback.format_exc())
    finally:
        os._exit(status)
