"""A server in this process, from its sockets to its end."""

import gc
import logging
import signal
from collections.abc import Callable
from typing import Any

from zope.component import getUtility

from librarian.serving.http.lane_access import lane_accesses
from librarian.serving.limits import Limits
from librarian.serving.server import Server
from librarian.serving.sockets import Sockets
from librarian.store.interfaces import IByteStore
from librarian.web.access_log.middleware import AccessLogged
from librarian.web.interfaces import IEndpoint, IEndpoints

log = logging.getLogger(__name__)

ENDING = (signal.SIGTERM, signal.SIGINT)
REOPENING = (signal.SIGHUP, signal.SIGUSR1)  # what logrotate sends


def run_server(app: Any, sockets: Sockets, limits: Limits, started: Callable[[Server], None]) -> None:
    """Serve on `sockets` until SIGTERM or SIGINT, then finish what is running; a second one ends at once.

    `started` is called once connections are accepted.  SIGHUP and SIGUSR1 open the access log anew.
    """
    server = make_server(app, sockets, limits)

    def begin() -> None:
        gc.freeze()  # what the start has made stays: later collections do not go through it, for 0.1 s each
        for number in ENDING:
            server.on_signal(number, server.stop)
        for number in REOPENING:
            server.on_signal(number, lambda: reopen_log(app))
        started(server)
        log.info("serving endpoints=%s", ",".join(sorted(sockets)))

    server.run(begin)


def make_server(app: Any, sockets: Sockets, limits: Limits, *, multiprocess: bool = False) -> Server:
    """A server of the application on these sockets, whose endpoints have what they ask for.

    `multiprocess`: other processes serve on the same sockets.
    """
    ports = {name: sock.getsockname()[1] for name, sock in sockets.items()}
    lanes, forms, packed = lane_accesses(app, ports), with_forms(app), unpacking(app)
    # Another application, which has the library mounted below a prefix, has views that do not know of it.
    judges_heads = app.registry.queryUtility(IEndpoints) is not None
    return Server(
        app,
        sockets,
        getUtility(IByteStore),
        limits,
        lanes,
        forms,
        packed,
        judges_heads=judges_heads,
        multiprocess=multiprocess,
    )


def with_forms(app: Any) -> frozenset[str]:
    """The names of the endpoints to which browsers send forms."""
    found = app.registry.getUtilitiesFor(IEndpoint)
    return frozenset(name for name, endpoint in found if endpoint.for_browsers)


def unpacking(app: Any) -> frozenset[str]:
    """The names of the endpoints that unpack large gzip bodies while they arrive."""
    found = app.registry.getUtilitiesFor(IEndpoint)
    return frozenset(name for name, endpoint in found if endpoint.unpacks_gzip)


def reopen_log(app: Any) -> None:
    """Have the next line of the access log go to a new file, if the old one was moved."""
    if isinstance(app, AccessLogged):
        app.reopen()
