"""PUT and DELETE of a file."""

from typing import Any

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import ISettings
from librarian.library.http.naming import answer_when_named
from librarian.tracker.authorization import check_file
from librarian.tracker.client.wire.version_dates import version_to_date
from librarian.tracker.interfaces import Declared, EmptyDirectory, FileVersion, ITracker, Overwrite
from librarian.tracker.protocol import Target, declared_upload, delete_version, put_version
from librarian.tracker.settings import TrackerSettings
from librarian.tracker.uploads import Body
from librarian.web.interfaces import BODY_TAKER, HEAD_ALONE
from librarian.web.requests.methods import go_on
from librarian.web.requests.promises import begin_body, promised_hashes
from librarian.web.requests.received import received_input


def put(target: Target, request: Request) -> Response:
    """Answer PUT; Last-Modified tells which version the name holds now, which need not be this file."""
    name, version, rule, declared = _stated(target, request)
    # The steps are the service's own; it has checked the permission, and the token's scope for this name.
    putting = removeSecurityProxy(getUtility(ITracker).putting(name, version, rule, declared))
    if declared.packed and BODY_TAKER in request.environ:
        request.environ[BODY_TAKER](putting.receiver(bool(promised_hashes(request.environ))))
        return go_on(target, request)
    fields = {"content_type": "text/plain", "charset": "utf-8"}
    if putting.prevailing is not None:
        response = Response(**fields)
        _confirm(response, putting.prevailing)
        return response
    return answer_when_named(
        request,
        putting.library.tree,
        lambda: putting.store(_body(request)),
        putting.name,
        lambda response, named: _confirm(response, putting.end(named)[0]),
        run=putting.run,
        repeated=(EmptyDirectory,),
        **fields,
    )


def _body(request: Request) -> Any:
    begin_body(request.environ)
    received = received_input(request.environ)
    return received or Body(request.environ["wsgi.input"], request.content_length)


def judge_put(target: Target, request: Request) -> None:
    """Refuse a PUT by its head.  Raises what put() raises."""
    name, _version, _rule, _declared = _stated(target, request)
    getUtility(ITracker).put  # noqa: B018  # through its security proxy, which raises Unauthorized
    check_file("write", name)


def _stated(target: Target, request: Request) -> tuple[str, int | None, Overwrite, Declared]:
    """The name and the version to write, what a newer version means, and what is said of the body."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    is_version_2 = "sha256-checksum" in headers or "logical-size" in headers
    version, rule = put_version(request.GET, headers.get("last-modified"), is_version_2=is_version_2)
    largest = getUtility(ISettings).section(TrackerSettings).largest_file
    # Where a server asks first, it tells of a body that has come whether that is whole.
    is_proven = HEAD_ALONE in request.environ
    declared = declared_upload(headers, request.content_length, largest, is_proven=is_proven)
    return _file_name(target), version, rule, declared


def _file_name(target: Target) -> str:
    """The name to write to.  The version of a write is in the query; with one in the path the name is bad."""
    if target.version is not None:
        return f"{target.name}@{target.version}"  # BadName, raised by the service
    return target.name


def _confirm(response: Response, file: FileVersion) -> None:
    response.headers["Last-Modified"] = version_to_date(file.version)
    response.headers["SHA256-Checksum"] = file.sha256


def delete(target: Target, request: Request) -> Response:
    """Answer DELETE."""
    version = delete_version(request.GET, request.headers.get("Last-Modified"))
    getUtility(ITracker).delete(_file_name(target), version)
    return Response(content_type="text/plain", charset="utf-8")
