"""How many requests there are, how long they take, how much they move: counted in this process.

Several processes are scraped one by one, each at the port of its own ops endpoint; adding them up is what
Prometheus is for.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtilitiesFor
from zope.interface import Attribute, Interface, implementer

from librarian.web.endpoints import endpoint_of
from librarian.web.interfaces import IEndpoint

Handler = Callable[[Request], Response]

# Anybody can make up a method; each would be a time series of its own, for ever.
METHODS = frozenset(("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"))
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class IMeasurements(Interface):
    """What one application has counted since its process began."""

    registry = Attribute("A prometheus_client CollectorRegistry.")


@implementer(IMeasurements)
class Measurements:
    """Counters of requests."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "librarian_requests",
            "Requests answered.",
            ("endpoint", "method", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "librarian_request_seconds",
            "From the arrival of a request to the beginning of its answer.",
            ("endpoint",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._sent = Counter(
            "librarian_sent_bytes", "Length of the bodies in answers.", ("endpoint",), registry=self.registry
        )
        self._received = Counter(
            "librarian_received_bytes",
            "Length of the bodies in requests.",
            ("endpoint",),
            registry=self.registry,
        )

    def count(self, endpoint: str, request: Request, status: int, sent: int, seconds: float) -> None:
        """Note one request; lengths in bytes."""
        method = request.method if request.method in METHODS else "other"
        self._requests.labels(endpoint, method, str(status)).inc()
        self._seconds.labels(endpoint).observe(seconds)
        if sent and method != "HEAD":
            self._sent.labels(endpoint).inc(sent)
        if received := request.content_length:
            self._received.labels(endpoint).inc(received)


def measure(handler: Handler, registry: Registry) -> Handler:
    """The outermost tween: counts what is answered, however it comes about."""
    measurements = Measurements()
    registry.registerUtility(measurements, IMeasurements)
    names: dict[Any, str] = {endpoint.section: name for name, endpoint in getUtilitiesFor(IEndpoint)}

    def tween(request: Request) -> Response:
        begun = perf_counter()
        status, sent = 500, 0
        try:
            response = handler(request)
            status, sent = response.status_int, response.content_length or 0
            return response
        finally:
            endpoint = endpoint_of(request)
            name = "none" if endpoint is None else names.get(endpoint.section, "other")
            measurements.count(name, request, status, sent, perf_counter() - begun)

    return tween
