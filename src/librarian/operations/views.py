"""``/health``, ``/ready`` and ``/metrics``."""

import logging
from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility

from librarian.operations.endpoints import OpsRoot
from librarian.operations.interfaces import IClocks, IMeasurements
from librarian.operations.processes import shared_counters
from librarian.operations.service import LibraryCollector
from librarian.store.interfaces import IByteStore, StoreFull
from librarian.store.s3.interfaces import IObservedStore
from librarian.tree.interfaces import ITree, TreeAway
from librarian.web.openapi.declaring import describes, does, gives, text
from librarian.web.openapi.schemas import ANYTHING, TEXT, maybe, obj

log = logging.getLogger(__name__)

WELL = "ok"
_STATES = obj(tree=TEXT, store=TEXT, object_store=maybe(ANYTHING), clock=maybe(TEXT))
RETRY_AFTER_SECONDS = 2


_EVERYWHERE = ("app", "ops")


@describes("/health", *_EVERYWHERE, GET=does("The process answers", text()))
def health(request: Request) -> Response:
    """200: the process answers."""
    return Response(f"{WELL}\n", content_type="text/plain", charset="utf-8")


@describes(
    "/ready",
    *_EVERYWHERE,
    GET=does(
        "Whether files can be served", gives(_STATES, 200, "They can"), gives(_STATES, 503, "They cannot")
    ),
)
def ready(request: Request) -> Response:
    """200 if files can be served, else 503; the JSON has the states of ``tree`` and ``store``.

    A full store is ready, because it still serves what it has; its state says that it is full.  Where this
    node's clock is far from the database's, ``clock`` says how far.  While an object store is taken for away,
    ``object_store`` says since when and why.
    """
    store = getUtility(IByteStore)
    found = {"tree": state_of(getUtility(ITree).check), "store": state_of(store.check)}
    if IObservedStore.providedBy(store) and store.trouble():
        found["object_store"] = store.trouble()
    if found["tree"] == WELL:
        found |= clocks_of(request)
    well = all(found[part] == WELL or found[part].startswith("full") for part in ("tree", "store"))
    response = Response(json_body=found, status=200 if well else 503)
    if not well:
        response.retry_after = RETRY_AFTER_SECONDS
    return response


def clocks_of(request: Request) -> dict[str, str]:
    """The warning about the clocks, under ``clock``; empty where there is none, or no comparison."""
    try:
        warning = request.registry.getUtility(IClocks).warning()
    except Exception as error:  # noqa: BLE001  # a full database, for one, which still serves what it has
        log.warning("clocks not compared error=%r", error)
        return {}
    return {"clock": warning} if warning else {}


def state_of(check: Callable[[], None]) -> str:
    """``ok``, ``full: ...`` or ``unavailable``, as `check` returns or raises."""
    try:
        check()
    except StoreFull as error:
        return f"full: {error}"
    except TreeAway:  # the tree has logged the reason
        return "unavailable"
    except Exception as error:  # noqa: BLE001  # with whatever error, this part cannot serve
        log.error("not ready error=%r", error)
        return "unavailable"
    return WELL


@describes("/metrics", "ops", GET=does("Metrics, in the text format of Prometheus", text()))
def metrics(context: OpsRoot, request: Request) -> Response:
    """``/metrics``."""
    gauges = CollectorRegistry()
    gauges.register(LibraryCollector())
    counters = shared_counters() or request.registry.getUtility(IMeasurements).registry
    body = generate_latest(counters) + generate_latest(gauges)
    return Response(body, headerlist=[("Content-Type", CONTENT_TYPE_LATEST), ("Cache-Control", "no-store")])


@describes("/", "ops", GET=does("The paths of this endpoint", text()))
def index(context: OpsRoot, request: Request) -> Response:
    """``/`` of the ops endpoint: the paths of the pages."""
    return Response("/health\n/ready\n/metrics\n", content_type="text/plain", charset="utf-8")
