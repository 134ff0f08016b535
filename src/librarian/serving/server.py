"""The server's loop: accepts connections, limits their number and time, and ends at stop().

An asyncio loop.  Requests of the application run on threads beside it (application.py), disk
work of uploads on others (bodies.py).
"""

import asyncio
import errno
import logging
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import attrgetter
from socket import socket
from typing import Any

from librarian.log_filters import EXHAUSTED, Rarely
from librarian.serving.http.bodies import ReceivedBody
from librarian.serving.http.connection import Connection, Listener, Phase
from librarian.serving.http.environ import fixed
from librarian.serving.http.heads import Head
from librarian.serving.http.lane_access import LaneAccess
from librarian.serving.http.receivers import Bodies
from librarian.serving.limits import Limits
from librarian.serving.wsgi.application import Application
from librarian.store.interfaces import IByteStore, IReceiving

log = logging.getLogger(__name__)
log.addFilter(Rarely(EXHAUSTED, "crowded"))

ACCEPTED_AT_ONCE = 64  # connections, before others have their turn
DISK_THREADS = 4
PAUSE_SECONDS = 0.5  # after the last descriptor is gone
CROWDED_SECONDS = 0.02  # after the last connection was let in that may be
SWEEP_SECONDS = 1.0
FIRST_REQUEST_SECONDS = 1.0  # for the first request of a connection, when the server has been told to end


