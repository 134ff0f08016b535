"""The tracker over HTTP: the protocol, on an endpoint of its own and under the web application."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.security.interfaces import Unauthorized
from zope.security.proxy import removeSecurityProxy

from librarian.security.interaction import current_principal
from librarian.settings import ISettings
from librarian.store.interfaces import BytesDamaged, BytesNotFound
from librarian.tracker import answers
from librarian.tracker.client.wire.dates import version_to_date
from librarian.tracker.fallback import redirection
from librarian.tracker.interfaces import (
    ConditionFailed,
    FileVersion,
    ITracker,
    NoSuchFile,
    NotAllowed,
    TrackerRefusal,
    UnknownMethod,
    WrongMethod,
)
from librarian.tracker.protocol import (
    PROTOCOL_VERSIONS,
    Endpoint,
    Target,
    date_of,
    declared_upload,
    delete_version,
    parse_path,
    put_version,
    wanted_version,
)
from librarian.tracker.settings import TrackerSettings
from librarian.tracker.uploads import Body
from librarian.web.files.answer import unavailable_answer
from librarian.web.files.delivery import request_headers
from librarian.web.files.response import file_response
from librarian.web.requests.methods import KNOWN, takes

log = logging.getLogger(__name__)

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
class Requested:
    """Whatever path of the protocol was asked for; swallows the path, which it has read itself."""

    target: Target

    def __getitem__(self, segment: str) -> "Requested":
        return self


def protocol_root(request: Request) -> Requested:
    """The root of the tracker's endpoint.  Raises TrackerRefusal for paths that mean nothing."""
    return Requested(parse_path(request.environ["PATH_INFO"]))


@takes()  # each path of the protocol has its own
def protocol(context: Requested, request: Request) -> Response:
    """Answer one request of the protocol."""
    methods = _VERBS[context.target.endpoint]
    verb = methods.get(request.method)
    if verb is None:
        kind = WrongMethod if request.method in KNOWN else UnknownMethod
        raise kind(request.method, list(methods))
    try:
        return verb(context.target, request)
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


def _get(target: Target, request: Request) -> Response:
    tracker = getUtility(ITracker)
    query = request.GET if request.query_string else {}
    version = wanted_version(target, query)
    try:
        file = tracker.get(target.name, version, deleted="deleted" in query)
    except NoSuchFile:
        location = _elsewhere(target, query)
        if location is None:
            raise
        return Response(status=307, location=location)
    return _send(tracker, file, request)


def _elsewhere(target: Target, query: Mapping[str, str]) -> str | None:
    """Where else the file may be, or None."""
    fallback = _settings().fallback_url
    if not fallback:
        return None
    location = redirection(fallback, target.name, query)
    if location is None:
        log.warning("fallback leads back here fallback_url=%s name=%s", fallback, target.name)
    return location


def _send(tracker: Any, file: FileVersion, request: Request) -> Response:
    headers = request_headers(request.environ)
    gzip = answers.prefers_gzip(headers)
    packed = gzip and file.packed_sha256 is not None
    try:
        # A server's file wrapper cannot work with a proxied file; get() has asked for the permission.
        stream = removeSecurityProxy(tracker).open_bytes(file, packed=packed, whole="range" not in headers)
    except (BytesNotFound, BytesDamaged) as error:
        log.error("version has no whole bytes name=%s version=%d error=%s", file.name, file.version, error)
        return file_response(unavailable_answer(request.method))
    if gzip and not packed and answers.packs_well(stream, file.size):
        return _send_packing(stream, file, request, headers)
    answer = answers.answer_kept_packed if packed else answers.answer_as_it_is
    return file_response(answer(request.method, headers, file), stream, request.environ)


