"""The paths of the tracker's protocol, the methods of each, and the refusals.

The tracker's own endpoint and ``/tracker`` of the web application lead here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.security.interfaces import Unauthorized

from librarian.security.interaction import current_principal
from librarian.tracker.interfaces import ITracker, NotAllowed, TrackerRefusal, UnknownMethod, WrongMethod
from librarian.tracker.protocol import PROTOCOL_VERSIONS, Endpoint, Target, date_of, parse_path
from librarian.tracker.views.description import describe_version
from librarian.tracker.views.download import get
from librarian.tracker.views.writing import delete, judge_put, put
from librarian.web.requests.methods import KNOWN, judged_by, takes

WELCOME = """\
A tracker of files: filetracker protocol versions 1 and 2.

GET    /version/            the protocol versions
GET    /files/<name>        a file; ?version=<seconds> an earlier one
PUT    /files/<name>        ?last_modified=<RFC 2822 date>
DELETE /files/<name>        ?last_modified=<RFC 2822 date>
GET    /list/<directory>    the names below it
GET    /history/<name>      all versions of a file, as JSON
"""


@dataclass(frozen=True)
class ProtocolPath:
    """A parsed path of the protocol.  Traversal goes through all its segments and ends here."""

    target: Target

    def __getitem__(self, segment: str) -> "ProtocolPath":
        return self


def protocol_root(request: Request) -> ProtocolPath:
    """The root of the tracker's endpoint.  Raises BadName and BadRequest for a path outside the protocol."""
    return ProtocolPath(parse_path(request.environ["PATH_INFO"]))


def judge_head(context: ProtocolPath, request: Request) -> None:
    """Refuse a request by its head.  Raises what protocol() raises."""
    if _method(context, request) is put:
        with _explained():
            judge_put(context.target, request)


@judged_by(judge_head)
@takes()  # the methods are those of the path
def protocol(context: ProtocolPath, request: Request) -> Response:
    """Answer one request of the protocol.  Raises TrackerRefusal, for which refused() is the view."""
    answer = _method(context, request)
    with _explained():
        return answer(context.target, request)


def _method(context: ProtocolPath, request: Request) -> "Method":
    methods = _METHODS[context.target.endpoint]
    if request.method not in methods:
        kind = WrongMethod if request.method in KNOWN else UnknownMethod
        raise kind(request.method, list(methods))
    return methods[request.method]


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except Unauthorized:
        raise NotAllowed(current_principal().person is not None) from None


def refused(context: TrackerRefusal, request: Request) -> Response:
    """One line of reason, also as the X-Exception header that filetracker's clients show."""
    reason = " ".join(str(context).split())[:300]
    response = Response(f"{reason}\n", status=context.status, content_type="text/plain", charset="utf-8")
    response.headers["X-Exception"] = "".join(c if " " <= c <= "~" else "?" for c in reason)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if isinstance(context, WrongMethod):
        response.headers["Allow"] = ", ".join(context.allowed)
    if context.status == 401:  # Unauthorized
        response.headers["WWW-Authenticate"] = 'Bearer realm="tracker"'
    return response


def _list(target: Target, request: Request) -> Response:
    found = getUtility(ITracker).listing(target.name, date_of(request.GET))
    return Response(found, content_type="text/plain", charset="utf-8")


def _history(target: Target, request: Request) -> Response:
    found = getUtility(ITracker).history(target.name)
    base = request.application_url.rstrip("/") + request.environ.get("librarian.tracker.mount", "")
    return Response(
        json_body={"name": target.name, "versions": [describe_version(file, base) for file in found]}
    )


def _version(target: Target, request: Request) -> Response:
    return Response(json_body={"protocol_versions": PROTOCOL_VERSIONS})


def _welcome(target: Target, request: Request) -> Response:
    return Response(WELCOME, content_type="text/plain", charset="utf-8")


Method = Callable[[Target, Request], Response]

_METHODS: dict[Endpoint, dict[str, Method]] = {
    Endpoint.FILES: {"GET": get, "HEAD": get, "PUT": put, "DELETE": delete},
    Endpoint.LIST: {"GET": _list, "HEAD": _list},
    Endpoint.HISTORY: {"GET": _history, "HEAD": _history},
    Endpoint.VERSION: {"GET": _version, "HEAD": _version},
    Endpoint.TOP: {"GET": _welcome, "HEAD": _welcome},
}
