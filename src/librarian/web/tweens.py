"""The tween around every request: a timeline, an open tree, and an interaction of its principal."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response
from pyramid_retry import mark_error_retryable
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.features.current import FeatureController, features
from librarian.features.interfaces import FeatureRule, IFeatureRules
from librarian.security.audit import record_event, requests_from
from librarian.security.interaction import acting_as, current_principal
from librarian.security.interfaces import CredentialsRefused
from librarian.security.principals import ANONYMOUS
from librarian.store.interfaces import DigestMismatch
from librarian.timeline import fresh_timeline
from librarian.tree.interfaces import ITree
from librarian.tree.retrying import is_stale_oid
from librarian.web.endpoints import endpoint_of
from librarian.web.errors import away, error_response, system_error
from librarian.web.identity import client_address
from librarian.web.interfaces import IEndpoint, MalformedDigest
from librarian.web.protection import is_cross_site
from librarian.web.requests.hosts import is_misdirected
from librarian.web.requests.methods import override_method
from librarian.web.requests.mounting import mounted_at
from librarian.web.requests.promises import hold_to_promises

Handler = Callable[[Request], Response]


def surroundings(handler: Handler, registry: Registry) -> Handler:
    """A tween that must lie over pyramid_tm and the exception views: both need the tree."""
    tree = getUtility(ITree)

    def tween(request: Request) -> Response:
        try:
            return _surrounded(handler, request, tree)
        except Exception as error:
            if is_stale_oid(error):
                mark_error_retryable(error)
            if tree.is_loss(error):  # raised before, in or after the view
                return away(request)
            if isinstance(error, OSError):  # such as no descriptor left for the database's file
                return system_error(error, request)
            raise

    return tween


def _surrounded(handler: Handler, request: Request, tree: ITree) -> Response:
    """Answer `request` with a timeline, an open tree and the client's address, or with 421 (misdirected)."""
    endpoint = endpoint_of(request)
    if endpoint is not None and is_misdirected(endpoint, request):
        return error_response(request, 421, "This endpoint goes by another name; see allowed_hosts.")
    try:
        override_method(request.environ)
    except HTTPBadRequest as error:
        return error_response(request, 400, str(error))
    with (
        fresh_timeline(),
        _session(tree, endpoint),
        requests_from(client_address(request)),
        mounted_at(request.script_name),
    ):
        return _identified(handler, request)


def _session(tree: ITree, endpoint: IEndpoint | None) -> AbstractContextManager[object]:
    if endpoint is not None and endpoint.names_uploads:
        return tree.session_on_demand()
    return tree.session()


def _identified(handler: Handler, request: Request) -> Response:
    """Answer `request` as its principal; credentials that are refused have an exception view."""
    endpoint = endpoint_of(request)
    try:
        principal = ANONYMOUS if endpoint is None else endpoint.principal(request)
    except CredentialsRefused as error:
        with acting_as(ANONYMOUS):
            record_event("credentials refused", why=type(error).__name__)
            return request.invoke_exception_view()
    with acting_as(principal), features(FeatureController(_rules, in_scope)):
        return _checked(handler, request)


def _checked(handler: Handler, request: Request) -> Response:
    """Answer `request` unless a forged form or the digests of its body are against it."""
    if is_cross_site(request):
        return error_response(request, 403, "Another site's page made this request.")
    try:
        hold_to_promises(request.environ)
    except (MalformedDigest, DigestMismatch, HTTPBadRequest) as error:
        return error_response(request, 400, str(error))
    return handler(request)


def _rules() -> Iterable[FeatureRule]:
    rules: Iterable[FeatureRule] = removeSecurityProxy(getUtility(IFeatureRules))
    return rules


def in_scope(scope: str) -> bool:
    """Whether the request is in a feature scope: ``person:<name>``, or ``team:<name>``."""
    principal = current_principal()
    kind, _, name = scope.partition(":")
    if kind == "person":
        return principal.id == scope
    return kind == "team" and principal.in_team_named(name)
