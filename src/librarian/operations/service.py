"""Metrics: counters of requests, and gauges of the library."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from heapq import nsmallest
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from zope.component import getUtility
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.library.operations import Library
from librarian.library.quotas.interfaces import IQuotaSet, Quota
from librarian.operations.interfaces import Figures, IMeasurements, IOverview
from librarian.store.interfaces import StoreTrouble

MOST_QUOTAS = 1000  # persons and teams that have time series of their own
# A client may send any method; without this list each would be a time series, kept until the process ends.
METHODS = frozenset(("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"))
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


@implementer(IMeasurements)
class Measurements:
    """Counters of requests, by endpoint."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._known: dict[tuple[str, str, int], tuple[Any, Any, Any, Any]] = {}
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "librarian_requests", "Requests answered.", ("endpoint", "method", "status"), registry=registry
        )
        self._in_lane = Counter(
            "librarian_lane_requests",
            "Requests answered by the file lane; librarian_requests has them, too.",
            ("endpoint",),
            registry=registry,
        )
        self._seconds = Histogram(
            "librarian_request_seconds",
            "From the arrival of a request to the beginning of its answer.",
            ("endpoint",),
            buckets=SECONDS,
            registry=registry,
        )
        self._sent = _byte_counter("librarian_sent_bytes", "Length of the bodies in answers.", registry)
        self._received = _byte_counter(
            "librarian_received_bytes", "Length of the bodies in requests.", registry
        )

    def count(
        self, endpoint: str, method: str, status: int, received: int, sent: int, seconds: float
    ) -> None:
        """Count one request; `received` and `sent` are the lengths of the bodies in bytes."""
        requests, durations, sent_bytes, received_bytes = self._series(
            endpoint, method if method in METHODS else "other", status
        )
        requests.inc()
        durations.observe(seconds)
        if sent and method != "HEAD":
            sent_bytes.inc(sent)
        if received:
            received_bytes.inc(received)

    def count_in_lane(self, endpoint: str) -> None:
        """Count one request that count() was called for: the file lane has answered it."""
        self._in_lane.labels(endpoint).inc()

    def _series(self, endpoint: str, method: str, status: int) -> tuple[Any, Any, Any, Any]:
        """The time series of such requests; finding them by their labels costs more than counting."""
        key = (endpoint, method, status)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = (
                self._requests.labels(endpoint, method, str(status)),
                self._seconds.labels(endpoint),
                self._sent.labels(endpoint),
                self._received.labels(endpoint),
            )
        return found


def _byte_counter(name: str, documentation: str, registry: CollectorRegistry) -> Counter:
    return Counter(name, documentation, ("endpoint",), registry=registry)


class LibraryCollector(Collector):
    """Gauges of the library, read at each scrape, in an open session of the tree."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        library = Library()
        subtree, upkeep = library.subtree, library.tree.subtree("upkeep")
        yield from _figures(removeSecurityProxy(getUtility(IOverview)).figures())
        yield _gauge("librarian_tokens", "Time-limited tokens that are not purged.", len(subtree.tokens))
        quarantined = _unless_away(lambda: sum(1 for _sha256 in library.store.quarantined()))
        yield _gauge("librarian_quarantined_files", "Damaged files in quarantine.", quarantined)
        room = _unless_away(library.store.room)
        yield _gauge("librarian_store_room_bytes", "Bytes that may still be put.", room)
        yield _gauge("librarian_store_bytes", "Bytes held at the last count, by gc.", upkeep.store_bytes)
        yield _moment("librarian_store_counted", "When gc last counted the bytes.", upkeep.store_counted)
        yield _moment("librarian_collected", "When gc last began.", subtree.collected_at)
        yield _moment("librarian_scrubbed", "When a scrub last ended.", upkeep.scrubbed_at)
        yield _moment("librarian_backed_up", "When a backup last ended.", upkeep.backed_up_at)
        yield from _quotas(removeSecurityProxy(getUtility(IQuotaSet)).limited())


def _figures(figures: Figures) -> Iterator[GaugeMetricFamily]:
    """What the operator's page shows and is no gauge of another name."""
    yield _gauge("librarian_files", "Files; deleted ones left out.", figures.files)
    yield _gauge("librarian_file_bytes", "Bytes of all files.", figures.bytes)
    yield _gauge("librarian_contents", "Files, those with the same bytes once.", figures.contents)
    yield _gauge("librarian_content_bytes", "Bytes of files, the same ones once.", figures.content_bytes)
    yield _gauge("librarian_tree_bytes", "Size of the tree's file.", figures.tree_bytes)
    yield _gauge("librarian_uploads", "Uploads in pieces that are under way here.", figures.uploads)
    yield _gauge("librarian_uploads_bytes", "Bytes that have come of them.", figures.uploads_bytes)
    yield _gauge("librarian_mail_queue", "Messages that wait to be sent.", figures.mails)
    refused = figures.refused_log_ins
    yield _gauge("librarian_refused_log_ins", "Log-ins refused in the last day, by the audit log.", refused)
    ended = GaugeMetricFamily(
        "librarian_upkeep_ended_timestamp_seconds", "When a task of upkeep last ended.", labels=("task",)
    )
    well = GaugeMetricFamily("librarian_upkeep_well", "1 if it ended well, else 0.", labels=("task",))
    overdue = GaugeMetricFamily("librarian_upkeep_overdue", "1 if it is overdue.", labels=("task",))
    for task in figures.tasks:
        overdue.add_metric((task.name,), int(task.is_overdue))
        if task.ended is not None:
            ended.add_metric((task.name,), task.ended.timestamp())
            well.add_metric((task.name,), int(task.is_well))
    yield from (ended, well, overdue)


def _quotas(limited: Sequence[Quota]) -> Iterator[GaugeMetricFamily]:
    """Limits and use of persons and teams, those nearest to a limit first; the others are left out."""
    shown = nsmallest(MOST_QUOTAS, limited, key=lambda quota: -quota.share)
    for name in ("bytes", "files"):
        limits = GaugeMetricFamily(f"librarian_quota_{name}", "What may be had.", labels=("kind", "name"))
        used = GaugeMetricFamily(
            f"librarian_quota_used_{name}", "What is had of a quota.", labels=("kind", "name")
        )
        for quota in shown:
            for family, value in ((limits, quota.limit), (used, quota.used)):
                if value is not None and getattr(value, name) is not None:
                    family.add_metric((quota.kind, quota.name), getattr(value, name))
        yield limits
        yield used


def _unless_away(ask: Callable[[], int | None]) -> int | None:
    """What the byte store answers; None where it is away, as the other values are wanted then most of all."""
    try:
        return ask()
    except StoreTrouble:
        return None


def _gauge(name: str, documentation: str, value: float | None) -> GaugeMetricFamily:
    """A gauge with a value, or without one where none is known yet."""
    family = GaugeMetricFamily(name, documentation)
    if value is not None:
        family.add_metric((), value)
    return family


def _moment(name: str, documentation: str, moment: datetime | None) -> GaugeMetricFamily:
    return _gauge(f"{name}_timestamp_seconds", documentation, None if moment is None else moment.timestamp())
