"""The endpoints on a server.  Sockets are bound first, so that the settings state the true ports."""

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

from zope.component import getUtility

from librarian.interfaces import ISettings, LibrarianError, one_line
from librarian.serving.announcing import tell_endpoints, tell_first_admin
from librarian.serving.http.lane_access import lane_accesses
from librarian.serving.interfaces import CannotListen
from librarian.serving.limits import limits_of
from librarian.serving.server import Server
from librarian.store.interfaces import IByteStore, StoreUnavailable
from librarian.tree.interfaces import ITree
from librarian.tree.service import share_tree
from librarian.web.access_log.middleware import AccessLogged
from librarian.web.endpoints import Endpoints, endpoint_addresses, url_at
from librarian.web.interfaces import IEndpoint, IEndpoints

log = logging.getLogger(__name__)

LEFT_BEHIND = timedelta(days=1)  # longer than any upload takes


def bind(addresses: Mapping[str, tuple[str, int]]) -> dict[str, socket.socket]:
    """A listening socket for each endpoint; port 0 becomes one that is free.  Raises CannotListen."""
    found: dict[str, socket.socket] = {}
    with ExitStack() as failing:
        for name, (host, port) in addresses.items():
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            found[name] = failing.enter_context(socket.socket(family, socket.SOCK_STREAM))
            try:
                _listen(found[name], host, port)
            except OSError as error:
                raise CannotListen(name, host, port, error.strerror or str(error)) from error
        failing.pop_all()
    return found


def _listen(sock: socket.socket, host: str, port: int) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen(1024)


def tell_addresses(app: Any, sockets: Mapping[str, socket.socket]) -> dict[str, str]:
    """Set the bound addresses in the settings; the URL of each endpoint, by name."""
    settings = getUtility(ISettings)
    lines = ["[librarian]"]
    for name, sock in sockets.items():
        host, port = sock.getsockname()[:2]
        key = app.registry.getUtility(IEndpoint, name).section.key("listen").removeprefix("librarian.")
        lines.append(f"{key} = {f'[{host}]' if ':' in host else host}:{port}")
    settings.push("bound addresses", "\n".join(lines))
    app.registry.registerUtility(Endpoints(settings), IEndpoints)
    return {name: url_at(*sock.getsockname()[:2]) for name, sock in sockets.items()}


def serve(app: Any, announce: Callable[[dict[str, str]], None] | None = None, **options: Any) -> None:
    """Serve every endpoint until SIGTERM or SIGINT, then finish what is running and close the tree.

    SIGHUP opens the access log anew.

    `announce` is called with the URL of each endpoint once connections are accepted.  `options` are
    the fields of `Limits`, as numbers or as text.  Raises SettingsError, CannotListen, and
    TreeUnavailable if another process serves the same database already.
    """
    tree = getUtility(ITree)
    limits = limits_of(options)
    try:
        share_tree()
        clear_incoming()
        sockets = bind(endpoint_addresses(getUtility(ISettings)))
        urls = tell_addresses(app, sockets)
        ports = {name: sock.getsockname()[1] for name, sock in sockets.items()}
        server = Server(
            app, sockets, getUtility(IByteStore), limits, lane_accesses(app, ports), with_forms(app)
        )

        def started() -> None:
            for number in (signal.SIGTERM, signal.SIGINT):
                server.on_signal(number, server.stop)
            # What logrotate sends; without a log there is nothing to do, and no reason to end.
            server.on_signal(signal.SIGHUP, app.reopen if isinstance(app, AccessLogged) else _ignore)
            if announce is not None:
                announce(urls)
            log.info("serving endpoints=%s", ",".join(sorted(urls)))

        server.run(started)
    finally:
        tree.close()


def with_forms(app: Any) -> frozenset[str]:
    """The names of the endpoints to which browsers send forms."""
    found = app.registry.getUtilitiesFor(IEndpoint)
    return frozenset(name for name, endpoint in found if endpoint.for_browsers)


def clear_incoming() -> None:
    """Remove the unfinished uploads of dead processes; younger ones may be another process's."""
    try:
        number = getUtility(IByteStore).clear_incoming(LEFT_BEHIND)
    except StoreUnavailable as error:  # what can be served is served all the same
        log.error("incoming not cleared error=%s", error)
        return
    log.info("incoming cleared files=%d", number)


def _ignore() -> None:
    """A handler that does nothing, for a signal that would end the process by default."""


def server_factory(global_config: Mapping[str, str], **options: str) -> Callable[[Any], None]:
    """The Paste server factory ``egg:librarian#endpoints``: pserve starts as ``librarian serve`` does."""

    def run(app: Any) -> None:
        try:
            tell_first_admin()
            serve(app, tell_endpoints, **options)
        except (LibrarianError, OSError) as error:
            # pserve prints a traceback of it, and takes SystemExit for a good end, with status 0.
            print(f"Error: {one_line(error)}", file=sys.stderr, flush=True)
            logging.shutdown()
            os._exit(1)

    return run
