"""Engines outside of this process, as a watch sees them: asked for a sign of life, and let go of.

A driver waits for its server as long as the connection stands, and one whose process is stopped or
whose machine is gone does not close any.  So a watch asks on a line of its own, in a bounded time,
and ends what the others wait for.
"""

import os
import select
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from ZEO.ClientStorage import ClientStorage
from ZEO.Exceptions import ClientDisconnected

SLICE_SECONDS = 0.1
LATE_SECONDS = 0.1  # a slice that took so much longer was lost by this process, not by the engine
LONGEST_QUESTION_SECONDS = 10.0  # of a machine that came back without knowing of it nothing is to be heard


class NoAnswer(Exception):
    """The engine has said nothing for too long."""


class Engine(Protocol):
    """An engine that can be away while this process goes on."""

    @property
    def lost(self) -> tuple[type[BaseException], ...]:
        """What its driver raises when it is away."""

    def begin(self, seconds: float) -> None:
        """From now on nothing shall wait for longer than that for a connection."""

    def ask(self, seconds: float) -> None:
        """Return when the engine has answered.  Raises NoAnswer after `seconds`, or any of `lost`."""

    def let_go(self) -> None:
        """End all that waits for the engine in this process: it raises one of `lost` instead."""

    def renew(self) -> None:
        """It is back: see to it that nothing from before is used again."""

    def is_gone(self) -> bool:
        """Whether it is known without asking that nothing can be had at present."""


def engine_of(storage: Any) -> Engine | None:
    """The engine behind a ZODB storage; None where no question leaves this process.

    To be called before the first connection is opened, and as often as one likes.
    """
    if isinstance(storage, ClientStorage):
        return ZeoEngine(storage)
    adapter = getattr(storage, "_adapter", None)
    driver: Any = None if adapter is None else adapter.connmanager.driver
    if getattr(driver, "__name__", "") != "psycopg2":
        return None
    known = getattr(driver.connect, "__self__", None)
    return known if isinstance(known, PostgresEngine) else PostgresEngine(adapter)


def patiently(seconds: float, arrived: Callable[[float], bool]) -> None:
    """Wait for `arrived`, called with the seconds it may take.  Raises NoAnswer.

    Time in which this process itself did not run is not held against the engine: a busy machine
    delays both.
    """
    left = seconds
    while left > 0:
        begun = time.monotonic()
        if arrived(min(SLICE_SECONDS, left)):
            return
        left -= min(time.monotonic() - begun, SLICE_SECONDS + LATE_SECONDS)
    raise NoAnswer(f"no answer within {seconds:g} s")


class ZeoEngine:
    """A ZEO server.  Its client connects again by itself, at intervals of up to two seconds."""

    lost = (ClientDisconnected,)

    def __init__(self, storage: ClientStorage) -> None:
        self._server = storage._server

    def begin(self, seconds: float) -> None:
        self._server.timeout = 0  # what finds no connection does not wait for one

    def ask(self, seconds: float) -> None:
        answer = self._server.call("ping", wait=False)
        answered = threading.Event()

        def take(future: Any) -> None:
            future.exception()  # asyncio complains of errors that nobody looked at
            answered.set()

        answer.add_done_callback(take)
        if not self._server.is_connected():
            self._hurry()
        patiently(seconds, answered.wait)
        answer.result()

    def let_go(self) -> None:
        self._in_loop(self._drop)

    def renew(self) -> None:
        """Its client has seen to all of it when it connected."""

    def is_gone(self) -> bool:
        return not self._server.is_connected()

    def _hurry(self) -> None:
        """Connect now, if the client sleeps between two attempts and somebody listens."""
        if any(_accepts(address) for address in self._server.client.addrs):
            self._in_loop(self._connect)

    def _in_loop(self, work: Callable[[], None]) -> None:
        self._server.loop.call_soon_threadsafe(work)

    def _drop(self) -> None:
        client = self._server.client
        protocol = client.protocol
        if protocol is not None:
            protocol.close()
            client.disconnected(protocol)

    def _connect(self) -> None:
        client = self._server.client
        # One that is connected already waits for the server's greeting: leave it alone.
        if client.protocol is None and not any(map(_is_connected, client.protocols)):
            client.disconnected(None)


def _is_connected(protocol: Any) -> bool:
    return protocol._connecting is not None and bool(protocol._connecting.done())


