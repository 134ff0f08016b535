"""The sender of a request, as the system of people and credentials identifies it.

This package knows no people: what it needs of them is one utility, IIdentification.  Without one, every
request is anonymous.
"""

from pyramid.request import Request
from zope.component import queryUtility

from librarian.security.interfaces import IPrincipal
from librarian.security.principals import ANONYMOUS
from librarian.web.interfaces import IIdentification


def principal_of(request: Request, *, sessions: bool = False) -> IPrincipal:
    """The principal that the credentials of `request` belong to; ANONYMOUS if it has none.

    With `sessions`, the session cookie of a browser counts as well.  Raises CredentialsRefused.
    """
    identification = queryUtility(IIdentification)
    return ANONYMOUS if identification is None else identification.principal(request, sessions=sessions)


def session_secret(request: Request) -> str | None:
    """The secret in the session cookie of `request`, valid or not; None without such a cookie."""
    identification = queryUtility(IIdentification)
    return None if identification is None else identification.session_secret(request)


def account_links(request: Request) -> list[tuple[str, str]]:
    """The links in the head of each page, as text and path: to log in, or to the account and log-out."""
    identification = queryUtility(IIdentification)
    return [] if identification is None else identification.account_links(request)


def client_address(request: Request) -> str:
    """The IP address that `request` came from; empty if the server does not know it.

    It is the peer's address as the server reports it: a proxy's X-Forwarded-For counts only where
    `trusted_proxies` names the proxy.  (webob's client_addr would believe the field from any peer.)
    """
    return str(request.environ.get("REMOTE_ADDR", ""))
