"""Refusals as answers: a small page for a browser, JSON for a program, one line of reason in both."""

import logging
from http import HTTPStatus
from typing import Any

from pyramid.httpexceptions import HTTPException, HTTPNotFound
from pyramid.renderers import render
from pyramid.request import Request
from pyramid.response import Response
from pyramid_retry import is_error_retryable
from zope.component import getUtility

from librarian.log_filters import EXHAUSTED, NO_ROOM, Rarely
from librarian.tree.interfaces import ITree
from librarian.web.bare import FAULT, bare_page, one_line, prefers_page
from librarian.web.endpoints import endpoint_of

log = logging.getLogger(__name__)
log.addFilter(Rarely(EXHAUSTED | NO_ROOM))

PAGE = "librarian.web:templates/error.jinja2"
AWAY_SECONDS = "2"  # until a client may try again: a database that is back is used within one


def wants_page(request: Request) -> bool:
    """Whether a browser asks, and not a program, by the Accept field (RFC 9110, section 12.5.1)."""
    return prefers_page(request.environ.get("HTTP_ACCEPT"))


def error_response(request: Request, status: int, reason: str, **headers: str) -> Response:
    """An answer that refuses: `reason` is shown to the client, so it names no secret."""
    reason, phrase = one_line(reason), HTTPStatus(status).phrase
    if wants_page(request):
        endpoint = endpoint_of(request)
        if endpoint is not None and endpoint.for_browsers:
            values = {"status": status, "title": phrase, "reason": reason}
            page = render(PAGE, values, request)
        else:
            page = bare_page(status, reason)
        response = Response(page)
    else:
        response = Response(json_body={"error": reason, "status": status})
    response.status = f"{status} {phrase}"  # webob does not know them all
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    response.vary = ("Accept",)
    response.cache_control = "no-store"
    return response


def not_found(context: HTTPNotFound, request: Request) -> Response:
    """The same 404 for every cause, so that it does not tell whether the object exists."""
    return error_response(request, 404, "Not Found")


def http_exception(context: HTTPException, request: Request) -> Response:
    """Pyramid's and our own HTTP exceptions that are errors; redirections pass as they are."""
    if context.status_code < 400:  # 4xx and 5xx are the errors
        return context
    response = error_response(request, context.status_code, context.detail or context.title)
    for name in ("Allow", "Location", "Retry-After", "WWW-Authenticate"):
        if name in context.headers:
            response.headers[name] = context.headers[name]
    return response


def _refuse(status: int) -> Any:
    def view(context: Exception, request: Request) -> Response:
        """The error's message, with the status."""
        return error_response(request, status, str(context))

    return view


bad_request = _refuse(400)
refused = _refuse(403)
gone = _refuse(410)


conflict = _refuse(409)
precondition_failed = _refuse(412)
unprocessable = _refuse(422)
insufficient_storage = _refuse(507)


def undecodable(context: Exception, request: Request) -> Response:
    """400: a path or query that is not UTF-8."""
    return error_response(request, 400, "The URL is not UTF-8.")


def unavailable(context: Exception, request: Request) -> Response:
    """503 (RFC 9110, section 15.6.4) for a failing database or byte store; details are logged, not sent."""
    if getUtility(ITree).is_loss(context):
        return away(request)
    if not is_error_retryable(request, context):  # the last attempt; before it, pyramid_retry tries again
        log.error("cannot serve path=%s error=%r", request.path_info, context)
    return error_response(request, 503, "The library cannot serve this at the moment.", Retry_After="10")


def away(request: Request) -> Response:
    """503 with Retry-After: the database is away, which its watch has logged once for all requests."""
    reason = "The library's database does not answer at the moment."
    return error_response(request, 503, reason, Retry_After=AWAY_SECONDS)


def server_error(context: Exception, request: Request) -> Response:
    """500: an error in the program.  Its details are logged, and never sent."""
    if getUtility(ITree).is_loss(context):
        return away(request)
    log.error("unexpected error method=%s url=%s", request.method, request.path, exc_info=context)
    return error_response(request, 500, FAULT)


def system_error(context: OSError, request: Request) -> Response:
    """507 (RFC 4918, section 11.5) for a full disk, 503 for other exhausted resources, 500 for the rest."""
    if context.errno in NO_ROOM:
        log.error("no room path=%s error=%r", request.path_info, context)
        return error_response(request, 507, "There is no room for this at the moment.")
    if context.errno in EXHAUSTED:
        return unavailable(context, request)
    return server_error(context, request)
