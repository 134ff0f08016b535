"""The methods that a view takes: GET and HEAD, unless it declares more.

A view that takes whatever comes would answer TRACE or DELETE as it answers GET, and the client that sent that
would believe it done.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPMethodNotAllowed, HTTPNotImplemented
from pyramid.request import Request

READING = ("GET", "HEAD")
#: RFC 9110, section 9, and RFC 5789; others are unknown here, which is another status.
KNOWN = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))
_ATTRIBUTE = "takes_methods"

View = TypeVar("View", bound=Callable[..., Any])


def takes(*methods: str) -> Callable[[View], View]:
    """Say of a view which methods it takes; without any, that it checks the method itself."""

    def say(view: View) -> View:
        setattr(view, _ATTRIBUTE, methods)
        return view

    return say


def methods_of(view: Any) -> tuple[str, ...]:
    """The methods that a view takes."""
    methods: tuple[str, ...] = getattr(view, _ATTRIBUTE, READING)
    return methods


def refusal_of(method: str, allowed: tuple[str, ...]) -> Exception:
    """405 for a method that is not for this view, 501 for one that is for nothing here."""
    kind = HTTPMethodNotAllowed if method in KNOWN else HTTPNotImplemented
    listed = ", ".join(allowed)
    refusal: Exception = kind(f"Here one can {listed}.", headers={"Allow": listed})
    return refusal


def with_its_methods(view: Any, info: Any) -> Any:
    """A Pyramid view deriver: the view refuses other methods than its own.  Exception views take all."""
    allowed = methods_of(info.original_view)
    if not allowed:
        return view

    def checked(context: Any, request: Request) -> Any:
        if request.method in allowed or isinstance(context, Exception):
            return view(context, request)
        raise refusal_of(request.method, allowed)

    return checked


def includeme(config: Configurator) -> None:
    """Have each view refuse the methods it does not take: 405 with Allow (RFC 9110, section 15.5.6)."""
    config.add_view_deriver(with_its_methods)
