"""A ZEO server, watched."""

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from ZEO.ClientStorage import ClientStorage
from ZEO.Exceptions import ClientDisconnected

from librarian.tree.engines.interfaces import Engine, NoAnswer
from librarian.tree.engines.waiting import SLICE_SECONDS, patiently

LOOK_SECONDS = 0.01  # between two looks at a connection that is being made


class ZeoEngine(Engine):
    """A ZEO server.  Its client connects again by itself, at intervals of up to two seconds."""

    # A SIGTERM that meets runzeo inside of a C function fails the request with SystemError, and is then lost.
    lost = (ClientDisconnected, SystemError)

    def __init__(self, storage: ClientStorage) -> None:
        self._server = storage._server
        self._is_silent = False  # at the last question; a lost connection has ended all waiting itself

    def limit_connecting(self, seconds: float) -> None:
        self._server.timeout = 0  # seconds; a call without a connection fails at once

    def ask(self, seconds: float) -> None:
        self._is_silent = False
        try:
            self._ask(seconds)
        except NoAnswer:
            self._is_silent = True
            raise

    def _ask(self, seconds: float) -> None:
        if self.is_gone():
            self._hurry()
        if self._is_greeting():
            # What was committed meanwhile is being asked for.  That may take longer than the watch pauses;
            # broken off each time, the client would never be connected.
            patiently(seconds, self._is_greeted)
        answer = self._server.call("ping", wait=False)
        answered = threading.Event()

        def take(future: Any) -> None:
            future.exception()  # asyncio logs errors that were not retrieved
            answered.set()

        answer.add_done_callback(take)
        patiently(seconds, answered.wait)
        answer.result()

    def break_off(self) -> None:
        if self._is_silent:
            self._in_loop(self._drop)

    def renew(self) -> None:
        """Its client has seen to all of it when it connected."""

    def is_gone(self) -> bool:
        return not self._server.is_connected()

    def _hurry(self) -> None:
        """Connect now, if the client sleeps between two attempts and a server listens."""
        if any(_accepts(address) for address in self._server.client.addrs):
            self._in_loop(self._connect)

    def _is_greeting(self) -> bool:
        """Whether a server has accepted a connection that is not ready yet."""
        client = self._server.client
        return self.is_gone() and (client.protocol is not None or any(map(_is_connected, client.protocols)))

    def _is_greeted(self, seconds: float) -> bool:
        """Wait until the connection is ready, or lost; False where it is neither after `seconds`."""
        end = time.monotonic() + seconds
        while self._is_greeting():
            if time.monotonic() > end:
                return False
            time.sleep(LOOK_SECONDS)
        return True

    def _in_loop(self, work: Callable[[], None]) -> None:
        self._server.loop.call_soon_threadsafe(work)

    def _drop(self) -> None:
        client = self._server.client
        protocol = client.protocol
        if protocol is not None:
            protocol.close()
            client.disconnected(protocol)
        elif any(map(_is_connected, client.protocols)):  # it accepts, and does not greet
            client.disconnected(None)

    def _connect(self) -> None:
        client = self._server.client
        # One that is connected already waits for the server's greeting: leave it alone.
        if client.protocol is None and not any(map(_is_connected, client.protocols)):
            client.disconnected(None)


def _is_connected(protocol: Any) -> bool:
    connecting = protocol._connecting
    return connecting is not None and bool(connecting.done())


def _accepts(address: Any) -> bool:
    """Whether a server listens at a host and port, or a path."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    if family == socket.AF_INET and ":" in (address[0] or ""):
        family = socket.AF_INET6
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(SLICE_SECONDS)
        return probe.connect_ex(address) == 0
