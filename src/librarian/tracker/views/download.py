"""GET and HEAD of a file: its bytes, plain or as gzip, or a redirection to the fallback."""

import logging
from collections.abc import Mapping
from typing import Any

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import ISettings
from librarian.store.interfaces import BytesDamaged, BytesNotFound
from librarian.tracker.fallback import redirection
from librarian.tracker.interfaces import ConditionFailed, FileVersion, ITracker, NoSuchFile
from librarian.tracker.protocol import SMALLEST_PACKED, Target, wanted_version
from librarian.tracker.settings import TrackerSettings
from librarian.tracker.views import representations
from librarian.web.files.answer import unavailable_answer
from librarian.web.files.delivery import request_headers
from librarian.web.files.facts import PackedForm
from librarian.web.files.response import file_response
from librarian.web.interfaces import FILE_LANE

log = logging.getLogger(__name__)


def get(target: Target, request: Request) -> Response:
    """Answer GET and HEAD.  Raises NoSuchFile, NoSuchVersion, ConditionFailed, BadRequest."""
    tracker = getUtility(ITracker)
    query = request.GET if request.query_string else {}
    version = wanted_version(target, query)
    try:
        file = tracker.get(target.name, version, deleted="deleted" in query)
    except NoSuchFile:
        location = _fallback_url(target, query)
        if location is None:
            raise
        return Response(status=307, location=location)
    _offer(tracker, file, request)
    return _send(tracker, file, request)


def _offer(tracker: Any, file: FileVersion, request: Request) -> None:
    """Hand what the answer follows from to a server that can answer for files by itself."""
    offer = request.environ.get(FILE_LANE)
    if offer is not None and file.superseded is None:
        objects = removeSecurityProxy(tracker).objects_behind(file.name)
        offer(representations.facts_of(file, packed=False), objects, _packed_form(file))


def _packed_form(file: FileVersion) -> PackedForm | None:
    """What is sent to clients that prefer gzip; None for a file that is sent plain to all of them."""
    if file.packed_sha256 is not None:
        return PackedForm(representations.prefers_gzip, representations.facts_of(file, packed=True))
    if file.size < SMALLEST_PACKED:
        return None
    return PackedForm(representations.prefers_gzip, None)


def _fallback_url(target: Target, query: Mapping[str, str]) -> str | None:
    """The URL of the file at the fallback; None if there is no fallback, or it sent the client here."""
    fallback = getUtility(ISettings).section(TrackerSettings).fallback_url
    if not fallback:
        return None
    location = redirection(fallback, target.name, query)
    if location is None:
        log.warning("fallback leads back here fallback_url=%s name=%s", fallback, target.name)
    return location


def _send(tracker: Any, file: FileVersion, request: Request) -> Response:
    headers = request_headers(request.environ)
    gzip = representations.prefers_gzip(headers)
    packed = gzip and file.packed_sha256 is not None
    try:
        # A server's file wrapper cannot use a security-proxied file; get() has checked the permission.
        stream = removeSecurityProxy(tracker).open_bytes(file, packed=packed, whole="range" not in headers)
    except (BytesNotFound, BytesDamaged) as error:
        log.error("version has no whole bytes name=%s version=%d error=%s", file.name, file.version, error)
        return file_response(unavailable_answer(request.method))
    if gzip and not packed and representations.packs_well(stream, file.size):
        return _send_packing(stream, file, request, headers)
    answer = representations.answer_kept_packed if packed else representations.answer_plain
    return file_response(answer(request.method, headers, file), stream, request.environ)


def _send_packing(stream: Any, file: FileVersion, request: Request, headers: Mapping[str, str]) -> Response:
    answer_headers = representations.headers_of_packing(file)
    status = representations.failed_condition_of_packing(headers, file)
    if status == 412:
        stream.close()
        raise ConditionFailed(file.name)
    if status == 304:
        stream.close()
        return Response(
            status=304, headerlist=[(k, v) for k, v in answer_headers if not k.startswith("Content")]
        )
    if request.method == "HEAD":  # its length is known only after packing the file
        stream.close()
        return Response(headerlist=answer_headers, app_iter=[])
    body = representations.packed_body(stream, file.size)
    if isinstance(body, list):
        answer_headers.append(("Content-Length", str(len(body[0]))))
    return Response(headerlist=answer_headers, app_iter=body)
