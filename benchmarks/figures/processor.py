"""Processor time of processes, and what a request takes of it."""

import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.load import Rate, measure

_TICKS = os.sysconf("SC_CLK_TCK")  # a second
SECONDS = 2.0  # of a measurement: at 10 ms a tick, 1 per cent of what is compared


def family(pids: Sequence[int]) -> list[int]:
    """Processes and all that descend from them."""
    found = []
    for pid in pids:
        found.append(pid)
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += family([int(child) for child in (task / "children").read_text().split()])
    return found


def seconds_of(pids: Sequence[int]) -> float:
    """User and system time of the processes so far (proc(5), stat, fields 14 and 15)."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def cost(url: str, requests: Sequence[Sequence[bytes]], pids: Sequence[int]) -> tuple[float, Rate]:
    """Microseconds of processor time a request, from the moment at which all clients begin; and the rate."""
    before: list[float] = []
    rate = measure(url, requests, SECONDS, lambda: before.append(seconds_of(pids)))
    return 1e6 * (seconds_of(pids) - before[0]) / rate.requests, rate