def _send_packing(stream: Any, file: FileVersion, request: Request, headers: Mapping[str, str]) -> Response:
    answer_headers = answers.headers_of_packing(file)
    status = answers.failed_condition_of_packing(headers, file)
    if status == 412:
        stream.close()
        raise ConditionFailed(file.name)
    if status == 304:
        stream.close()
        return Response(
            status=304, headerlist=[(k, v) for k, v in answer_headers if not k.startswith("Content")]
        )
    if request.method == "HEAD":  # its length would cost packing the file
        stream.close()
        return Response(headerlist=answer_headers, app_iter=[])
    body = answers.packed_body(stream, file.size)
    if isinstance(body, list):
        answer_headers.append(("Content-Length", str(len(body[0]))))
    return Response(headerlist=answer_headers, app_iter=body)


def _put(target: Target, request: Request) -> Response:
    headers = {name.lower(): value for name, value in request.headers.items()}
    is_version_2 = "sha256-checksum" in headers or "logical-size" in headers
    version, rule = put_version(request.GET, headers.get("last-modified"), is_version_2=is_version_2)
    length = request.content_length
    declared = declared_upload(headers, length, _settings().largest_file)
    body: Any = Body(request.environ["wsgi.input"], length)
    file, _ours = getUtility(ITracker).put(_file_name(target), body, version, rule, declared)
    return _done(file)


def _file_name(target: Target) -> str:
    """A name to write to: the version goes into the query."""
    if target.version is not None:
        return f"{target.name}@{target.version}"  # which the service refuses
    return target.name


def _done(file: FileVersion) -> Response:
    response = Response(content_type="text/plain", charset="utf-8")
    response.headers["Last-Modified"] = version_to_date(file.version)
    response.headers["SHA256-Checksum"] = file.sha256
    return response


def _delete(target: Target, request: Request) -> Response:
    version = delete_version(request.GET, request.headers.get("Last-Modified"))
    getUtility(ITracker).delete(_file_name(target), version)
    return Response(content_type="text/plain", charset="utf-8")


def _list(target: Target, request: Request) -> Response:
    found = getUtility(ITracker).listing(target.name, date_of(request.GET))
    return Response(found, content_type="text/plain", charset="utf-8")


def _history(target: Target, request: Request) -> Response:
    found = getUtility(ITracker).history(target.name)
    base = request.application_url.rstrip("/") + request.environ.get("librarian.tracker.mount", "")
    return Response(
        json_body={"name": target.name, "versions": [describe_version(file, base) for file in found]}
    )


def describe_version(file: FileVersion, base: str) -> dict[str, Any]:
    """What JSON says of one version; sizes in bytes, times in RFC 3339."""
    query: dict[str, str] = {} if file.superseded is None else {"version": str(file.version)}
    if file.deleted:
        query["deleted"] = "yes"
    tail = f"?{urlencode(query)}" if query else ""
    return {
        "version": file.version,
        "last_modified": version_to_date(file.version),
        "size": file.size,
        "sha256": file.sha256,
        "stored": file.stored.isoformat(),
        "owner": file.owner,
        "superseded": file.superseded and file.superseded.isoformat(),
        "deleted": file.deleted,
        "url": f"{base}/files{quote(file.name)}{tail}",
    }


def _version(target: Target, request: Request) -> Response:
    return Response(json_body={"protocol_versions": PROTOCOL_VERSIONS})


def _welcome(target: Target, request: Request) -> Response:
    return Response(WELCOME, content_type="text/plain", charset="utf-8")


def _settings() -> TrackerSettings:
    return getUtility(ISettings).section(TrackerSettings)


Verb = Callable[[Target, Request], Response]

_VERBS: dict[Endpoint, dict[str, Verb]] = {
    Endpoint.FILES: {"GET": _get, "HEAD": _get, "PUT": _put, "DELETE": _delete},
    Endpoint.LIST: {"GET": _list, "HEAD": _list},
    Endpoint.HISTORY: {"GET": _history, "HEAD": _history},
    Endpoint.VERSION: {"GET": _version, "HEAD": _version},
    Endpoint.TOP: {"GET": _welcome, "HEAD": _welcome},
}
