"""PUT and DELETE of a file."""

from typing import Any

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility

from librarian.interfaces import ISettings
from librarian.tracker.client.wire.version_dates import version_to_date
from librarian.tracker.interfaces import FileVersion, ITracker
from librarian.tracker.protocol import Target, declared_upload, delete_version, put_version
from librarian.tracker.settings import TrackerSettings
from librarian.tracker.uploads import Body
from librarian.web.requests.received import received_input


def put(target: Target, request: Request) -> Response:
    """Answer PUT; Last-Modified tells which version the name holds now, which need not be this file."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    is_version_2 = "sha256-checksum" in headers or "logical-size" in headers
    version, rule = put_version(request.GET, headers.get("last-modified"), is_version_2=is_version_2)
    length = request.content_length
    declared = declared_upload(headers, length, getUtility(ISettings).section(TrackerSettings).largest_file)
    body: Any = received_input(request.environ) or Body(request.environ["wsgi.input"], length)
    file, _ours = getUtility(ITracker).put(_file_name(target), body, version, rule, declared)
    return _confirmation(file)


def _file_name(target: Target) -> str:
    """The name to write to.  The version of a write is in the query; with one in the path the name is bad."""
    if target.version is not None:
        return f"{target.name}@{target.version}"  # BadName, raised by the service
    return target.name


def _confirmation(file: FileVersion) -> Response:
    response = Response(content_type="text/plain", charset="utf-8")
    response.headers["Last-Modified"] = version_to_date(file.version)
    response.headers["SHA256-Checksum"] = file.sha256
    return response


def delete(target: Target, request: Request) -> Response:
    """Answer DELETE."""
    version = delete_version(request.GET, request.headers.get("Last-Modified"))
    getUtility(ITracker).delete(_file_name(target), version)
    return Response(content_type="text/plain", charset="utf-8")
