"""Who sends a request: credentials in a header, or the session of a browser.

Programs send ``Authorization: Basic`` or ``Bearer`` (RFC 7617, RFC 6750) with each request;
browsers send the cookie they got when somebody logged in.
"""

import base64
import binascii
from typing import Any

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility

from librarian.security.credentials.interfaces import IAuthenticator, TooManyFailures, WrongCredentials
from librarian.security.credentials.model import TOKEN_PREFIX
from librarian.security.interfaces import IPrincipal
from librarian.security.principals import ANONYMOUS
from librarian.web.errors import error_response
from librarian.web.interfaces import MalformedAuthorization

# Two fields, as some clients read only the first challenge of a list.
CHALLENGES = ('Basic realm="librarian", charset="UTF-8"', 'Bearer realm="librarian"')


def principal_of(request: Request, *, sessions: bool = False) -> IPrincipal:
    """Whoever sends this; with `sessions`, a log-in by browser counts as well.

    A stale or made-up cookie is no credential at all, a wrong header is refused.  Raises
    MalformedAuthorization, WrongCredentials and TooManyFailures.
    """
    header = request.headers.get("Authorization")
    if header is not None:
        return _by_header(header, place_of(request))
    secret = session_secret(request) if sessions else None
    if secret is None:
        return ANONYMOUS
    try:
        return getUtility(IAuthenticator).by_session(secret)
    except WrongCredentials:
        return ANONYMOUS


def place_of(request: Request) -> str:
    """The IP address a request came from.

    What the server says; only a server that is told to trust a proxy lets it speak for another.
    (webob's client_addr would believe X-Forwarded-For from anybody.)
    """
    return str(request.environ.get("REMOTE_ADDR", ""))


def _by_header(header: str, place: str) -> IPrincipal:
    scheme, _space, value = header.strip().partition(" ")
    authenticator = getUtility(IAuthenticator)
    if scheme.lower() == "bearer":
        return authenticator.by_token(value.strip())
    if scheme.lower() != "basic":
        raise MalformedAuthorization("only Basic and Bearer are known")
    name, password = _basic(value.strip())
    # Clients that know nothing but Basic send a token as the password.
    if password.startswith(TOKEN_PREFIX):
        return authenticator.by_token(password)
    return authenticator.by_password(name, password, place)


def _basic(value: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise MalformedAuthorization("Basic takes name:password in UTF-8 and base64") from None
    name, colon, password = text.partition(":")
    if not colon:
        raise MalformedAuthorization("Basic takes name:password; there is no colon")
    return name, password


def refused(error: Exception, request: Request) -> Response:
    """The answer to credentials that cannot be accepted."""
    if isinstance(error, TooManyFailures):
        return error_response(request, 429, str(error), Retry_After=str(error.retry_after))
    if isinstance(error, MalformedAuthorization):
        return error_response(request, 400, str(error))
    return challenge(request, str(error))


def challenge(request: Request, reason: str) -> Response:
    """401: say who you are, and how that can be said."""
    response = error_response(request, 401, reason)
    for field in CHALLENGES:
        response.headers.add("WWW-Authenticate", field)
    return response


def _cookie_name(request: Request) -> str:
    # With this prefix a browser takes the cookie over https only, for this very host, so that no
    # other host below the same domain, and files have hosts of their own, can put another there.
    return "__Host-librarian" if request.scheme == "https" else "librarian"


def session_secret(request: Request) -> str | None:
    """The secret that the request's session cookie carries, valid or not."""
    found: str | None = request.cookies.get(_cookie_name(request))
    return found


def set_session(request: Request, response: Response, secret: str | None, max_age: Any = None) -> None:
    """Have the browser keep `secret`, or, None, drop what it has."""
    response.set_cookie(
        _cookie_name(request),
        secret,
        max_age=max_age,
        path="/",
        secure=request.scheme == "https",
        httponly=True,
        samesite="Lax",
    )
