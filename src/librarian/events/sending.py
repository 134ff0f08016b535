"""One POST to a receiver that may be slow, lying, or inside the network of this machine."""

import socket
import threading
from typing import Any
from urllib.parse import urlsplit

import urllib3
from zope.component import getUtility
from zope.interface import implementer

from librarian.events.interfaces import HookAnswer, IHookSender
from librarian.events.settings import EventSettings
from librarian.interfaces import ISettings
from librarian.net.http import connection_pool, failure
from librarian.net.networks import AddressGuard

MOST_BODY = 1000  # bytes of an answer that are kept
SETTING = "librarian.events.allowed_networks"


@implementer(IHookSender)
class HookSender:
    """Over the network, a connection for each event.

    The address is looked at twice: before anything is connected to, and, as a name may resolve to another one
    the next time, before anything of the event is sent.
    """

    def send(self, url: str, headers: dict[str, str], body: bytes) -> HookAnswer:
        settings = getUtility(ISettings).section(EventSettings)
        guard = AddressGuard(settings.allowed_networks, SETTING)
        seconds = settings.timeout.total_seconds()
        deadline = _Deadline(guard)
        timer = threading.Timer(seconds, deadline.end)
        timer.daemon = True
        timer.start()
        try:
            _require_public(guard, url)
            return _post(url, headers, body, seconds, deadline)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            return HookAnswer(None, "no answer in time" if deadline.ended else failure(error))
        finally:
            timer.cancel()
            timer.join()


class _Deadline:
    """Ends the connection that a request uses: a receiver may send a byte now and then for ever."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._socket: socket.socket | None = None
        self.ended = False

    def check(self, connection: Any) -> None:
        """Keep a new connection; refuse it if it leads to a private address."""
        peer = connection.sock.getpeername()[0]
        if not self._guard.permits(peer):
            raise PermissionError(f"{peer} is {self._guard.refusal}")
        self._socket = connection.sock
        if self.ended:
            self.end()

    def end(self) -> None:
        """Close the connection, in the thread of the timer."""
        self.ended = True
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended by itself


def _require_public(guard: AddressGuard, url: str) -> None:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    for info in socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM):
        if not guard.permits(str(info[4][0])):
            raise PermissionError(f"{info[4][0]} is {guard.refusal}")


def _post(url: str, headers: dict[str, str], body: bytes, seconds: float, deadline: _Deadline) -> HookAnswer:
    pool = connection_pool(
        connect_tries=0, connect_seconds=seconds, read_seconds=seconds, check=deadline.check
    )
    with pool:
        answer = pool.request("POST", url, headers=headers, body=body, redirect=False, preload_content=False)
        try:
            text = answer.read(MOST_BODY, decode_content=False).decode("utf-8", "replace")
            return HookAnswer(answer.status, text)
        finally:
            answer.close()
