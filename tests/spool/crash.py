"""Dying at a chosen moment, as kill -9 or a power switch would have it."""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

# What changes the world outside the process, or waits for it: the moment before each of these is a step.
# (The moment after one looks from outside like the moment before the next.)
C_FUNCTIONS = {"connect", "sendall", "write", "fsync", "fdatasync", "unlink", "rename", "replace", "truncate"}
PYTHON_FUNCTIONS = {"rename_new", "getresp"}


def dies_at(step: int, work: Callable[[], object]) -> bool:
    """Run `work` in a child that is killed at its n-th step; False if it had fewer and came through."""
    child = os.fork()
    if child == 0:
        sys.setprofile(_killer(step))
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _killer(step: int) -> Callable[[FrameType, str, Any], None]:
    left = step

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal left
        of_c = event == "c_call" and argument.__name__ in C_FUNCTIONS
        if of_c or (event == "call" and frame.f_code.co_name in PYTHON_FUNCTIONS):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return count
