"""The HTTP server: one loop for all connections, a few threads for the application.

`librarian serve` opens a socket for each endpoint and gives them to `server.Server`, with the WSGI
application, the byte store and the `limits` of the section ``[server:main]``.  The server is an asyncio loop
in one thread: it accepts connections, reads from them and sends to them, so that a slow client costs a
descriptor and a little memory but no thread.  What would block the loop is done elsewhere: requests by the
application's threads (`wsgi`), the hashing and writing of bodies by the disk's (`http.bodies`).

How a request goes.  `http.connection` collects bytes until a head is whole, and `http.heads` parses it as
RFC 9112 has it; what two readers could understand differently is a RequestRefused, which the server answers
itself.  A body is measured by its Content-Length or taken apart by `http.chunks`.  A small one stays in
memory; a larger one goes to the byte store while it arrives and is written only once (`http.bodies`).  Then
a WSGIExchange (`wsgi.exchange`) waits for a thread of `wsgi.application`, which calls the application as PEP
3333 says.  Its answer comes back to the loop in one of three ways: whole, as a file of the byte store, or as
a stream (`wsgi.outgoing`), which spills into a file where the client takes it slowly.  `http.output` sends
it, files by sendfile(2).  An answer that waits for a commit is given by the thread that committed: that of
the application has left before (`wsgi.deferred`).  The next request of the connection is begun when this
answer has gone out.

The *file lane* (`http.file_lane`) answers downloads of public files and of the tracker's in the loop,
without a thread, a database connection or Pyramid.  The application offers it the facts of a file when it has
answered for that file; every commit that touches one of the objects behind them takes the offer back.  Where
another process may have committed, the lane first looks whether it has heard of everything (ITree.is_fresh),
and if not, a thread asks the database once for all requests that wait.  What is not in the kernel's cache is
read by a thread.  `http.lane_access` says which requests of which endpoint it may answer, and writes their
lines of the access log.

Where an installation is to use all cores, several processes serve together, started by one that does nothing
else (`workers`).

When descriptors or connections run short, the connections that have been idle for longest give way.  A
connection on which nothing moves for `timeout_seconds` is closed.  At the end listening stops first, and
what is running has `grace_seconds` to come to its end.
"""

from collections.abc import Mapping
from typing import Any

from librarian.interfaces import LibrarianError


class RequestRefused(LibrarianError, ValueError):
    """A request that RFC 9110 or RFC 9112 does not allow.  Where it ends cannot be known for certain, so
    that the connection is closed behind the answer."""

    def __init__(self, reason: str, status: int = 400, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason  # one line, for the client
        self.status = status
        self.facts = dict(facts or {})  # that the answer's JSON object has beside


class NotFresh(LibrarianError):
    """The file lane knows the file, and the tree must be asked whether that is still true."""


class CannotListen(LibrarianError, OSError):
    """An endpoint's address is in use, is none of this machine, or may not be used by this user."""

    def __init__(self, endpoint: str, host: str, port: int, why: str) -> None:
        super().__init__(f"endpoint {endpoint} cannot listen on {host} port {port}: {why}")
        self.endpoint = endpoint


class WorkerFailed(LibrarianError, RuntimeError):
    """A worker process ended, or was killed, before it accepted connections; it has said why."""

    def __init__(self, status: int) -> None:
        super().__init__(f"a worker could not start, and ended with status {status}")
        self.status = status  # negative: minus the number of a signal
