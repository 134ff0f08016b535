"""waitress's loop, with an end: what is running is finished before the process goes."""

import logging
import time
from collections.abc import Mapping
from operator import attrgetter
from socket import socket
from typing import Any

import waitress
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer

from librarian.log_filters import Rarely
from librarian.serving.admission import Admission
from librarian.serving.answering import AnsweringChannel
from librarian.serving.file_lane import FileLaneChannel, FileLaneDispatcher
from librarian.serving.leaving import LeavingChannel
from librarian.serving.receiving import ReceivingChannel
from librarian.serving.sendfile import SendfileChannel, offer_sendfile
from librarian.store.interfaces import IByteStore

log = logging.getLogger(__name__)
crowded_log = logging.getLogger(f"{__name__}.crowded")
crowded_log.addFilter(Rarely())

TURN_SECONDS = 1.0  # the longest that the loop waits for something to happen


class Connection(FileLaneChannel, ReceivingChannel, AnsweringChannel, SendfileChannel, LeavingChannel):
    """A connection as our server has it."""


class DrainingServer:
    """A waitress server on some sockets that stops when it is told, not where it happens to be.

    waitress ends at an exception out of a signal handler, which can strike in the middle of an upload
    and gives running requests five seconds.  Here stop() only takes a note: listening ends, idle
    connections are closed, running requests and transfers have `grace_seconds` to come to their end.
    `file_lane` are the descriptors of the sockets whose requests may take the file lane.
    """

    def __init__(
        self,
        app: Any,
        sockets: list[socket],
        options: Mapping[str, Any],
        grace_seconds: float,
        store: IByteStore,
        file_lane: frozenset[int] = frozenset(),
    ) -> None:
        self._map: dict[int, Any] = {}
        application = offer_sendfile(app)
        self._server = waitress.create_server(application, map=self._map, sockets=sockets, **options)
        self._listeners = [part for part in self._map.values() if isinstance(part, BaseWSGIServer)]
        for listener in self._listeners:
            Admission(listener)
            listener.channel_class = Connection
            listener.store = store
            listener.stopping = False
        self._file_lanes = [
            FileLaneDispatcher(part) for part in self._listeners if part.socket.fileno() in file_lane
        ]
        self._grace_seconds = grace_seconds
        self._stopping = False
        # At its limit waitress accepts no connection until one has been idle for long enough.  It counts
        # the listeners and their triggers as well, which with many endpoints may be more than a small limit.
        self._own = len(self._map)
        self._crowded = self._own + self._server.adj.connection_limit * 3 // 4
        self._server.adj.connection_limit += self._own

    def run(self) -> None:
        """Serve until stop(), then finish."""
        while not self._stopping:
            self._turn(TURN_SECONDS)
            if len(self._map) > self._crowded:
                self._close_longest_idle()
        self._drain()

    def stop(self, *signal: Any) -> None:
        """End soon; a second call ends at once.  Fit to be a signal's handler."""
        if self._stopping:
            raise SystemExit(1)
        self._stopping = True
        self._listeners[0].pull_trigger()  # wakes the loop

    def _turn(self, seconds: float) -> None:
        use_poll = self._server.adj.asyncore_use_poll
        wasyncore.loop(timeout=seconds, use_poll=use_poll, map=self._map, count=1)
        for dispatcher in self._file_lanes:
            dispatcher.work()

    def _drain(self) -> None:
        for listener in self._listeners:
            listener.stopping = True
            # Not its own close(): that takes the trigger along, by which threads wake the loop.
            wasyncore.dispatcher.close(listener)
        deadline = time.monotonic() + self._grace_seconds
        log.info("stopping connections=%d", len(self._channels()))
        while (left := deadline - time.monotonic()) > 0 and self._close_idle():
            self._turn(min(left, TURN_SECONDS))
        if cut := len(self._channels()):
            log.warning("stopped in the middle of transfers=%d", cut)
        self._listeners[0].task_dispatcher.shutdown()
        wasyncore.close_all(self._map)

    def _close_longest_idle(self) -> None:
        """Close half of the idle connections.  Clients must cope with that at any time (RFC 9112, 9.5)."""
        idle = [channel for channel in self._channels() if not _busy(channel)]
        idle.sort(key=attrgetter("last_activity"))
        for channel in idle[: len(idle) // 2]:
            channel.handle_close()
        crowded_log.warning("crowded connections=%d closed=%d", len(self._map) - self._own, len(idle) // 2)

    def _close_idle(self) -> bool:
        """Close connections on which nothing is going on; whether others are left."""
        for channel in self._channels():
            if not _busy(channel):
                channel.handle_close()
        return bool(self._channels())

    def _channels(self) -> list[HTTPChannel]:
        return [part for part in self._map.values() if isinstance(part, HTTPChannel)]


def _busy(channel: HTTPChannel) -> bool:
    """Whether a request is being received, answered, or sent its answer."""
    with channel.requests_lock:
        arriving = channel.request is not None and channel.request.headers_finished
        return bool(arriving or channel.requests or channel.total_outbufs_len)
