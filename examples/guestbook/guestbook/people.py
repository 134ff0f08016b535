"""The guestbook's own security policy: a signed cookie with a guest's name."""

from typing import Any

from pyramid.authentication import AuthTktCookieHelper
from pyramid.request import Request


class Guests:
    """Whoever has said a name is a guest; who is not may only look."""

    def __init__(self, secret: str) -> None:
        self._cookie = AuthTktCookieHelper(secret, hashalg="sha512", samesite="Lax", http_only=True)

    def identity(self, request: Request) -> Any:
        return self._cookie.identify(request)

    def authenticated_userid(self, request: Request) -> str | None:
        identity = self.identity(request)
        return None if identity is None else str(identity["userid"])

    def permits(self, request: Request, context: Any, permission: str) -> bool:
        return self.authenticated_userid(request) is not None

    def remember(self, request: Request, userid: str, **options: Any) -> Any:
        return self._cookie.remember(request, userid)

    def forget(self, request: Request, **options: Any) -> Any:
        return self._cookie.forget(request)
