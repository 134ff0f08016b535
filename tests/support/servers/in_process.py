"""The application in place of a network: requests that run in a thread of their own.

A thread of its own gives each request its own connection to the tree, its own transaction and its
own interaction, as a server would, while the caller's stay as they are.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from io import BytesIO
from threading import Thread
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from webob import Request
from webtest import TestApp
from zope.interface import implementer

from librarian.interfaces import Fetched, IFetcher
from librarian.net.service import declared_body

_application: list[Any] = []  # the one application of this test process; connect() puts it here


def connect(application: Any) -> None:
    """Have requests answered by `application` from now on."""
    _application[:] = [application]


class ThreadedApplication:
    """The application as WSGI, each request answered in a new thread and its body read whole."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        outcome: list[Any] = []

        def work() -> None:
            try:
                response = Request(environ).call_application(_application[0])
                outcome.append((response[0], response[1], _read(response[2])))
            except BaseException as error:  # noqa: BLE001  # raised again in the caller's thread
                outcome.append(error)

        thread = Thread(target=work)
        thread.start()
        thread.join()
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        status, headers, body = outcome[0]
        start_response(status, headers)
        return [body]


def _read(body: Iterable[bytes]) -> bytes:
    try:
        return b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()


def request(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | BinaryIO = b"",
    **environ: str,
) -> Any:
    """A webob response for one request; the port in `url` chooses the endpoint, `environ` adds WSGI keys."""
    parts = urlsplit(url)
    blank = Request.blank(url, method=method, headers=dict(headers or {}))
    blank.environ["SERVER_PORT"] = str(parts.port or 80)
    blank.environ.update(environ)
    if not isinstance(body, bytes):
        body = b"".join(iter(partial(body.read, 1 << 16), b""))
    if body or method in ("PUT", "POST"):
        blank.body = body
    return blank.get_response(ThreadedApplication())


def browser(endpoint_url: str = "http://localhost:6543/") -> TestApp:
    """A WebTest browser with cookies on the endpoint behind `endpoint_url`."""
    parts = urlsplit(endpoint_url)
    environ = {"SERVER_PORT": str(parts.port or 80), "HTTP_HOST": parts.netloc, "HTTP_ACCEPT": "text/html"}
    return TestApp(ThreadedApplication(), extra_environ=environ)


def http(line: str, body: bytes = b"", show: str = "", **headers: str) -> None:
    """Send a request and print the answer: its status, the headers named in `show`, its body.

    >>> http("GET http://localhost:8000/robots.txt", show="Content-Type")
    200 OK
    Content-Type: text/plain; charset=utf-8
    <BLANKLINE>
    User-agent: *
    Disallow: /

    Keywords are request headers with ``_`` for ``-``.  A body that is no text is printed as bytes.
    """
    method, _, url = line.partition(" ")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = request(method, url, named, body)
    print(response.status)
    for name in show.split():
        if name in response.headers:
            print(f"{name}: {response.headers[name]}")
    if response.body:
        print()
        print(_printable(response.body))


def _printable(body: bytes) -> str:
    try:
        return body.decode("utf-8").rstrip("\n")
    except UnicodeDecodeError:
        return repr(body)


@implementer(IFetcher)
class ApplicationFetcher:
    """Fetches from the application under test."""

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: BinaryIO | None = None
    ) -> Fetched:
        answer = request(method, url, headers, declared_body(headers, body) or BytesIO())
        found = {name.lower(): value for name, value in answer.headers.items()}
        return Fetched(answer.status_int, found, answer.body)
