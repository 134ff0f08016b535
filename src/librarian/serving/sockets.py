"""Listening sockets of the endpoints.

Sockets are bound before the server begins, so that the settings state the true ports.
"""

import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from zope.component import getUtility

from librarian.interfaces import ISettings
from librarian.serving.interfaces import CannotListen
from librarian.web.endpoints import Endpoints, url_at
from librarian.web.interfaces import IEndpoint, IEndpoints

BACKLOG = 1024  # connections that wait to be accepted

Addresses = Mapping[str, tuple[str, int]]  # host and port of each endpoint, by its name
Sockets = dict[str, socket.socket]  # by the name of the endpoint


def bind(addresses: Addresses) -> Sockets:
    """A listening socket for each endpoint; port 0 becomes one that is free.  Raises CannotListen."""
    with ExitStack() as failing:
        found = _bound(addresses, failing, shared=False)
        listen(found)
        failing.pop_all()
    return found


def require_free(addresses: Addresses) -> None:
    """Raise CannotListen for the first address that cannot be listened on; port 0 always can."""
    for sock in bind({name: address for name, address in addresses.items() if address[1]}).values():
        sock.close()


def bind_slots(addresses: Addresses, number: int) -> list[Sockets]:
    """So many sets of sockets, whose endpoints have the same addresses.  Raises CannotListen.

    They refuse connections until each set is given to listen().  The kernel distributes new connections
    among those sockets of an address that listen (SO_REUSEPORT, socket(7)).  The option also lets a second
    server of the same user take the address, so it is tried without it first.
    """
    require_free(addresses)
    with ExitStack() as failing, ExitStack() as choosing:
        chosen = _chosen(addresses, choosing)
        slots = [_bound(chosen, failing, shared=True) for _ in range(number)]
        failing.pop_all()
    return slots


def listen(sockets: Sockets) -> None:
    """Accept connections there, from now on.  Raises CannotListen."""
    for name, sock in sockets.items():
        with _telling(name, *sock.getsockname()[:2]):
            sock.listen(BACKLOG)


def refuse(sockets: Sockets) -> None:
    """Refuse connections there until listen(); those that were not accepted yet are reset.

    The addresses stay bound.  What shutdown() does to a listening socket is Linux's (inet_shutdown).  One
    that does not listen is left alone: it would be marked, and what it accepts later would be at its end.
    """
    for sock in sockets.values():
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sock.shutdown(socket.SHUT_RDWR)


def _chosen(addresses: Addresses, choosing: ExitStack) -> Addresses:
    """The addresses with ports in place of 0, which are free while `choosing` is open.

    A socket that was bound to port 0 has none any more once it refuses, so that each slot states its port.
    """
    probes = _bound(addresses, choosing, shared=True)
    return {name: (addresses[name][0], sock.getsockname()[1]) for name, sock in probes.items()}


def _bound(addresses: Addresses, failing: ExitStack, *, shared: bool) -> Sockets:
    found: Sockets = {}
    for name, (host, port) in addresses.items():
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        found[name] = sock = failing.enter_context(socket.socket(family, socket.SOCK_STREAM))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with _telling(name, host, port):
            sock.bind((host, port))
    return found


@contextmanager
def _telling(name: str, host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotListen(name, host, port, error.strerror or str(error)) from error


def set_addresses(app: Any, sockets: Mapping[str, socket.socket]) -> dict[str, str]:
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
