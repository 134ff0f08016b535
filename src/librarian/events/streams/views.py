"""``GET /events``: events as they happen, in the form of Server-Sent Events (the HTML standard, 9.2)."""

from typing import Any

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.security.interfaces import Unauthorized

from librarian.events.streams.interfaces import IEventStreams, TooManyStreams
from librarian.security.interaction import current_principal, is_permitted
from librarian.web.errors import error_response
from librarian.web.forms import by_method
from librarian.web.interfaces import LIVE_BODY
from librarian.web.openapi.declaring import describes, does, text
from librarian.web.openapi.schemas import TEXT, told

PERMISSION = "librarian.events.Listen"


def _events(context: Any, request: Request) -> Response:
    """A stream; ``?kinds=file.added file.deleted`` chooses.  A server that cannot go on with an answer gives
    what there is, and the client comes back after a moment."""
    streams, principal = getUtility(IEventStreams), current_principal()
    if not principal.authenticated or not is_permitted(PERMISSION, streams):
        raise Unauthorized(streams, "events", PERMISSION)
    response = Response(content_type="text/event-stream", charset="utf-8")
    response.cache_control = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # nginx would wait for more
    if request.method == "HEAD":
        return response
    stream = streams.open(
        principal.id,
        is_permitted("librarian.Admin", streams),
        " ".join(request.GET.getall("kinds")).split(),
        request.headers.get("Last-Event-ID"),
    )
    live = request.environ.get(LIVE_BODY)
    if live is None:
        response.body = stream.present()
    else:
        response.app_iter = live(stream.begin)
    return response


events = describes(
    "/events",
    GET=does(
        "Events as they happen (Server-Sent Events); their data are events in JSON",
        text("A stream", "text/event-stream"),
        query={"kinds": told(TEXT, "such as file.added, with spaces between; without them all")},
        headers={"Last-Event-ID": {"type": "string", "pattern": "^[0-9a-f]{16}-[0-9a-f]{1,20}$"}},
    ),
)(by_method(GET=_events))


def too_many(context: TooManyStreams, request: Request) -> Response:
    """503: other streams must end first."""
    return error_response(request, 503, "There are too many streams at the moment.", Retry_After="30")
