"""The WSGI environ (PEP 3333) of a request."""

import sys
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from librarian.serving.http.bodies import Whole
from librarian.serving.http.heads import Fields, Head
from librarian.web.requests.form_files import ReceivedForm, pass_form_on
from librarian.web.requests.received import pass_on


def fixed(host: str, port: int, *, multiprocess: bool = False) -> dict[str, Any]:
    """The part of an environ that the listening socket decides, and that other processes serve it too."""
    return {
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_SOFTWARE": "librarian",
        "SCRIPT_NAME": "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": multiprocess,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }


def environ_of(base: Mapping[str, Any], head: Head, peer: tuple[str, int], body: Whole) -> dict[str, Any]:
    """The environ of one request; `peer` is the address and port it comes from."""
    path = head.path
    if "%" in path:
        path = unquote_to_bytes(path).decode("latin-1")
    if path.startswith("//"):  # names a host in other readers' eyes
        path = "/" + path.lstrip("/")
    environ = {**base, **fields_by_variable(head.meaning.fields)}
    environ["REQUEST_METHOD"] = head.method
    environ["REQUEST_URI"] = head.target
    environ["PATH_INFO"] = path
    environ["QUERY_STRING"] = head.query
    environ["SERVER_PROTOCOL"] = f"HTTP/{head.version}"
    environ["REMOTE_ADDR"] = environ["REMOTE_HOST"] = peer[0]
    environ["REMOTE_PORT"] = str(peer[1])
    if head.host is not None:
        environ["HTTP_HOST"] = head.host
    if isinstance(body, ReceivedForm):
        pass_form_on(environ, body)
        return environ
    if not isinstance(body, bytes):
        pass_on(environ, body)
        return environ
    environ["wsgi.input"] = BytesIO(body)
    # Zeros in front can be more than int() takes; of a chunked body, all of which has come, it is known now.
    if "content-length" in head.meaning.fields or head.meaning.chunked:
        environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def environ_of_head(base: Mapping[str, Any], head: Head, peer: tuple[str, int]) -> dict[str, Any]:
    """The environ of a request whose body has not come: with the length that is told of it."""
    environ = environ_of(base, head, peer, b"")
    del environ["CONTENT_LENGTH"]
    if not head.meaning.chunked:
        environ["CONTENT_LENGTH"] = str(head.meaning.length)
    return environ


def fields_by_variable(fields: Fields) -> dict[str, str]:
    """The fields by their CGI variables (RFC 3875, 4.1.18).

    A field with an underscore in its name could be taken for another there, and is left out; so is
    Transfer-Encoding, as the body is no longer chunked.
    """
    found = {}
    for name, values in fields.items():
        if "_" in name or name == "transfer-encoding":
            continue
        variable = name.upper().replace("-", "_")
        if name not in ("content-type", "content-length"):
            variable = f"HTTP_{variable}"
        found[variable] = ("; " if name == "cookie" else ", ").join(values)
    return found
