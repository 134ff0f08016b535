"""``/people/<name>`` of a person: the page, the password and the sessions."""

from typing import Any

from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtility

from librarian.people.credentials.interfaces import IAuthenticator, ICredentialSet, WrongCredentials
from librarian.people.login import begin_session
from librarian.people.views.description import PERSON, describe_person, facts_about, path_of, with_facts
from librarian.people.views.directory import set_display_name
from librarian.security.interaction import current_principal
from librarian.web.errors import error_response
from librarian.web.forms import by_method, done, fields_of, page, text
from librarian.web.identity import client_address, session_secret
from librarian.web.openapi.declaring import changes, describes, does, fields, page_of
from librarian.web.openapi.schemas import CHECKBOX, TEXT, WORD, array, obj


def _show(context: Any, request: Request) -> Response:
    may_edit = request.has_permission("librarian.Edit", context)
    values = {
        **describe_person(context, request),
        **facts_about(context),
        "_title": context.display_name,
        "_may_edit": may_edit,
        "_may_disable": request.has_permission("librarian.Admin", context),
        "_is_oneself": _is_oneself(context),
        "_sessions": list(getUtility(ICredentialSet).of(context).sessions()) if may_edit else [],
    }
    return page(request, "librarian.people:templates/person.jinja2", values)


def _change(context: Any, request: Request) -> Response:
    fields = fields_of(request)
    set_display_name(context, fields)
    if "email" in fields:
        context.setEmail(text(fields, "email") or None)
    if "active" in fields:
        (context.enable if fields["active"] in (True, "yes") else context.disable)()
    return done(request, path_of(context), describe_person(context, request))


_CHANGES = changes(PERSON, fields(display_name=WORD, email=TEXT, active=CHECKBOX), summary="Change a person")

index = describes(
    "/people/{name}",
    GET=does("A person or a team", page_of(with_facts(PERSON))),
    POST=_CHANGES,
    PATCH=_CHANGES,
)(by_method(GET=_show, POST=_change, PATCH=_change))


def _is_oneself(person: Any) -> bool:
    acting = current_principal().person
    return acting is not None and bool(acting.name == person.name)


def _set_password(context: Any, request: Request) -> Response:
    fields, credentials = fields_of(request), getUtility(ICredentialSet).of(context)
    oneself = _is_oneself(context)
    if oneself and credentials.has_password:
        # A stranger at an open browser must not be able to take the account over.
        current, address = text(fields, "current"), client_address(request)
        try:
            getUtility(IAuthenticator).by_password(context.name, current, address)
        except WrongCredentials:
            return error_response(request, 403, "This is not your current password.")
    credentials.setPassword(text(fields, "new"))
    if oneself and session_secret(request) is not None:
        return begin_session(request, current_principal(), path_of(context))
    return done(request, path_of(context), {"name": context.name})


password = describes(
    "/people/{name}/+password",
    POST=changes(
        obj(name=TEXT),
        fields("new", new=WORD, current=TEXT),
        summary="Set a password; one's own with the current one",
    ),
)(by_method(POST=_set_password))


def _end_sessions(context: Any, request: Request) -> Response:
    getUtility(ICredentialSet).of(context).endSessions()
    return done(request, path_of(context), {"sessions": []})


_ENDS = changes(obj(sessions=array(TEXT)), summary="End all sessions of a person")

sessions = describes("/people/{name}/+sessions", POST=_ENDS, DELETE=_ENDS)(
    by_method(POST=_end_sessions, DELETE=_end_sessions)
)
