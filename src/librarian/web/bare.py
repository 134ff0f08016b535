"""Refusals without the application: those of the server, and for errors that no error page caught.

Wording and appearance are those of the application: JSON for a program, a small page for a browser.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from html import escape
from http import HTTPStatus
from string import Template
from typing import Any

from webob.acceptparse import create_accept_header

from librarian.web.requests.deferred import IS_DEFERRED
from librarian.web.requests.received import forget

log = logging.getLogger(__name__)

LONGEST_REASON = 300  # characters; a reason is one line, whatever the error quotes
FAULT = "Something went wrong here; it has been written down."

_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>$title</title>
  <style>
    body { font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 40rem; padding: 0 1.5rem; }
    :root { color-scheme: light dark; }
  </style>
</head>
<body>
  <h1>$title</h1>
  <p>$reason</p>
</body>
</html>
""")


def one_line(reason: str) -> str:
    """A reason as it is shown."""
    return " ".join(reason.split())[:LONGEST_REASON]


def prefers_page(accept: str | None) -> bool:
    """Whether a browser asks: HTML is asked for before JSON, and not just as one of anything."""
    offers = create_accept_header(accept).acceptable_offers(["application/json", "text/html"])
    return bool(offers) and offers[0][0] == "text/html"


def bare_page(status: int, reason: str) -> str:
    """A page that leads nowhere, for endpoints without pages."""
    return _PAGE.substitute(title=escape(HTTPStatus(status).phrase), reason=escape(reason))


def bare_refusal(
    accept: str | None, status: int, reason: str, more: Mapping[str, Any] | None = None
) -> tuple[str, list[tuple[str, str]], bytes]:
    """Status line, headers and body of an answer that refuses; `accept` is what the request accepts, `more`
    is what a JSON object has beside."""
    reason = one_line(reason)
    if prefers_page(accept):
        kind, body = "text/html; charset=utf-8", bare_page(status, reason)
    else:
        facts = {"error": reason, "status": status, **(more or {})}
        kind, body = "application/json", json.dumps(facts, separators=(",", ":"))
    headers = [
        ("Content-Type", kind),
        ("Content-Length", str(len(body.encode()))),
        ("Cache-Control", "no-store"),
        ("Vary", "Accept"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
    ]
    return f"{status} {HTTPStatus(status).phrase}", headers, body.encode()


class LastResort:
    """A WSGI application whose faults are answered in our words, under every server.

    The error pages know what is raised below them.  This is for what is raised above: in a tween, or
    while the answer is put together.  No answer is read from the body of its request, which is over
    here, unless its answer is deferred.
    """

    def __init__(self, application: Any) -> None:
        self.registry = application.registry
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            found: Iterable[bytes] = self._application(environ, start_response)
            return found
        except Exception as error:
            method, path = environ.get("REQUEST_METHOD"), environ.get("PATH_INFO")
            log.exception("unexpected error, not from a view method=%s path=%r", method, path)
            status, headers, body = bare_refusal(environ.get("HTTP_ACCEPT"), 500, FAULT)
            start_response(status, headers, (type(error), error, error.__traceback__))
            return [b"" if method == "HEAD" else body]
        finally:
            if IS_DEFERRED not in environ:
                forget(environ)
