"""The two tweens: one counts every answer, one answers probes without the tree."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtilitiesFor, getUtility

from librarian.interfaces import IClock
from librarian.operations.clocks import Clocks
from librarian.operations.interfaces import IClocks, IMeasurements
from librarian.operations.object_store import ObjectStoreMeasurements
from librarian.operations.service import Measurements
from librarian.operations.settings import OpsEndpointSettings
from librarian.operations.views import health, ready
from librarian.store.interfaces import IByteStore
from librarian.store.s3.interfaces import IObservedStore
from librarian.tree.interfaces import ITree
from librarian.web.endpoints import endpoint_of
from librarian.web.errors import error_response
from librarian.web.interfaces import BEGUN, IEndpoint
from librarian.web.openapi.document import note_answer
from librarian.web.requests.deferred import DeferredResponse
from librarian.web.requests.methods import READING
from librarian.web.settings import AppEndpointSettings

Handler = Callable[[Request], Response]

ENDPOINTS = (AppEndpointSettings, OpsEndpointSettings)


def measure(handler: Handler, registry: Registry) -> Handler:
    """The outermost tween: counts every answer, also those of other tweens and of errors."""
    measurements = Measurements()
    registry.registerUtility(measurements, IMeasurements)
    store = getUtility(IByteStore)
    if IObservedStore.providedBy(store):
        store.observe(ObjectStoreMeasurements(measurements.registry))
    names: dict[Any, str] = {endpoint.section: name for name, endpoint in getUtilitiesFor(IEndpoint)}

    def tween(request: Request) -> Response:
        begun = request.environ.get(BEGUN) or perf_counter()

        def count(status: int, sent: int) -> None:
            endpoint = endpoint_of(request)
            name = "none" if endpoint is None else names.get(endpoint.section, "other")
            received, seconds = request.content_length or 0, perf_counter() - begun
            measurements.count(name, request.method, status, received, sent, seconds)

        try:
            response = handler(request)
        except BaseException:
            count(500, 0)
            raise
        if isinstance(response, DeferredResponse):
            response.on_answer(lambda answer: count(answer.status_int, answer.content_length or 0))
        elif response.status_int >= 200:  # after 1xx, another answer comes when the body is there
            count(response.status_int, response.content_length or 0)
        return response

    return tween


def answer_probes(handler: Handler, registry: Registry) -> Handler:
    """``/health`` and ``/ready``, above all tweens that need the tree."""
    registry.registerUtility(Clocks(getUtility(ITree), getUtility(IClock)), IClocks)
    views = {"/health": health, "/ready": ready}
    for view in views.values():
        note_answer(registry, view)

    def tween(request: Request) -> Response:
        view = views.get(request.environ.get("PATH_INFO", ""))
        endpoint = endpoint_of(request) if view is not None else None
        if view is None or endpoint is None or endpoint.section not in ENDPOINTS:
            return handler(request)
        if request.method not in READING:
            return error_response(request, 405, "This is only read.", Allow=", ".join(READING))
        response = view(request)
        response.cache_control = "no-store"
        return response

    return tween
