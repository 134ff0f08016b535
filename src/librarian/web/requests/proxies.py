"""Fields of a front end about a request are believed from configured front ends only.

Any client can send ``X-Forwarded-For`` or ``Front-End-Https``.  Unless the connection comes from an
address in ``librarian.trusted_proxies``, these headers are taken out before anything sees them.
"""

from collections.abc import Callable
from typing import Any

from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility

from librarian.interfaces import ISettings
from librarian.net.networks import Networks, is_within, parse_address
from librarian.web.settings import ProxySettings

SPOKEN_FOR = (
    "HTTP_FORWARDED",
    "HTTP_FRONT_END_HTTPS",
    "HTTP_X_FORWARDED_BY",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
    "HTTP_X_SCHEME",
)

Handler = Callable[[Request], Response]


def believe_proxies(handler: Handler, registry: Registry) -> Handler:
    """The outermost tween: scheme and client address as a trusted front end has seen them."""
    trusted = getUtility(ISettings).section(ProxySettings).trusted_proxies

    def tween(request: Request) -> Response:
        environ = request.environ
        if trusted and is_within(environ.get("REMOTE_ADDR", ""), trusted):
            _believe(environ, trusted)
        else:
            for key in SPOKEN_FOR:
                environ.pop(key, None)
        return handler(request)

    return tween


def _believe(environ: dict[str, Any], trusted: Networks) -> None:
    scheme = environ.get("HTTP_X_FORWARDED_PROTO") or environ.get("HTTP_X_SCHEME", "")
    if environ.get("HTTP_FRONT_END_HTTPS", "").lower() == "on":
        scheme = "https"
    if scheme.lower() in ("http", "https"):
        environ["wsgi.url_scheme"] = scheme.lower()
    peer = environ.get("REMOTE_ADDR", "")
    environ["REMOTE_ADDR"] = client_behind(peer, environ.get("HTTP_X_FORWARDED_FOR", ""), trusted)


def client_behind(peer: str, forwarded_for: str, trusted: Networks) -> str:
    """The address of the client whose request the trusted front end `peer` passes on, by X-Forwarded-For.

    Each front end appends the address of its peer (RFC 7239, section 5.2, has the same order); the last
    one that is no trusted proxy is the client.
    """
    client = peer
    for address in reversed(forwarded_for.replace(" ", "").split(",")):
        if parse_address(address) is None:
            break
        client = address
        if not is_within(address, trusted):
            break
    return client
