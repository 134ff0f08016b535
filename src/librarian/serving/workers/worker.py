"""The life of a worker, in its own process."""

import gc
import logging
import os
import signal
import socket
import sys
import threading
from functools import partial
from typing import Any

from zope.component import getUtility

from librarian.app import ini_loader, make_app, read_ini, reading
from librarian.interfaces import ISettings, LibrarianError, one_line
from librarian.operations.processes import count_with_others
from librarian.periodic import ProcessSettings
from librarian.serving.limits import limits_of
from librarian.serving.running import make_server, reopen_log
from librarian.serving.server import Server
from librarian.serving.sockets import listen, set_addresses
from librarian.serving.workers.order import ABORT, COVER, READY, REOPEN, RETIRE, STOP, UNCOVER, Order
from librarian.tree.interfaces import ITree

log = logging.getLogger(__name__)

KEPT_SECONDS = 2.0  # without a request, before a replaced worker closes a connection; counted by the second


def work(order: dict[str, Any]) -> None:
    """Serve as ordered until the parent says STOP or is gone.  Exits with status 1 if it cannot."""
    # These come to all processes of a terminal or a unit, and the parent sees to them.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    try:
        Service(Order(**order)).run()
    except (LibrarianError, OSError) as error:
        print(f"Error: {one_line(error)}", file=sys.stderr, flush=True)
        logging.shutdown()
        os._exit(1)


class Service:
    """The application of a worker on its server."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._server: Server | None = None
        self._reopens = False  # whether the log was rotated, perhaps after it was opened
        self._sockets = {name: _adopted(fd) for name, fd in order.sockets.items()}
        self._control = _adopted(order.control)

    def run(self) -> None:
        """Make the application, serve, and close the tree."""
        threading.Thread(target=self._obey, name="parent", daemon=True).start()
        self._app = make_app(self._settings())
        try:
            getUtility(ISettings).push("of the parent", self._order.overlay)
            set_addresses(self._app, self._sockets)
            server = make_server(self._app, self._sockets, limits_of(self._order.options), multiprocess=True)
            listen(self._sockets)  # not before: who connects is answered, or asks another worker
            server.run(lambda: self._started(server))
        finally:
            getUtility(ITree).close()

    def _settings(self) -> dict[str, str]:
        with reading(self._order.ini):
            ini_loader(self._order.ini).setup_logging()
        count_with_others(self._order.number)
        values = read_ini(self._order.ini)
        values[ProcessSettings.key("shared_folder")] = self._order.folder
        return {**values, ProcessSettings.key("periodic_tasks"): "false"}  # the parent does them

    def _started(self, server: Server) -> None:
        gc.freeze()  # as in running
        server.on_signal(signal.SIGTERM, server.drain)
        self._server = server
        if self._reopens:
            reopen_log(self._app)
        log.info("worker ready number=%d pid=%d", self._order.number, os.getpid())
        self._control.send(READY)

    def _obey(self) -> None:
        """Do what the parent says until it is gone; for a thread."""
        while (said := socket.recv_fds(self._control, 1, len(self._sockets)))[0]:
            if said[0] == COVER:
                self._cover([_adopted(fd) for fd in said[1]])
            else:
                self._do(said[0])
        if self._server is None:
            os._exit(1)  # it must not open the tree as its owner
        log.error("the parent is gone, worker stops number=%d pid=%d", self._order.number, os.getpid())
        self._do(STOP)

    def _cover(self, sockets: list[socket.socket]) -> None:
        assert self._server is not None  # the parent knows that it is ready
        covered = dict(zip(self._sockets, sockets, strict=True))
        self._server.from_thread(partial(self._server.cover, covered))

    def _do(self, word: bytes) -> None:
        if word == REOPEN:
            self._reopens = True  # before it is known whether the server has started, which looks at it then
            if self._server is not None:
                reopen_log(self._app)
            return
        if self._server is None:
            os._exit(0)  # stopped before it began
        if word in (STOP, RETIRE):
            seconds = 0.0 if word == STOP else KEPT_SECONDS
            self._server.from_thread(partial(self._server.drain, seconds))
        elif word == UNCOVER:
            self._server.from_thread(self._server.uncover)
        elif word == ABORT:
            self._server.from_thread(self._server.abort)


def _adopted(fd: int) -> socket.socket:
    """The socket behind a descriptor that was inherited; not inherited any further."""
    os.set_inheritable(fd, False)
    return socket.socket(fileno=fd)
