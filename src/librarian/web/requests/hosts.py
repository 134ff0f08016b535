"""The host names that an endpoint which trusts the network accepts, against DNS rebinding.

A page of evil.example can have that name point at 127.0.0.1 a moment later.  A browser then lets the page
talk to the ports of its visitor's machine and read what they answer: to it that is one origin.  The endpoint
trusts the address; but the Host is still evil.example, and no page chooses what a browser says there.
"""

from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from pyramid.request import Request
from zope.component import getUtility

from librarian.interfaces import ISettings
from librarian.net.networks import parse_address
from librarian.web.settings import HostSettings


def is_misdirected(endpoint: Any, request: Request) -> bool:
    """Whether the Host of a request names none of the endpoint's hosts: 421 (RFC 9110, 7.2 and 15.5.20)."""
    return not is_host_of(endpoint, request.environ.get("HTTP_HOST"))


def is_host_of(endpoint: Any, stated: str | None) -> bool:
    """Whether an endpoint goes by the name in a Host field."""
    if not endpoint.trusts_network:
        return True
    settings = getUtility(ISettings)
    allowed = settings.section(HostSettings).allowed_hosts
    if not allowed and not is_loopback(settings.section(endpoint.section).listen):
        return True
    # A program may leave Host out in HTTP/1.0 (RFC 9112, section 3.2); browsers do not.
    return stated is None or is_known(stated, allowed)


@lru_cache(maxsize=64)
def is_loopback(listen: str) -> bool:
    """Whether ``host:port`` is reached from this machine only."""
    host = _name_in(listen)
    address = parse_address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def is_known(stated: str, allowed: tuple[str, ...]) -> bool:
    """Whether a Host field is an address, localhost, or one of `allowed`."""
    name = _name_in(stated)
    if parse_address(name) is not None or name == "localhost" or name.endswith(".localhost"):
        return True
    return any(name == each or (each[:1] == "." and name.endswith(each)) for each in map(str.lower, allowed))


def _name_in(authority: str) -> str:
    """The host of ``host:port``, in small letters; empty if there is none."""
    try:
        return (urlsplit(f"//{authority}").hostname or "").removesuffix(".")
    except ValueError:  # brackets that hold no address
        return ""
