"""The application in place of a network: requests that run in a thread of their own.

That gives each request its own connection to the tree, its own transaction and its own interaction, as a
server would, while those of the test stay as they are.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from io import BytesIO
from threading import Thread
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from webob import Request
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


@implementer(IFetcher)
class ApplicationFetcher:
    """The IFetcher of a test: what the library would fetch over the network, the application answers."""

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: BinaryIO | None = None
    ) -> Fetched:
        answer = request(method, url, headers, declared_body(headers, body) or BytesIO())
        found = {name.lower(): value for name, value in answer.headers.items()}
        return Fetched(answer.status_int, found, answer.body)
