"""The endpoints on a server: sockets first, so that what the settings say about ports is what is true."""

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
from librarian.log_filters import EXHAUSTED, Rarely
from librarian.serving.admission import CONNECTIONS, allow_descriptors
from librarian.serving.announcing import tell_endpoints, tell_first_admin
from librarian.serving.draining import DrainingServer
from librarian.serving.interfaces import CannotListen
from librarian.store.interfaces import IByteStore, StoreUnavailable
from librarian.tree.interfaces import ITree
from librarian.tree.service import share_tree
from librarian.web.access_log.middleware import AccessLogged
from librarian.web.endpoints import Endpoints, endpoint_addresses, url_at
from librarian.web.interfaces import IEndpoint, IEndpoints

log = logging.getLogger(__name__)

LEFT_BEHIND = timedelta(days=1)  # longer than any upload takes
GRACE_SECONDS = 60.0  # systemd, for one, kills after 90

WAITRESS_OPTIONS: dict[str, Any] = {
    "threads": 4,
    "ident": None,  # no word on what serves
    # Uploads of any size are spooled to disk; the byte store's room is what limits them.
    "max_request_body_size": 1 << 40,
    "recv_bytes": 1 << 18,
    "send_bytes": 1,
    "channel_timeout": 120,
    "asyncore_use_poll": True,  # select() ends at descriptor 1023
    # What a front end says is judged in web/requests/proxies.py, the same under every server.
    "clear_untrusted_proxy_headers": False,
}


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
    """Lay the bound addresses over the settings; the URL of each endpoint, by name."""
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
    waitress's, and `grace_seconds`: how long running transfers may take to finish at the end.
    Raises TreeUnavailable if another process serves the same database already, and CannotListen.
    """
    tree = getUtility(ITree)
    # It says with every request that one waits; under load, saying so is a sixth of the work.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    logging.getLogger("waitress").addFilter(Rarely(EXHAUSTED, "total open connections"))
    options["connection_limit"] = allow_descriptors(int(options.get("connection_limit", CONNECTIONS)))
    grace_seconds = float(options.pop("grace_seconds", GRACE_SECONDS))
    try:
        share_tree()
        clear_incoming()
        sockets = bind(endpoint_addresses(getUtility(ISettings)))
        urls = tell_addresses(app, sockets)
        server = DrainingServer(
            app,
            list(sockets.values()),
            {**WAITRESS_OPTIONS, **options},
            grace_seconds,
            getUtility(IByteStore),
            file_lane_sockets(sockets),
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, server.stop)
        # What logrotate sends; without a log there is nothing to do, and no reason to die of it.
        signal.signal(signal.SIGHUP, app.reopen if isinstance(app, AccessLogged) else _ignore)
        if announce is not None:
            announce(urls)
        log.info("serving endpoints=%s", ",".join(sorted(urls)))
        server.run()
    finally:
        tree.close()


def file_lane_sockets(sockets: Mapping[str, socket.socket]) -> frozenset[int]:
    """The sockets of endpoints whose requests wait for nothing but the local disk; none where the tree
    is another process's, as its database can keep the server's loop waiting."""
    if not getUtility(ITree).is_local:
        return frozenset()
    return frozenset(sock.fileno() for name, sock in sockets.items() if getUtility(IEndpoint, name).file_lane)


def clear_incoming() -> None:
    """Remove what uploads of dead processes left half-written; younger ones may be another process's."""
    try:
        number = getUtility(IByteStore).clear_incoming(LEFT_BEHIND)
    except StoreUnavailable as error:  # what can be served is served all the same
        log.error("incoming not cleared error=%s", error)
        return
    log.info("incoming cleared files=%d", number)


def _ignore(signum: int, frame: Any) -> None:
    """For a signal whose default would end the process."""


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
