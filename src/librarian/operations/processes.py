"""Counters of several processes that serve together, added up.

With prometheus_client's multiprocess mode each process keeps its counters in a file of its own, which is
mapped into its memory, in a folder that all share; who is scraped adds up all files.  A file is named by the
number of its process instead of the usual process id: the next process with the number goes on counting
there, so that files do not accumulate and no counter goes back when a process ends.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, ProcessCollector, values
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

COUNTERS = "PROMETHEUS_MULTIPROC_DIR"  # the variable of the environment that names the folder
PROCESSES = "processes"  # the file in it that has the ids of the processes, that of the parent first

ONE_FOR_ALL = frozenset(("process_start_time_seconds", "process_max_fds"))  # the parent's


def count_with_others(number: int) -> None:
    """Keep the counters that are made from now on in the shared folder; no other process that runs at the
    same time may have this `number`."""
    # Other than its default, by process id; made for that, if at one's own risk.
    values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]


def shared_counters() -> CollectorRegistry | None:
    """The counters of all processes that count with this one; None if it counts alone."""
    folder = os.environ.get(COUNTERS)
    if folder is None or not Path(folder, PROCESSES).exists():
        return None
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    registry.register(ProcessSums(Path(folder, PROCESSES)))
    return registry


class ProcessSums(Collector):
    """What ProcessCollector tells of one process, added up; and the number of workers."""

    def __init__(self, processes: Path) -> None:
        self._processes = processes

    def collect(self) -> Iterator[Metric]:
        pids = self._processes.read_text(encoding="ascii").split()
        sums: dict[str, Metric] = {}
        for pid in pids:
            for metric in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
                _add(sums, metric)
        if "process_cpu_seconds" in sums:
            _raise(sums["process_cpu_seconds"], _seconds_of_ended_children(pids[0]))
        yield from sums.values()
        yield GaugeMetricFamily("librarian_workers", "Worker processes, also those that end.", len(pids) - 1)


def _add(sums: dict[str, Metric], metric: Metric) -> None:
    known = sums.setdefault(metric.name, metric)
    if known is not metric and metric.name not in ONE_FOR_ALL:
        _raise(known, metric.samples[0].value)


def _raise(metric: Metric, value: float) -> None:
    sample = metric.samples[0]
    metric.samples[0] = sample._replace(value=sample.value + value)


def _seconds_of_ended_children(pid: str) -> float:
    """The processor time of the children of a process that have ended, in seconds (proc(5), cutime, cstime);
    without it the sum would go back when a worker ends."""
    try:
        stat = Path("/proc", pid, "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    fields = stat.rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / float(os.sysconf("SC_CLK_TCK"))
