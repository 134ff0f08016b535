"""X-Accel-Redirect: the librarian decides, nginx sends the bytes.

The answer carries every header but no body, and names the file in a location that nginx shows to nobody
else.  nginx then answers ranges from the whole file as the librarian would have, so an answer is only
handed over where both come to the same; examples/nginx.conf has the location that does.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pyramid.request import Request
from pyramid.response import Response
from zope.interface import provider

from librarian.settings import ISettingsSection, Section, SettingsError
from librarian.web.delivery import request_headers
from librarian.web.files import FileAnswer, FileFacts, answer_file_request
from librarian.web.proxies import FRONT_END
from librarian.web.ranges import Slice


@provider(ISettingsSection)
@dataclass(frozen=True)
class AccelSettings(Section):
    """Whether a front end sends the bytes."""

    accel_redirect: str = ""  # nginx's internal location of the byte store, such as /+bytes/; empty: no

    def __post_init__(self) -> None:
        prefix = self.accel_redirect
        if prefix and not (prefix.startswith("/") and prefix.endswith("/")):
            raise SettingsError(self.key("accel_redirect"), "does not begin and end with a slash")


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
    if not settings.accel_redirect or not request.environ.get(FRONT_END):
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
