"""X-Accel-Redirect: the librarian decides, nginx sends the bytes.

The answer carries every header but no body, and names the file in a location that is internal to
nginx.  nginx then answers ranges from the whole file as the librarian would have, so an answer is only
handed over where both come to the same; examples/nginx.conf has the location that does.

A client that got such an answer itself would hold an empty file, which it may keep for a year.  So the
request must carry a secret that only the front end knows: it sets that header anew in every request,
whatever the client sent.  An address proves nothing, since others use the front end's machine too.
"""

from collections.abc import Callable

from pyramid.request import Request
from pyramid.response import Response

from librarian.web.files.answer import answer_file_request
from librarian.web.files.delivery import request_headers
from librarian.web.files.facts import FileAnswer, FileFacts
from librarian.web.files.ranges import Slice
from librarian.web.settings import AccelSettings


def handed_over(
    settings: AccelSettings,
    answer: FileAnswer,
    facts: FileFacts,
    request: Request,
    locate: Callable[[str], str],
) -> Response | None:
    """The response that has nginx send the file, or None where it must be sent from here.

    `locate` gives the path of a digest's bytes below the store's folder.
    """
    if not settings.proved_by(request.environ):
        return None
    if not any(isinstance(segment, Slice) for segment in answer.segments):
        return None  # nothing of the file is sent: 304, 416, HEAD
    stated = request_headers(request.environ)
    if ("range" in stated) is not (answer.status == 206):
        return None  # a range that was asked for and is not granted: nginx might grant it
    whole = {name: value for name, value in stated.items() if name not in ("range", "if-range")}
    _status, headers, _segments = answer_file_request("GET", whole, facts)
    kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
    kept.append(("X-Accel-Redirect", settings.accel_redirect + locate(facts.sha256)))
    return Response(status=200, headerlist=kept, app_iter=[])
