"""A ZEO server, watched."""

import socket
import threading
from collections.abc import Callable
from typing import Any

from ZEO.ClientStorage import ClientStorage
from ZEO.Exceptions import ClientDisconnected

from librarian.tree.engines.interfaces import Engine
from librarian.tree.engines.waiting import SLICE_SECONDS, patiently


class ZeoEngine(Engine):
    """A ZEO server.  Its client connects again by itself, at intervals of up to two seconds."""

    # A SIGTERM that meets runzeo inside of a C function fails the request with SystemError, and is then lost.
    lost = (ClientDisconnected, SystemError)

    def __init__(self, storage: ClientStorage) -> None:
        self._server = storage._server

    def limit_connecting(self, seconds: float) -> None:
        self._server.timeout = 0  # seconds; a call without a connection fails at once

    def ask(self, seconds: float) -> None:
        answer = self._server.call("ping", wait=False)
        answered = threading.Event()

        def take(future: Any) -> None:
            future.exception()  # asyncio logs errors that were not retrieved
            answered.set()

        answer.add_done_callback(take)
        if not self._server.is_connected():
            self._hurry()
        patiently(seconds, answered.wait)
        answer.result()

    def break_off(self) -> None:
        self._in_loop(self._drop)

    def renew(self) -> None:
        """Its client has seen to all of it when it connected."""

    def is_gone(self) -> bool:
        return not self._server.is_connected()

    def _hurry(self) -> None:
        """Connect now, if the client sleeps between two attempts and a server listens."""
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
    """Whether a server listens at a host and port, or a path."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    if family == socket.AF_INET and ":" in (address[0] or ""):
        family = socket.AF_INET6
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(SLICE_SECONDS)
        return probe.connect_ex(address) == 0
