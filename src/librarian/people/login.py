"""Log-in and log-out by a browser, and the answers to what is not permitted."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from pyramid.exceptions import BadCSRFToken
from pyramid.httpexceptions import HTTPNotFound
from pyramid.renderers import render_to_response
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility

from librarian.interfaces import ISettings
from librarian.people.credentials.authentication import renew_hash
from librarian.people.credentials.interfaces import IAuthenticator, TooManyFailures, WrongCredentials
from librarian.people.identity import challenge, set_session
from librarian.people.settings import PeopleSettings
from librarian.security.interaction import current_principal
from librarian.web.endpoints import endpoint_of
from librarian.web.errors import error_response, wants_page
from librarian.web.forms import SeeOther
from librarian.web.identity import client_address, session_secret
from librarian.web.interfaces import IIdentification
from librarian.web.openapi.declaring import undescribed
from librarian.web.requests.methods import takes
from librarian.web.requests.mounting import local_path

PATH = "/+login"
LONGEST_NEXT = 2000  # characters


def safe_next(path: str | None) -> str:
    """`path` if it is one of this site, else that of the home page.

    Browsers take ``\\`` for ``/``, and drop tabs and line ends before they look.
    """
    home = local_path("/")
    if not path or len(path) > LONGEST_NEXT or not path.startswith("/") or path.startswith("//"):
        return home
    if any(not "\x21" <= letter <= "\x7e" or letter == "\\" for letter in path):
        return home
    parts = urlsplit(path)
    leads_away = parts.scheme or parts.netloc or parts.path in (local_path(PATH), local_path("/+logout"))
    return home if leads_away else path


@undescribed("a form for browsers; programs send Authorization")
@takes("GET", "HEAD", "POST")
def login(context: Any, request: Request) -> Response:
    """``/+login``: the form on GET, the log-in on POST."""
    _require_own_login()
    if request.method in ("GET", "HEAD"):
        return _form(request, 200, safe_next(request.GET.get("next")))
    onward, name = safe_next(str(request.POST.get("next", ""))), str(request.POST.get("name", ""))
    password = str(request.POST.get("password", ""))
    authenticator = getUtility(IAuthenticator)
    try:
        principal = authenticator.by_password(name, password, client_address(request))
    except WrongCredentials:
        return _form(request, 403, onward, name, "The name or the password is wrong.")
    except TooManyFailures as error:
        response = _form(request, 429, onward, name, f"{str(error).capitalize()}.")
        response.headers["Retry-After"] = str(error.retry_after)
        return response
    renew_hash(principal.person.name, password)
    return begin_session(request, principal, onward)


def _require_own_login() -> None:
    """Raise HTTPNotFound where an application around the library knows who is logged in."""
    if not getUtility(IIdentification).own_login:
        raise HTTPNotFound("the application around the library has the log-in")


def begin_session(request: Request, principal: Any, onward: str) -> Response:
    """Begin a session with a new secret, end the one that the browser has, and lead on to `onward`."""
    _end_session(request)
    secret = getUtility(IAuthenticator).begin_session(principal, client_address(request))
    lifetime: timedelta = getUtility(ISettings).section(PeopleSettings).session_lifetime
    response = SeeOther(onward)
    set_session(request, response, secret, int(lifetime.total_seconds()))
    return response


def _form(request: Request, status: int, onward: str, name: str = "", problem: str = "") -> Response:
    values = {"title": "Log in", "next": onward, "name": name, "problem": problem}
    response = render_to_response("librarian.people:templates/login.jinja2", values, request)
    response.status_int = status
    response.cache_control = "no-store"
    return response


@undescribed("a form for browsers; programs have no session")
@takes("GET", "HEAD", "POST")
def logout(context: Any, request: Request) -> Response:
    """``/+logout``: a form, since following a link must not end a session."""
    _require_own_login()
    if request.method in ("GET", "HEAD"):
        return render_to_response("librarian.people:templates/logout.jinja2", {"title": "Log out"}, request)
    _end_session(request)
    response = SeeOther(local_path("/"))
    set_session(request, response, None)
    return response


def _end_session(request: Request) -> None:
    secret = session_secret(request)
    if secret is not None:
        getUtility(IAuthenticator).end_session(secret)


def unauthorized(context: Exception, request: Request) -> Response:
    """The principal lacks a permission: 401 for an anonymous program, the log-in page for an anonymous
    browser, 403 for an authenticated principal, and for a browser that logs in elsewhere."""
    principal = current_principal()
    if principal.authenticated:
        return _forbidden(request, principal)
    endpoint = endpoint_of(request)
    if endpoint is not None and endpoint.for_browsers and wants_page(request):
        if not getUtility(IIdentification).own_login:
            return error_response(request, 403, "Log in to do this.")
        onward = request.path_qs if request.method in ("GET", "HEAD") else request.path
        return SeeOther(local_path(PATH) + f"?next={quote(safe_next(onward), safe='/')}")
    return challenge(request, "Log in to do this.")


def _forbidden(request: Request, principal: Any) -> Response:
    response = error_response(request, 403, f"{principal.title} may not do this.")
    if getattr(principal, "scopes", None) is not None:
        # RFC 6750, section 3.1: another token of the same person might do.
        response.headers["WWW-Authenticate"] = 'Bearer realm="librarian", error="insufficient_scope"'
    return response


def forbidden(context: Exception, request: Request) -> Response:
    """No permission allows the attribute that a request would use."""
    return error_response(request, 403, "This cannot be done from outside.")


def form_is_stale(context: BadCSRFToken, request: Request) -> Response:
    """A form that was not made for this session."""
    return error_response(
        request, 403, "This form was not made for you, or is too old; load the page again and repeat it."
    )
