"""The application under test behind a real server in a thread of this process, asked over loopback.

`OurServer` is librarian.serving's, `Waitress` stands for any other.  Both are WSGI callables, for connect():
a request goes over a socket, and what the network would decide of it (the endpoint's port, the client's
address) goes along in fields of its own.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

from webtest.http import StopableWSGIServer
from zope.component import getUtility

from librarian.serving.limits import Limits
from librarian.serving.server import Server
from librarian.serving.sockets import bind
from librarian.store.interfaces import IByteStore

_NETWORK = {"SERVER_PORT": "X-Test-Port", "REMOTE_ADDR": "X-Test-Address", "wsgi.url_scheme": "X-Test-Scheme"}
_FRAMING = frozenset(("connection", "date", "server", "transfer-encoding", "via"))


class _OverNetwork:
    """A WSGI callable that asks `self.address`, until close()."""

    address: tuple[str, int]
    asked = 0  # requests

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.asked += 1
        path = quote(environ["PATH_INFO"].encode("latin-1"), safe="/%!$&'()*+,;=:@~")
        query = environ.get("QUERY_STRING")
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(size) if size else b""
        with closing(HTTPConnection(*self.address, timeout=60)) as connection:
            target = f"{path}?{query}" if query else path
            connection.putrequest(
                environ["REQUEST_METHOD"], target, skip_host=True, skip_accept_encoding=True
            )
            for name, value in _fields(environ):
                connection.putheader(name, value.encode("latin-1"))
            connection.endheaders(body or None)
            answer = connection.getresponse()
            found = [(name, value) for name, value in answer.getheaders() if name.lower() not in _FRAMING]
            start_response(f"{answer.status} {answer.reason}", found)
            return [answer.read()]


def _fields(environ: dict[str, Any]) -> Iterable[tuple[str, str]]:
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            yield key.removeprefix("HTTP_").replace("_", "-").title(), value
        elif key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            yield key.replace("_", "-").title(), value
    for key, name in _NETWORK.items():
        if key in environ:
            yield name, environ[key]


def _as_sent(app: Any) -> Callable[..., Any]:
    """`app` with what the fields say of the network put into its environ."""

    def called(environ: dict[str, Any], start_response: Any) -> Any:
        environ.pop("REMOTE_ADDR", None)
        for key, name in _NETWORK.items():
            stated = environ.pop(f"HTTP_{name.upper().replace('-', '_')}", None)
            if stated is not None:
                environ[key] = stated
        return app(environ, start_response)

    return called


class OurServer(_OverNetwork):
    """librarian.serving, with the byte store of the world."""

    def __init__(self, app: Any, **limits: Any) -> None:
        sockets = bind({"app": ("127.0.0.1", 0)})
        self.address = sockets["app"].getsockname()
        store, started = getUtility(IByteStore), threading.Event()
        self._server = Server(
            _as_sent(app),
            sockets,
            store,
            Limits(**limits),
            with_forms=("app",),
            unpacking=("app",),  # as if each request came in at the tracker's port
            judges_heads=True,
        )
        self._thread = threading.Thread(target=self._server.run, args=(started.set,))
        self._thread.start()
        started.wait(30)

    def close(self) -> None:
        self._server.stop_from_thread()
        self._thread.join(30)


class Waitress(_OverNetwork):
    """waitress, as pserve runs it."""

    def __init__(self, app: Any) -> None:
        self._server = StopableWSGIServer.create(_as_sent(app))
        self.address = ("127.0.0.1", int(self._server.effective_port))

    def close(self) -> None:
        self._server.shutdown()
        self._server.runner.join(30)
