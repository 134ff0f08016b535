"""HTTP as a client: one small contract, so that documents and tests can answer in place of a network."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import urllib3
from zope.interface import Interface, implementer

from librarian.interfaces import LibrarianError
from librarian.net.bodies import DeclaredBody

# ruff: noqa: N805  # zope.interface methods are written without self

CHUNK = 1 << 18  # bytes


class FetchFailed(LibrarianError, OSError):
    """No answer came: the connection was refused, was cut, or took too long."""

    def __init__(self, method: str, url: str, why: str) -> None:
        super().__init__(f"{method} {url}: {why}")
        self.url = url
        self.why = why


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer, read whole: meant for small bodies.  Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class IFetcher(Interface):
    """Sends one request.  Never uses a proxy from the environment and follows no redirect."""

    def request(method: str, url: str, headers: Mapping[str, str], body: BinaryIO | None = None) -> Fetched:
        """Send `body` from its current position, with a Content-Length if `headers` name one.

        A refused connection is tried again for a few seconds, as a server that restarts needs;
        once bytes may have gone out nothing is tried again.  Raises FetchFailed; and WrongLength where
        `body` holds fewer or more bytes than that Content-Length: the connection is then closed before
        the whole of it has gone out.
        """


def declared_body(headers: Mapping[str, str], body: BinaryIO | None) -> Any:
    """`body` as IFetcher sends it: exactly as long as `headers` say, if they do."""
    for name, value in headers.items():
        if body is not None and name.lower() == "content-length":
            return DeclaredBody(body, int(value))
    return body


@implementer(IFetcher)
class UrllibFetcher:
    """urllib3: it streams bodies, pools connections, and looks at no proxy unless told to."""

    # 0.5 + 1 + 2 s of pauses, then the refusal is final.  Only connecting is tried again.
    retries = urllib3.Retry(total=None, connect=4, read=0, redirect=0, status=0, other=0, backoff_factor=0.5)

    def __init__(self, timeout_seconds: float = 60.0) -> None:
        self._pool = urllib3.PoolManager(timeout=timeout_seconds, retries=self.retries, blocksize=CHUNK)

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: BinaryIO | None = None
    ) -> Fetched:
        sent = declared_body(headers, body)
        try:
            answer = self._pool.request(method, url, headers=dict(headers), body=sent, redirect=False)
        except urllib3.exceptions.MaxRetryError as error:
            raise FetchFailed(method, url, str(error.reason)) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise FetchFailed(method, url, str(error)) from error
        found = {name.lower(): value for name, value in answer.headers.items()}
        return Fetched(answer.status, found, answer.data)
