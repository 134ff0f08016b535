"""``/health`` and ``/ready``, for load balancers and supervisors.

They are answered before the tree is opened: it may be the very thing that does not work.
"""

import logging
from collections.abc import Callable

from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility

from librarian.operations.endpoints import OpsEndpointSettings
from librarian.store.interfaces import IByteStore, StoreFull
from librarian.tree.interfaces import ITree, TreeAway
from librarian.web.app_endpoint import AppEndpoint
from librarian.web.endpoints import endpoint_of
from librarian.web.errors import error_response
from librarian.web.requests.methods import READING

log = logging.getLogger(__name__)

Handler = Callable[[Request], Response]

ENDPOINTS = (AppEndpoint, OpsEndpointSettings)
WELL = "ok"
RETRY_AFTER_SECONDS = 2


def answer_probes(handler: Handler, registry: Registry) -> Handler:
    """A tween over everything that needs the tree."""
    views = {"/health": health, "/ready": ready}

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


def health(request: Request) -> Response:
    """200: the process is up and answers."""
    return Response(f"{WELL}\n", content_type="text/plain", charset="utf-8")


def ready(request: Request) -> Response:
    """200 if files can be served, else 503; the JSON says what is the matter.

    A full store still serves what it has, so it is ready, and says that it takes no more.
    """
    found = {"tree": state_of(getUtility(ITree).check), "store": state_of(getUtility(IByteStore).check)}
    well = all(state == WELL or state.startswith("full") for state in found.values())
    response = Response(json_body=found, status=200 if well else 503)
    if not well:
        response.retry_after = RETRY_AFTER_SECONDS
    return response


def state_of(check: Callable[[], None]) -> str:
    """``ok``, or in a few words what is wrong."""
    try:
        check()
    except StoreFull as error:
        return f"full: {error}"
    except TreeAway:  # its watch has said so
        return "unavailable"
    except Exception as error:  # noqa: BLE001  # whatever it is, this part cannot serve
        log.error("not ready error=%r", error)
        return "unavailable"
    return WELL