class Server:
    """Serves an application on listening sockets until stop(), then finishes what is running.

    At the end listening ends, idle connections are closed, and running requests and transfers have
    `grace_seconds` to come to theirs.
    """

    def __init__(
        self,
        app: Any,
        sockets: Mapping[str, socket],
        store: IByteStore,
        limits: Limits,
        lanes: Mapping[str, LaneAccess] | None = None,
        with_forms: Collection[str] = (),
        unpacking: Collection[str] = (),
        *,
        judges_heads: bool = False,
        multiprocess: bool = False,
    ) -> None:
        """`judges_heads`: the application knows HEAD_ALONE, DEFERRED; `multiprocess`: as PEP 3333 has it;
        `unpacking`: the names of endpoints that are asked before a large gzip body is read."""
        self._limits = limits
        # Not uvloop's: it saves 2 of 20 us, but where it can be imported ZEO uses it too, and then a client
        # of ZEO reads what is older than another client's acknowledged commit (seen in tests.engines).
        self._loop = asyncio.new_event_loop()
        self._judges_heads, self._multiprocess = judges_heads, multiprocess
        self._application = Application(app, self._loop, limits.threads)
        self._disk = ThreadPoolExecutor(DISK_THREADS, "disk")
        self._connections: set[Connection] = set()
        self._accepted = 0  # connections that are let in but have no Connection yet
        self._sockets = list(sockets.values())
        self._listeners = {
            sock: self._listener(
                sock, Bodies(store, name in with_forms), (lanes or {}).get(name), name in unpacking
            )
            for name, sock in sockets.items()
        }
        self._by_name = {name: self._listeners[sock] for name, sock in sockets.items()}
        self._covered: list[socket] = []
        self._accepting: set[socket] = set()
        self._stopping = False
        self._stopped_at = 0.0  # monotonic
        self._idle_seconds = 0.0  # see drain()

    def run(self, started: Callable[[], None]) -> None:
        """Serve until stop(), then finish; `started` is called once connections are accepted."""
        for sock in self._sockets:
            sock.setblocking(False)
        self._accept_on()
        self._loop.call_later(SWEEP_SECONDS, self._sweep)
        self._loop.call_soon(started)
        try:
            self._loop.run_forever()
        finally:
            self._application.stop()
            self._disk.shutdown(wait=True)
            self._loop.close()

    def on_signal(self, number: int, callback: Callable[[], None]) -> None:
        """Have a signal handled between two turns of the loop."""
        self._loop.add_signal_handler(number, callback)

    def stop(self) -> None:
        """End soon; a second call ends at once."""
        if self._stopping:
            self.abort()
        self.drain()

    def drain(self, idle_seconds: float = 0.0) -> None:
        """End soon: listen no more, and finish what is running.

        A connection that was used is closed when it has been idle for `idle_seconds`.  With a few, a client
        that sends one request after another is told by the answer to the next, and loses none.
        """
        self._idle_seconds = idle_seconds
        if self._stopping:
            return
        self._stopping = True
        self._accept_off()
        for listener in self._listeners.values():
            listener.stopping = True
        for sock in self._sockets:
            sock.close()
        self._stopped_at = time.monotonic()
        log.info("stopping connections=%d", len(self._connections))
        self._drain()

    def cover(self, sockets: Mapping[str, socket]) -> None:
        """Accept connections at these sockets too: those of a worker that died, by the names of endpoints."""
        if self._stopping:
            return
        for name, sock in sockets.items():
            sock.setblocking(False)
            self._listeners[sock] = self._by_name[name]
            self._covered.append(sock)
        self._sockets += sockets.values()
        self._accept_on()

    def uncover(self) -> None:
        """Accept only at the first ones."""
        for sock in self._covered:
            if sock in self._accepting:
                self._accepting.discard(sock)
                self._loop.remove_reader(sock.fileno())
            del self._listeners[sock]
            self._sockets.remove(sock)
            sock.close()
        self._covered = []

    def abort(self) -> None:
        """End at once, in the middle of what is running."""
        for connection in list(self._connections):
            connection.abort()
        self._loop.call_soon(self._loop.stop)

    def from_thread(self, call: Callable[[], None]) -> None:
        """Have drain() or abort() called in the loop's thread, by another one."""
        self._loop.call_soon_threadsafe(call)

    def stop_from_thread(self) -> None:
        """stop(), called in another thread than the loop's."""
        self.from_thread(self.stop)

    @property
    def connections(self) -> int:
        """The number of connections at present."""
        return len(self._connections)

    # -- connections

    def _listener(self, sock: socket, bodies: Bodies, lane: LaneAccess | None, unpacks: bool) -> Listener:
        host, port = sock.getsockname()[:2]
        return Listener(
            loop=self._loop,
            application=self._application,
            environ=fixed(host, port, multiprocess=self._multiprocess),
            new_body=partial(self._new_body, bodies),
            new_file=bodies.store.spool,
            connections=self._connections,
            lane=lane,
            judges_heads=self._judges_heads,
            unpacks_gzip=unpacks,
        )

    def _new_body(
        self, bodies: Bodies, head: Head, changed: Callable[[], None], receiving: IReceiving | None = None
    ) -> ReceivedBody:
        body = ReceivedBody(bodies.receiver(head), self._loop, self._disk, changed, receiving)
        if receiving is None and not head.meaning.chunked:
            body.expect(head.meaning.length)
        return body

    def _accept_on(self) -> None:
        if not self._stopping:
            for sock, listener in self._listeners.items():
                if sock not in self._accepting:
                    self._accepting.add(sock)
                    self._loop.add_reader(sock.fileno(), self._accept, sock, listener)

    def _accept_off(self) -> None:
        for sock in self._accepting:
            self._loop.remove_reader(sock.fileno())
        self._accepting.clear()

    def _accept(self, sock: socket, listener: Listener) -> None:
        for _turn in range(ACCEPTED_AT_ONCE):
            if not self._make_room():
                self._pause_accepting(CROWDED_SECONDS)
                return
            try:
                connection, _peer = sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                self._accept_failed(error)
                return
            self._accepted += 1
            self._loop.create_task(self._connect(connection, listener))

    async def _connect(self, connection: socket, listener: Listener) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: Connection(listener), connection)
        except OSError:  # it has gone already
            connection.close()
        finally:
            self._accepted -= 1

    def _accept_failed(self, error: OSError) -> None:
        if error.errno in EXHAUSTED:
            log.error("no descriptors left, accepting pauses error=%s", error)
            self._pause_accepting(PAUSE_SECONDS)
        elif error.errno not in (errno.ECONNABORTED, errno.EINTR):
            log.error("connection cannot be accepted error=%s", error)

    def _pause_accepting(self, seconds: float) -> None:
        self._accept_off()
        self._loop.call_later(seconds, self._accept_on)

    def _make_room(self) -> bool:
        """Whether one more connection may be accepted; at the limit the longest idle ones are closed."""
        limit = self._limits.connection_limit
        count = len(self._connections) + self._accepted
        if count > limit * 3 // 4:
            closed = self._close_longest_idle()
            if closed:
                log.warning("crowded connections=%d closed=%d", count, closed)
        return len(self._connections) + self._accepted < limit

    def _close_longest_idle(self) -> int:
        """Close half of the idle connections.  Clients must cope with that at any time (RFC 9112, 9.5)."""
        idle = [each for each in self._connections if each.phase is Phase.READING_HEAD]
        idle.sort(key=attrgetter("last_activity"))
        chosen = idle[: (len(idle) + 1) // 2]
        for connection in chosen:
            connection.close_idle()
        return len(chosen)

    def _sweep(self) -> None:
        """Close connections without progress; called once a second."""
        now = time.monotonic()
        for listener in self._listeners.values():
            listener.now = now
        for connection in list(self._connections):
            connection.check(now, self._limits.timeout_seconds, self._limits.head_seconds)
        self._loop.call_later(SWEEP_SECONDS, self._sweep)

    # -- the end

    def _drain(self) -> None:
        """Close idle connections until none is left, or `grace_seconds` are over.

        A client that has just connected is about to send: it gets a moment, and its answer.
        """
        now = time.monotonic()
        elapsed = now - self._stopped_at
        for connection in list(self._connections):
            idle = now - connection.last_activity >= self._idle_seconds
            if idle if connection.was_used else elapsed >= FIRST_REQUEST_SECONDS:
                connection.close_idle()
        if not self._connections and not self._accepted:
            self._loop.stop()
        elif elapsed >= self._limits.grace_seconds:
            log.warning("stopped in the middle of transfers=%d", len(self._connections))
            self.abort()
        else:
            self._loop.call_later(0.05, self._drain)
