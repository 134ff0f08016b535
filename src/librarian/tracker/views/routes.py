"""The paths of the tracker's protocol, the methods of each, and the refusals.

The tracker's own endpoint and ``/tracker`` of the web application lead here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.security.interfaces import Unauthorized

from librarian.security.interaction import current_principal
from librarian.tracker.client.versioned_names import MAX_VERSION
from librarian.tracker.interfaces import ITracker, NotAllowed, TrackerRefusal, UnknownMethod, WrongMethod
from librarian.tracker.protocol import PROTOCOL_VERSIONS, Endpoint, Target, date_of, parse_path
from librarian.tracker.views.description import describe_version
from librarian.tracker.views.download import get
from librarian.tracker.views.writing import delete, judge_put, put
from librarian.web.openapi.declaring import (
    BINARY,
    BYTES,
    FILE_FIELDS,
    Answer,
    Body,
    describes,
    does,
    file_answers,
    gives,
    redirects,
    text,
)
from librarian.web.openapi.schemas import (
    COUNT,
    FLAG,
    SHA256,
    SIZE,
    TEXT,
    TIME,
    array,
    nullable,
    obj,
)
from librarian.web.requests.methods import KNOWN, View, judged_by, takes

WELCOME = """\
A tracker of files: filetracker protocol versions 1 and 2.

GET    /version/            the protocol versions
GET    /files/<name>        a file; ?version=<seconds> an earlier one
PUT    /files/<name>        ?last_modified=<RFC 2822 date>
DELETE /files/<name>        ?last_modified=<RFC 2822 date>
GET    /list/<directory>    the names below it
GET    /history/<name>      all versions of a file, as JSON
"""


MOUNT = "/tracker"  # in the web application


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


_REFUSAL = {"text/plain": TEXT}
_DATE = r"^(0[1-9]|1\d|2[0-8]) (Jan|Mar|May|Jul|Sep|Nov) 20[0-2]\d ([01]\d|2[0-3]):[0-5]\d:[0-5]\d \+0000$"
_NAME = {"last_modified": {"type": "string", "pattern": _DATE, "description": "a date as in RFC 5322"}}
_UNTIL = {"last_modified": {**_NAME["last_modified"], "pattern": f"^$|{_DATE}"}}
_VERSION_JSON = obj(
    version=COUNT,
    last_modified=TEXT,
    size=SIZE,
    sha256=SHA256,
    stored=TIME,
    owner=nullable(TEXT),
    superseded=nullable(TIME),
    deleted=FLAG,
    url=TEXT,
)
_FILE = does(
    "A file; with version, an earlier one of it",
    *file_answers(),
    redirects(307, "The fallback has it"),
    query={"version": {"type": "integer", "minimum": 0, "maximum": MAX_VERSION}, "deleted": TEXT},
    headers=FILE_FIELDS,
)
_STORES = does(
    "Store a version of a file, as SHA256-Checksum and Logical-Size say it; Last-Modified is the one there",
    Answer(
        200, "Stored, or older than what is there", {"text/plain": TEXT}, ("Last-Modified", "SHA256-Checksum")
    ),
    body=Body({BYTES: BINARY}, required=False),
    query=_NAME,
)
_DELETES = does(
    "Delete a file, if it is not newer", text("Deleted"), query=_NAME, required=("last_modified",)
)


def _described(prefix: str, endpoint: str) -> Callable[[View], View]:
    """The protocol's paths below `prefix`."""
    history = obj(name=TEXT, versions=array(_VERSION_JSON))
    listed = does("The names below a directory", text(), query=_UNTIL)
    paths = {
        "/files/{name:name}": {"GET": _FILE, "PUT": _STORES, "DELETE": _DELETES},
        "/list": {"GET": listed},
        "/list/{directory:name}": {"GET": listed},
        "/history/{name:name}": {"GET": does("All versions of a file", gives(history))},
        "/version": {"GET": does("The protocol's versions", gives(obj(protocol_versions=array(COUNT))))},
    }
    return lambda view: reduce(
        lambda seen, item: describes(prefix + item[0], endpoint, refusal=_REFUSAL, **item[1])(seen),
        paths.items(),
        view,
    )


@_described(MOUNT, "app")
@_described("", "tracker")
@describes("/", "tracker", refusal=_REFUSAL, GET=does("The paths, as text", text()))
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
