"""Requests to the application under test, as documents print them and as browsers send them."""

from typing import Any
from urllib.parse import urlsplit

from webtest import TestApp, TestRequest, TestResponse

from librarian.testing.application import ThreadedApplication, request

__all__ = ["Browser", "ThreadedApplication", "browser", "http", "request"]


class Page(TestResponse):
    """A page whose `forms` are its own: the search form that every page has is left out."""

    _forms_indexed: dict[Any, Any]

    def _parse_forms(self) -> None:
        super()._parse_forms()
        found = {name: form for name, form in self._forms_indexed.items() if type(name) is int}
        own = [form for form in found.values() if form.id != "search"]
        self._forms_indexed = dict(enumerate(own)) | {form.id: form for form in own if form.id}


class PageRequest(TestRequest):
    """Is answered by a Page."""

    ResponseClass = Page


class Browser(TestApp):
    """A browser of pages."""

    RequestClass = PageRequest


def browser(endpoint_url: str = "http://localhost:6543/") -> TestApp:
    """A WebTest browser with cookies on the endpoint behind `endpoint_url`."""
    parts = urlsplit(endpoint_url)
    environ = {"SERVER_PORT": str(parts.port or 80), "HTTP_HOST": parts.netloc, "HTTP_ACCEPT": "text/html"}
    return Browser(ThreadedApplication(), extra_environ=environ)


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
