"""The identity of a request: credentials in a header, or the session of a browser.

Programs send ``Authorization: Basic`` or ``Bearer`` (RFC 7617, section 2; RFC 6750, section 2.1) with each
request; browsers send the cookie that they were given at log-in.
"""

import base64
import binascii
from typing import Any
from urllib.parse import quote

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility
from zope.interface import implementer

from librarian.people.credentials.interfaces import IAuthenticator, TooManyFailures, WrongCredentials
from librarian.people.credentials.model import TOKEN_PREFIX
from librarian.people.interfaces import MalformedAuthorization
from librarian.security.interaction import current_principal
from librarian.security.interfaces import IPrincipal
from librarian.security.policy import is_admin
from librarian.security.principals import ANONYMOUS
from librarian.web.endpoints import endpoint_of
from librarian.web.errors import error_response
from librarian.web.identity import client_address
from librarian.web.interfaces import IIdentification
from librarian.web.requests.mounting import local_path, mount

# Two fields, as some clients read only the first challenge of a list.
CHALLENGES = ('Basic realm="librarian", charset="UTF-8"', 'Bearer realm="librarian"')


@implementer(IIdentification)
class Identification:
    """Identifies requests by the people and credentials of this site."""

    own_login = True

    def principal(self, request: Request, *, sessions: bool = False) -> IPrincipal:
        header = request.headers.get("Authorization")
        if header is not None:
            return _by_header(header, client_address(request))
        secret = self.session_secret(request) if sessions else None
        if secret is None:
            return ANONYMOUS
        try:
            return getUtility(IAuthenticator).by_session(secret)
        except WrongCredentials:
            return ANONYMOUS

    def account_links(self, request: Request) -> list[tuple[str, str]]:
        principal, endpoint = current_principal(), endpoint_of(request)
        if principal.person is not None:
            return [
                *([("Overview", local_path("/+overview"))] if is_admin(principal) else []),
                (principal.title, local_path(f"/people/{principal.person.name}")),
                ("Log out", local_path("/+logout")),
            ]
        if endpoint is None or not endpoint.for_browsers or principal.authenticated:
            return []
        return [("Log in", local_path(f"/+login?next={quote(_path_of(request))}"))]

    def session_secret(self, request: Request) -> str | None:
        found: str | None = request.cookies.get(_cookie_name(request))
        return found


def _path_of(request: Request) -> str:
    """The path and query of `request`, to come back to; the home page's if they are no UTF-8."""
    try:
        return str(request.path_qs)
    except UnicodeDecodeError:
        return local_path("/")


def _by_header(header: str, address: str) -> IPrincipal:
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
    return authenticator.by_password(name, password, address)


def _basic(value: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise MalformedAuthorization("Basic takes name:password in UTF-8 and base64") from None
    name, colon, password = text.partition(":")
    if not colon:
        raise MalformedAuthorization("Basic takes name:password; there is no colon")
    return name, password


def malformed(context: MalformedAuthorization, request: Request) -> Response:
    """400: the Authorization field cannot be read."""
    return error_response(request, 400, str(context))


def wrong_credentials(context: WrongCredentials, request: Request) -> Response:
    """401: the credentials are not those of an active person."""
    return challenge(request, str(context))


def too_many_failures(context: TooManyFailures, request: Request) -> Response:
    """429 (RFC 6585, section 4) with Retry-After in seconds."""
    return error_response(request, 429, str(context), Retry_After=str(context.retry_after))


def challenge(request: Request, reason: str) -> Response:
    """401 with the ways to authenticate (RFC 9110, section 11.6.1)."""
    response = error_response(request, 401, reason)
    for field in CHALLENGES:
        response.headers.add("WWW-Authenticate", field)
    return response


def _cookie_name(request: Request) -> str:
    # With this prefix a browser takes the cookie over https only, for this very host, so that no
    # other host below the same domain, and files have hosts of their own, can put another there.
    if request.scheme != "https":
        return "librarian"
    return "__Secure-librarian" if mount() else "__Host-librarian"  # which is for a whole host only


def set_session(request: Request, response: Response, secret: str | None, max_age: Any = None) -> None:
    """Set the session cookie to `secret` for `max_age` seconds; None deletes the cookie."""
    response.set_cookie(
        _cookie_name(request),
        secret,
        max_age=max_age,
        path=mount() or "/",
        secure=request.scheme == "https",
        httponly=True,
        samesite="Lax",
    )
