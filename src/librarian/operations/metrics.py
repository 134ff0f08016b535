"""``/metrics`` in Prometheus's text format: what this process counted, and how the library stands."""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from pyramid.request import Request
from pyramid.response import Response

from librarian.library.operations import Library
from librarian.operations.endpoints import OpsRoot
from librarian.operations.measuring import IMeasurements


class LibraryCollector(Collector):
    """The library as it stands at this moment; asked anew for each scrape, in an open session."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        library = Library()
        subtree, upkeep = library.subtree, library.tree.subtree("upkeep")
        yield _gauge("librarian_tokens", "Time-limited tokens that are not purged.", len(subtree.tokens))
        quarantined = sum(1 for _sha256 in library.store.quarantined())
        yield _gauge("librarian_quarantined_files", "Damaged files set aside.", quarantined)
        yield _gauge("librarian_store_room_bytes", "What may still be put.", library.store.room())
        yield _gauge("librarian_store_bytes", "Held bytes when last counted, by gc.", upkeep.store_bytes)
        yield _moment("librarian_store_counted", "When they were counted.", upkeep.store_counted)
        yield _moment("librarian_collected", "When gc last began.", subtree.collected_at)
        yield _moment("librarian_scrubbed", "When a scrub last ended.", upkeep.scrubbed_at)
        yield _moment("librarian_backed_up", "When a backup last ended.", upkeep.backed_up_at)


def _gauge(name: str, words: str, value: float | None) -> GaugeMetricFamily:
    """A gauge with a value, or without one where nothing is known yet."""
    family = GaugeMetricFamily(name, words)
    if value is not None:
        family.add_metric((), value)
    return family


def _moment(name: str, words: str, moment: datetime | None) -> GaugeMetricFamily:
    return _gauge(f"{name}_timestamp_seconds", words, None if moment is None else moment.timestamp())


def metrics(context: OpsRoot, request: Request) -> Response:
    """``/metrics``."""
    now = CollectorRegistry()
    now.register(LibraryCollector())
    counted = request.registry.getUtility(IMeasurements).registry
    body = generate_latest(counted) + generate_latest(now)
    return Response(body, headerlist=[("Content-Type", CONTENT_TYPE_LATEST), ("Cache-Control", "no-store")])


def index(context: OpsRoot, request: Request) -> Response:
    """``/`` of the ops endpoint: what is to be had here."""
    return Response("/health\n/ready\n/metrics\n", content_type="text/plain", charset="utf-8")
