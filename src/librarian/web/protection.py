"""Protection against forged requests (CSRF), security headers, and Pyramid's view of our policy."""

import hashlib
import hmac
import secrets
from typing import Any

from pyramid.config import Configurator
from pyramid.events import NewResponse
from pyramid.interfaces import ICSRFStoragePolicy, ISecurityPolicy
from pyramid.response import Response
from pyramid.security import Allowed, Denied
from zope.interface import implementer

from librarian.security.interaction import current_principal, is_permitted
from librarian.security.interfaces import IPrincipal
from librarian.web.endpoints import endpoint_of
from librarian.web.files.fields import ALWAYS
from librarian.web.identity import session_secret
from librarian.web.requests.mounting import mount
from librarian.web.requests.request import Request, forget_unreadable_range

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))

# What pages of ours may do; files are delivered with a stricter policy of their own.  There is no
# form-action, which would stop a browser where a form leads on to a download on another port.
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    # Not "no-referrer": browsers then send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def is_cross_site(request: Request) -> bool:
    """Whether a browser says that another site's page makes it send this.

    Sec-Fetch-Site is what browsers say since 2020 (2023 on Apple's); Origin is older.  Another
    port or another host below our domain is another site here: files live there.
    """
    if request.method in SAFE_METHODS:
        return False
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is not None and origin != request.host_url


def comes_from_browser(request: Request) -> bool:
    """Whether a request must prove that a page of ours made it.

    A browser adds cookies and remembered Basic credentials to what any page makes it send, and it
    says Origin or Sec-Fetch-Site with it; a program says none of these.  Bearer tokens no browser
    adds by itself.
    """
    endpoint = endpoint_of(request)
    if endpoint is None or not endpoint.for_browsers:
        return False
    headers = request.headers
    if headers.get("Authorization", "").lower().startswith("bearer "):
        return False
    return any(name in headers for name in ("Cookie", "Origin", "Sec-Fetch-Site"))


@implementer(ICSRFStoragePolicy)
class SessionBoundTokens:
    """CSRF tokens that belong to the session, or, before log-in, to a cookie of their own.

    A token made from the session's secret cannot be replaced from outside.  The cookie can, by
    another host below our domain over plain http, and identifies no one.
    """

    COOKIE = "librarian-form"

    def new_csrf_token(self, request: Request) -> str:
        token = secrets.token_urlsafe(24)
        request.cookies[self.COOKIE] = token
        request.add_response_callback(_keeps(self.COOKIE, token))
        return token

    def get_csrf_token(self, request: Request) -> str:
        secret = session_secret(request)
        if secret is not None and current_principal().authenticated:
            return hmac.new(secret.encode(), b"form", hashlib.sha256).hexdigest()
        found: str | None = request.cookies.get(self.COOKIE)
        return found or self.new_csrf_token(request)

    def check_csrf_token(self, request: Request, supplied_token: Any) -> bool:
        if not isinstance(supplied_token, str):  # a part of a form that is a file
            return False
        expected = self.get_csrf_token(request).encode("utf-8", "surrogatepass")
        return hmac.compare_digest(expected, supplied_token.encode("utf-8", "surrogatepass"))


def _keeps(name: str, token: str) -> Any:
    def set_cookie(request: Request, response: Response) -> None:
        secure = request.scheme == "https"
        response.set_cookie(name, token, path=mount() or "/", secure=secure, httponly=True, samesite="Lax")

    return set_cookie


@implementer(ISecurityPolicy)
class InteractionPolicy:
    """Pyramid's questions, answered by the interaction that every request runs in."""

    def identity(self, request: Request) -> IPrincipal:
        return current_principal()

    def authenticated_userid(self, request: Request) -> str | None:
        principal = current_principal()
        return principal.id if principal.authenticated else None

    def permits(self, request: Request, context: Any, permission: str) -> Any:
        if is_permitted(permission, context):
            return Allowed("%s has %s", current_principal().id, permission)
        return Denied("%s lacks %s", current_principal().id, permission)

    def remember(self, request: Request, userid: str, **options: Any) -> list[tuple[str, str]]:
        return []  # the log-in view sets the cookie

    def forget(self, request: Request, **options: Any) -> list[tuple[str, str]]:
        return []


def harden(event: NewResponse) -> None:
    """Add headers: on pages a content policy and no shared caching, on other endpoints those that keep a
    URL with a token in it out of the Referer field."""
    request, response = event.request, event.response
    if response.conditional_response:
        forget_unreadable_range(request.environ)
    endpoint = endpoint_of(request)
    if endpoint is None or not endpoint.for_browsers:
        for name, value in ALWAYS:
            response.headers.setdefault(name, value)
        return
    for name, value in PAGE_HEADERS.items():
        response.headers.setdefault(name, value)
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "private, no-store"


def includeme(config: Configurator) -> None:
    """Set up the request factory, CSRF tokens, the security policy and the security headers."""
    config.set_request_factory(Request)
    config.set_security_policy(InteractionPolicy())
    config.set_csrf_storage_policy(SessionBoundTokens())
    # Where a request comes from is checked for all endpoints, before any view is looked for.
    config.set_default_csrf_options(require_csrf=True, check_origin=False, callback=comes_from_browser)
    config.add_subscriber(harden, NewResponse)
