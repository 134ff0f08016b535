"""A file of a byte store in the network, which is fetched from there without passing through here.

Either by a front end that has proved itself (`librarian.web.files.accel`), which is told a presigned URL
below its internal location, and fetches and caches it; or by the client itself, which is redirected.  What a
request makes a condition is judged here before, since the object store has validators of its own.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from pyramid.request import Request
from pyramid.response import Response

from librarian.store.interfaces import IPresignedUrls
from librarian.web.files.answer import answer_file_request
from librarian.web.files.delivery import request_headers
from librarian.web.files.facts import FileAnswer, FileFacts, Header
from librarian.web.files.ranges import Slice
from librarian.web.settings import AccelSettings, RedirectSettings

# What S3 lets the maker of a URL say of the answer.
OVERRIDES = ("Content-Type", "Content-Disposition", "Cache-Control")

# Between being told the URL and using it a front end has no reason to wait; its slices of a large file are
# fetched while the client reads, which may take long.
FRONT_END_SECONDS = 86400


def fetched_by_front_end(
    settings: AccelSettings, answer: FileAnswer, facts: FileFacts, request: Request, urls: IPresignedUrls
) -> Response | None:
    """The response that has the front end fetch the file, or None where it must be sent from here.

    The headers of the file are all there; Cache-Control as X-File-Cache-Control, for the front end to put in
    its place once it has the bytes: an error must not be kept for a year.
    """
    if not settings.proved_by(request.environ) or not _is_plain(answer, facts, request):
        return None
    url = urlsplit(urls.presigned(facts.sha256, {}, FRONT_END_SECONDS))
    headers = [
        (f"X-File-{name}" if name == "Cache-Control" else name, value)
        for name, value in _headers_of_whole(facts, request)
        if name != "Content-Length"
    ]
    headers.append(("X-Accel-Redirect", f"{settings.accel_redirect}{url.path.lstrip('/')}?{url.query}"))
    return Response(status=200, headerlist=headers, app_iter=[])


def redirected(
    settings: RedirectSettings, answer: FileAnswer, facts: FileFacts, request: Request, urls: IPresignedUrls
) -> Response | None:
    """307 with a URL that gives a public file for a while (RFC 9110, section 15.4.8), or None to send it.

    Not for a file on its own host, where a page may run that must not on the one of all files.
    """
    if facts.restricted or facts.own_host or not settings.redirects(facts.size):
        return None
    if not _is_plain(answer, facts, request):
        return None
    stated = {name: value for name, value in _headers_of_whole(facts, request) if name in OVERRIDES}
    lifetime = int(settings.redirect_lifetime.total_seconds())
    location = urls.presigned(facts.sha256, stated, lifetime)
    headers = [("Location", location), ("Cache-Control", "no-store"), ("Content-Length", "0")]
    return Response(status=307, headerlist=headers, app_iter=[])


def _is_plain(answer: FileAnswer, facts: FileFacts, request: Request) -> bool:
    """Whether another server with other validators gives the same bytes: the whole file, or one range of it
    that depends on nothing."""
    stated = request_headers(request.environ)
    slices = [part for part in answer.segments if isinstance(part, Slice)]
    if len(slices) != 1 or not facts.size or "if-range" in stated:
        return False
    return ("range" in stated) is (answer.status == 206)


def _headers_of_whole(facts: FileFacts, request: Request) -> list[Header]:
    whole: Mapping[str, str] = {
        name: value for name, value in request_headers(request.environ).items() if name != "range"
    }
    return answer_file_request("GET", whole, facts).headers
