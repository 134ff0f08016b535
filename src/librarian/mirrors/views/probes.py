"""``+history``, ``+plot.svg`` and ``+log`` of a mirror: how its probes went."""

from typing import Any

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility

from librarian.interfaces import IClock
from librarian.mirrors.runs.scoring import score_of
from librarian.mirrors.views.common import NOT_REUSED
from librarian.mirrors.views.plot import lag_plot
from librarian.mirrors.views.serializers import RECORD, SCORE, describe_record, describe_score
from librarian.web.openapi.declaring import describes, does, gives, text
from librarian.web.openapi.schemas import TEXT, array, obj

PLOTTED = 200  # probes


@describes(
    "/mirrors/{distribution}/{mirror}/+history",
    GET=does("Every remembered probe", gives(obj(name=TEXT, score=SCORE, probes=array(RECORD)))),
)
def history(context: Any, request: Request) -> Response:
    """``+history``: every remembered probe as JSON, newest first, with the score."""
    records = [describe_record(each) for each in context.probe_records]
    found = describe_score(score_of(context, getUtility(IClock).now()))
    response = Response(json_body={"name": context.name, "score": found, "probes": records})
    response.cache_control = NOT_REUSED
    return response


def draw_plot(mirror: Any) -> bytes:
    """The newest PLOTTED probes as SVG, drawn from what is stored now."""
    now = getUtility(IClock).now()
    return lag_plot([describe_record(each) for each in reversed(mirror.probe_records[:PLOTTED])], now)


@describes(
    "/mirrors/{distribution}/{mirror}/+plot.svg",
    GET=does("How far behind the mirror was at each probe", text("A picture", "image/svg+xml")),
)
def plot(context: Any, request: Request) -> Response:
    """``+plot.svg``: how far behind the mirror was at each probe."""
    response = Response(draw_plot(context), content_type="image/svg+xml", charset="utf-8")
    response.cache_control = NOT_REUSED
    return response


@describes("/mirrors/{distribution}/{mirror}/+log/{date}", GET=does("The log of one probe", text()))
def log(context: Any, request: Request) -> Response:
    """``+log/<date>``: the log of one probe, for those who may read it."""
    wanted = request.subpath[0] if len(request.subpath) == 1 else ""
    record = next((each for each in context.probe_records if each.date_created.isoformat() == wanted), None)
    if record is None:
        raise HTTPNotFound
    body = record.read_log()
    if body is None:
        raise HTTPNotFound
    return Response(body, content_type="text/plain", charset="utf-8")