def _accepts(address: Any) -> bool:
    """Whether somebody listens at a host and port, or a path."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    if family == socket.AF_INET and ":" in (address[0] or ""):
        family = socket.AF_INET6
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(SLICE_SECONDS)
        return probe.connect_ex(address) == 0


class PostgresEngine:
    """A PostgreSQL server behind RelStorage with psycopg2."""

    def __init__(self, adapter: Any) -> None:
        driver = adapter.connmanager.driver
        self._psycopg2 = driver.get_driver_module()
        self.lost = (self._psycopg2.Error,)  # a connection that breaks off is no more than that to psycopg2
        self._dsn = f"{adapter._dsn} application_name='librarian watch'"
        self._connect = driver.connect
        self._seconds: float | None = None  # for a new connection; None: as the URI says
        self._closed = False
        self._sockets: WeakKeyDictionary[Any, int] = WeakKeyDictionary()  # connection -> inode of its socket
        self._lock = threading.Lock()
        self._line: Any = None  # the connection on which is asked
        self._question: Any = None  # its cursor; None while it is being connected
        self._asked_at: float | None = None  # monotonic
        driver.connect = self._noted_connect

    def begin(self, seconds: float) -> None:
        self._seconds = seconds

    def ask(self, seconds: float) -> None:
        try:
            if self._asked_at is None:
                self._begin()
            patiently(seconds, self._answered)
            self._asked_at = None
        except NoAnswer:
            if self._asked_at is not None and time.monotonic() - self._asked_at > LONGEST_QUESTION_SECONDS:
                self._hang_up()
            self._closed = True
            raise
        except Exception:
            self._hang_up()
            self._closed = True
            raise
        self._closed = False

    def let_go(self) -> None:
        with self._lock:
            waiting = list(self._sockets.items())
        for connection, inode in waiting:
            _shut_down(connection, inode)

    def renew(self) -> None:
        # RelStorage replaces a connection in its pools that is closed, not one that breaks when it is used.
        with self._lock:
            former = list(self._sockets)
        for connection in former:
            with suppress(self._psycopg2.Error):
                connection.close()

    def is_gone(self) -> bool:
        return self._closed

    def _begin(self) -> None:
        self._asked_at = time.monotonic()
        if self._line is None:
            self._line = self._psycopg2.connect(self._dsn, async_=True)
        else:
            self._pose()

    def _pose(self) -> None:
        self._question = self._line.cursor()
        self._question.execute("SELECT 1")

    def _answered(self, seconds: float) -> bool:
        """Whether an answer has come after so many seconds, to the connecting or to the question."""
        deadline = time.monotonic() + seconds
        while (state := self._line.poll()) != self._psycopg2.extensions.POLL_OK:
            left = max(deadline - time.monotonic(), 0)
            writing = state == self._psycopg2.extensions.POLL_WRITE
            line = [self._line.fileno()]
            if not any(select.select([] if writing else line, line if writing else [], [], left)):
                return False
        if self._question is None:  # connected by now
            self._pose()
            return self._answered(max(deadline - time.monotonic(), 0))
        return True

    def _hang_up(self) -> None:
        line, self._line, self._question, self._asked_at = self._line, None, None, None
        if line is not None:
            with suppress(self._psycopg2.Error):
                line.close()

    def _noted_connect(self, dsn: str, *arguments: Any, **options: Any) -> Any:
        """RelStorage's way to a new connection."""
        if self._seconds is None:
            connection = self._connect(dsn, *arguments, **options)
        else:
            connection = self._bounded_connect(self._seconds, dsn, arguments, options)
        with self._lock:
            self._sockets[connection] = os.fstat(connection.fileno()).st_ino
        return connection

    def _bounded_connect(self, seconds: float, dsn: str, arguments: Any, options: Any) -> Any:
        """As long as the engine is away there is none, and a server that does not greet is not waited for
        longer than the watch waits."""
        if self._closed:
            raise self._psycopg2.OperationalError("the database is away")
        future: Future[Any] = Future()
        work = (future, dsn, arguments, options)
        threading.Thread(target=self._connect_into, args=work, daemon=True).start()
        try:
            return future.result(seconds)
        except TimeoutError:
            future.add_done_callback(_close_result)
            raise self._psycopg2.OperationalError("the database does not greet") from None

    def _connect_into(self, future: "Future[Any]", dsn: str, arguments: Any, options: Any) -> None:
        try:
            # libpq's smallest; it ends the thread.
            future.set_result(self._connect(f"{dsn} connect_timeout=2", *arguments, **options))
        except BaseException as error:  # noqa: BLE001  # for whoever waits
            future.set_exception(error)


def _close_result(future: "Future[Any]") -> None:
    if future.exception() is None:
        future.result().close()


def _shut_down(connection: Any, inode: int) -> None:
    """Have whoever waits for a connection's server see its end (shutdown(2))."""
    try:
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            # Its thread may have closed it just now, and another file may have got the number.
            if os.fstat(line.fileno()).st_ino == inode:
                line.shutdown(socket.SHUT_RDWR)
    except Exception:  # noqa: BLE001  # closed: nobody waits there
        return
