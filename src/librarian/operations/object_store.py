"""Counters of what passes between this process and an object store."""

from prometheus_client import CollectorRegistry, Counter, Gauge
from zope.interface import implementer

from librarian.store.s3.interfaces import ICallObserver


@implementer(ICallObserver)
class ObjectStoreMeasurements:
    """Counts in `registry`, with those of other processes where they count together."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "librarian_object_store_calls",
            "Requests to the object store, by what became of them.",
            ("operation", "outcome"),
            registry=registry,
        )
        self._retries = Counter(
            "librarian_object_store_retries",
            "Requests that were sent once more.",
            ("operation",),
            registry=registry,
        )
        self._sent = Counter(
            "librarian_object_store_sent_bytes", "Bodies sent to the object store.", registry=registry
        )
        self._received = Counter(
            "librarian_object_store_received_bytes", "Bodies got from the object store.", registry=registry
        )
        self._openings = Counter(
            "librarian_object_store_openings",
            "How often the object store was taken for away.",
            registry=registry,
        )
        self._open = Gauge(
            "librarian_object_store_open",
            "1 while a process takes the object store for away (the circuit breaker is open).",
            registry=registry,
            multiprocess_mode="max",
        )
        self._open.set(0)  # the process before it with the same number may have died meanwhile

    def called(self, operation: str, outcome: str) -> None:
        self._calls.labels(operation, outcome).inc()

    def retried(self, operation: str) -> None:
        self._retries.labels(operation).inc()

    def transferred(self, sent: int, received: int) -> None:
        self._sent.inc(sent)
        self._received.inc(received)

    def opened(self, is_open: bool) -> None:
        self._open.set(int(is_open))
        if is_open:
            self._openings.inc()
