"""Talking to other hosts: one request and its answer.

Code that fetches something small asks the IFetcher utility and handles FetchFailed.  A server and its
commands have the fetcher of `service`, which goes over the network; documents and tests register one that
answers from the application itself, so that they need no port.  Longer talks (the tracker's client, a
controller daemon, a command that moves large files) have a pool of connections from `http.connection_pool`,
which sets what all of them share: no proxy from the environment, a connection that is refused is tried again,
and a request that was sent is not.  `http.refusal_reason` reads what our endpoints answer where they refuse:
``{"error": "the reason"}``.

Bodies are sent exactly as long as they were declared (`bodies.DeclaredBody`): a byte more would be read as
the next request of the connection, a byte less is waited for.

`networks` has IP addresses and the networks that settings name, and the guard for URLs that come from people:
it looks at the address that a socket is for, when the name has been resolved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from zope.interface import Interface

from librarian.interfaces import LibrarianError

# ruff: noqa: N805  # zope.interface methods are written without self


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
