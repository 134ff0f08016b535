"""What is judged of a request by its head: the methods that a view takes, and what the view declares beside.

A view takes GET and HEAD, unless it declares more.  One that takes whatever comes would answer TRACE or
DELETE as it answers GET, and the client that sent that would believe it done.

Of a large body, or one whose client waits for 100, the application gets the head alone first (HEAD_ALONE).
What lies before the view then judges as ever: credentials, the path, methods, permissions.  In place of the
view its `judged_by` is called, and all is well if that raises nothing.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPBadRequest, HTTPMethodNotAllowed, HTTPNotImplemented
from pyramid.request import Request
from pyramid.response import Response

from librarian.web.interfaces import HEAD_ALONE

READING = ("GET", "HEAD")
#: RFC 9110, section 9, and RFC 5789; others are unknown here, which is another status.
KNOWN = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))
OVERRIDE = "X-HTTP-Method-Override"
#: What a POST may stand for; a HEAD would have an answer without a body, which the server does not know of.
OVERRIDING = ("PATCH", "DELETE")
_ATTRIBUTE = "takes_methods"
_AT = "takes_methods_at"
_JUDGE = "judges_head"

View = TypeVar("View", bound=Callable[..., Any])


def takes(*methods: str, at: Callable[[Request], tuple[str, ...]] | None = None) -> Callable[[View], View]:
    """Say of a view which methods it takes; without any, that it checks the method itself.

    A view for several paths says with `at` which of them it takes at the path of a request.
    """

    def say(view: View) -> View:
        setattr(view, _ATTRIBUTE, methods)
        setattr(view, _AT, at)
        return view

    return say


def override_method(environ: dict[str, Any]) -> None:
    """Have a POST of tus that stands for another method taken for that (tus 1.0.0, X-HTTP-Method-Override).

    A client without PATCH says so.  Requests of other protocols stay what they are.  Raises HTTPBadRequest.
    """
    stated = environ.get(f"HTTP_{OVERRIDE.upper().replace('-', '_')}")
    if stated is None or "HTTP_TUS_RESUMABLE" not in environ or stated == environ["REQUEST_METHOD"]:
        return
    if environ["REQUEST_METHOD"] != "POST" or stated not in OVERRIDING:
        raise HTTPBadRequest(f"{OVERRIDE}: a POST of tus may stand for {' or '.join(OVERRIDING)}.")
    environ["REQUEST_METHOD"] = stated


def judged_by(judge: Callable[[Any, Request], object]) -> Callable[[View], View]:
    """Say of a view how it refuses a request before the body is read: `judge` is called with the context and
    the request, and raises what the view would raise.  It changes nothing and does not read the body."""

    def say(view: View) -> View:
        setattr(view, _JUDGE, judge)
        return view

    return say


def judge(view: Any, context: Any, request: Request) -> None:
    """Have a view judge a request by its head.  Raises what the view would raise."""
    by_head = getattr(view, _JUDGE, None)
    if by_head is not None:
        by_head(context, request)


def go_on(context: Any, request: Request) -> Response:
    """100: the body may be sent."""
    return Response(status=100)


def methods_of(view: Any) -> tuple[str, ...]:
    """The methods that a view takes."""
    methods: tuple[str, ...] = getattr(view, _ATTRIBUTE, READING)
    return methods


def methods_at(view: Any, request: Request) -> tuple[str, ...]:
    """The methods that a view takes at the path of a request."""
    at = getattr(view, _AT, None)
    return methods_of(view) if at is None else at(request)


def refusal_of(method: str, allowed: tuple[str, ...]) -> Exception:
    """405 for a method that is not for this view, 501 for one that is for nothing here."""
    kind = HTTPMethodNotAllowed if method in KNOWN else HTTPNotImplemented
    listed = ", ".join(allowed)
    refusal: Exception = kind(f"Here one can {listed}.", headers={"Allow": listed})
    return refusal


def with_its_methods(view: Any, info: Any) -> Any:
    """A Pyramid view deriver: the view refuses other methods than its own, and a head that it judges so.

    Exception views take all."""

    def checked(context: Any, request: Request) -> Any:
        if isinstance(context, Exception):
            return view(context, request)
        allowed = methods_at(info.original_view, request)
        if allowed and request.method not in allowed:
            raise refusal_of(request.method, allowed)
        if HEAD_ALONE not in request.environ:
            return view(context, request)
        judge(info.original_view, context, request)
        return go_on(context, request)

    return checked


def includeme(config: Configurator) -> None:
    """Have each view refuse the methods it does not take: 405 with Allow (RFC 9110, section 15.5.6)."""
    config.add_view_deriver(with_its_methods)
