"""``/people``: who is here, the teams they are in, and one's own passwords, tokens and sessions."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest, HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response
from zope.component import getUtilitiesFor, getUtility
from zope.interface import implementer

from librarian.people.credentials.interfaces import (
    IAuthenticator,
    ICredentialSet,
    IScope,
    WrongCredentials,
)
from librarian.people.interfaces import IPersonSet, ITeamSet, NoSuchPerson
from librarian.people.login import begin_session
from librarian.security.interaction import current_principal
from librarian.web.errors import error_response, wants_page
from librarian.web.forms import by_method, done, page, sent, text
from librarian.web.identity import client_address, session_secret
from librarian.web.interfaces import IAppSection
from librarian.web.requests.methods import takes

View = Callable[[Any, Request], Response]


class Directory:
    """``/people``: persons and teams by name."""

    __name__ = "people"

    def __init__(self, parent: Any) -> None:
        self.__parent__ = parent

    def __getitem__(self, name: str) -> Any:
        found = getUtility(IPersonSet).getByName(name) or getUtility(ITeamSet).getByName(name)
        if found is None:
            raise KeyError(name)
        return found


@implementer(IAppSection)
class PeopleSection:
    """The link to the people."""

    title = "People"
    description = "Who is here and in which teams; one's own password, API tokens and sessions."

    def root(self, parent: Any, request: Request) -> Directory:
        return Directory(parent)


people_section = PeopleSection()


def path_of(participant: Any, *more: str) -> str:
    return "/".join(("/people", participant.name, *more))


def describe_person(person: Any, request: Request) -> dict[str, Any]:
    """A person as JSON; the address only for those who may see it."""
    described = {
        "name": person.name,
        "display_name": person.display_name,
        "url": path_of(person),
        "active": person.active,
        "teams": [team.name for team in person.teams()],
        "date_created": person.date_created.isoformat(),
    }
    if request.has_permission("librarian.people.ViewEmail", person):
        described["email"] = person.email
    return described


def describe_team(team: Any) -> dict[str, Any]:
    """A team as JSON."""
    owner = team.owner
    return {
        "name": team.name,
        "display_name": team.display_name,
        "url": path_of(team),
        "owner": None if owner is None else owner.name,
        "members": [member.name for member in team.members()],
        "people": [person.name for person in team.people()],
        "teams": [other.name for other in team.teams()],
    }


def _list(context: Directory, request: Request) -> Response:
    people, teams = getUtility(IPersonSet), getUtility(ITeamSet)
    values = {
        "_title": "People",
        "_may_add": request.has_permission("librarian.Admin", people),
        "people": [{"name": one.name, "display_name": one.display_name} for one in people],
        "teams": [{"name": one.name, "display_name": one.display_name} for one in teams],
    }
    return page(request, "librarian.people:templates/people.jinja2", values)


def _add(context: Directory, request: Request) -> Response:
    fields = sent(request)
    name, display_name = text(fields, "name"), text(fields, "display_name")
    if fields.get("kind", "person") == "team":
        owner = text(fields, "owner", "")
        team = getUtility(ITeamSet).new(name, display_name, _participant(owner) if owner else None)
        return done(request, path_of(team), describe_team(team), 201)
    person = getUtility(IPersonSet).new(name, display_name, text(fields, "email", "") or None)
    if text(fields, "password", ""):
        getUtility(ICredentialSet).of(person).setPassword(text(fields, "password"))
    return done(request, path_of(person), describe_person(person, request), 201)


def _participant(name: str) -> Any:
    try:
        return Directory(None)[name]
    except KeyError:
        raise NoSuchPerson(name) from None


directory = by_method(GET=_list, POST=_add)


def _show_person(context: Any, request: Request) -> Response:
    may_edit = request.has_permission("librarian.Edit", context)
    values = {
        **describe_person(context, request),
        "_title": context.display_name,
        "_may_edit": may_edit,
        "_may_disable": request.has_permission("librarian.Admin", context),
        "_is_oneself": _is_oneself(context),
        "_sessions": list(getUtility(ICredentialSet).of(context).sessions()) if may_edit else [],
    }
    return page(request, "librarian.people:templates/person.jinja2", values)


def _change_person(context: Any, request: Request) -> Response:
    fields = sent(request)
    if "display_name" in fields:
        context.display_name = text(fields, "display_name")
    if "email" in fields:
        context.setEmail(text(fields, "email") or None)
    if "active" in fields:
        (context.enable if fields["active"] in (True, "yes") else context.disable)()
    return done(request, path_of(context), describe_person(context, request))


person_index = by_method(GET=_show_person, POST=_change_person, PATCH=_change_person)


def _is_oneself(person: Any) -> bool:
    acting = current_principal().person
    return acting is not None and bool(acting.name == person.name)


def _set_password(context: Any, request: Request) -> Response:
    fields, credentials = sent(request), getUtility(ICredentialSet).of(context)
    oneself = _is_oneself(context)
    if oneself and credentials.has_password:
        # A stranger at an open browser must not be able to take the account over.
        authenticator = getUtility(IAuthenticator)
        try:
            authenticator.by_password(context.name, text(fields, "current"), client_address(request))
        except WrongCredentials:
            return error_response(request, 403, "The current password is another one.")
    credentials.setPassword(text(fields, "new"))
    if oneself and session_secret(request) is not None:
        return begin_session(request, current_principal(), path_of(context))
    return done(request, path_of(context), {"name": context.name})


password = by_method(POST=_set_password)


def _end_sessions(context: Any, request: Request) -> Response:
    getUtility(ICredentialSet).of(context).endSessions()
    return done(request, path_of(context), {"sessions": []})


sessions = by_method(POST=_end_sessions, DELETE=_end_sessions)


def describe_token(token: Any) -> dict[str, Any]:
    """A token as JSON; its secret is not known any more."""
    return {
        "id": token.id,
        "title": token.title,
        "scopes": list(token.scopes),
        "date_created": token.date_created.isoformat(),
        "expires": token.expires.isoformat(),
        "revoked": None if token.revoked is None else token.revoked.isoformat(),
        "last_used": None if token.last_used is None else token.last_used.isoformat(),
    }


def _scopes() -> list[dict[str, str]]:
    return [
        {"name": name, "title": scope.title, "parameter": scope.parameter}
        for name, scope in sorted(getUtilitiesFor(IScope))
    ]


def _tokens_page(context: Any, request: Request, secret: str | None = None) -> Response:
    values = {
        "tokens": [describe_token(token) for token in getUtility(ICredentialSet).of(context).tokens()],
        "scopes": _scopes(),
        "_title": f"API tokens of {context.display_name}",
        "_path": path_of(context, "+tokens"),
        "_person": context.display_name,
        "_secret": secret,
    }
    return page(request, "librarian.people:templates/tokens.jinja2", values)


def _add_token(context: Any, request: Request) -> Response:
    fields, credentials = sent(request), getUtility(ICredentialSet).of(context)
    new = credentials.newToken(text(fields, "title"), _wanted_scopes(fields), _lifetime(fields))
    if wants_page(request):
        return _tokens_page(context, request, new.secret)
    token = next(token for token in credentials.tokens() if token.id == new.id)
    return Response(json_body={**describe_token(token), "token": new.secret}, status=201)


def _wanted_scopes(fields: Mapping[str, Any]) -> list[str]:
    wanted = fields.get("scopes", [])
    wanted = wanted.split() if isinstance(wanted, str) else wanted
    if not isinstance(wanted, list) or not all(isinstance(scope, str) for scope in wanted):
        raise HTTPBadRequest("scopes must be a list of strings, or one with spaces between.")
    return wanted


def _lifetime(fields: Mapping[str, Any]) -> timedelta | None:
    days = fields.get("days")
    if "days" not in fields:
        return None
    if isinstance(days, bool):
        raise HTTPBadRequest("days must be a number.")
    try:
        return timedelta(days=float(days))  # type: ignore[arg-type]  # what is none raises
    except (TypeError, ValueError, OverflowError):
        raise HTTPBadRequest("days must be a number.") from None


def _revoke_token(context: Any, request: Request) -> Response:
    if len(request.subpath) != 1:
        raise HTTPNotFound()
    getUtility(ICredentialSet).of(context).revokeToken(request.subpath[0])
    return done(request, path_of(context, "+tokens"), {"id": request.subpath[0]})


_all_tokens = by_method(GET=_tokens_page, POST=_add_token)
_one_token = by_method(POST=_revoke_token, DELETE=_revoke_token)


@takes("GET", "HEAD", "POST", "DELETE")
def tokens(context: Any, request: Request) -> Response:
    """``+tokens``, and ``+tokens/<id>`` to revoke one."""
    return (_one_token if request.subpath else _all_tokens)(context, request)


def _show_team(context: Any, request: Request) -> Response:
    values = {
        **describe_team(context),
        "_title": context.display_name,
        "_may_edit": request.has_permission("librarian.Edit", context),
    }
    return page(request, "librarian.people:templates/team.jinja2", values)


def _change_team(context: Any, request: Request) -> Response:
    fields = sent(request)
    if "display_name" in fields:
        context.display_name = text(fields, "display_name")
    if "owner" in fields:
        owner = text(fields, "owner")
        context.setOwner(_participant(owner) if owner else None)
    return done(request, path_of(context), describe_team(context))


team_index = by_method(GET=_show_team, POST=_change_team, PATCH=_change_team)


def _join(context: Any, request: Request) -> Response:
    context.addMember(_participant(text(sent(request), "member")))
    return done(request, path_of(context), describe_team(context))


def _leave(context: Any, request: Request) -> Response:
    if len(request.subpath) != 1:
        raise HTTPNotFound()
    context.removeMember(_participant(request.subpath[0]))
    return done(request, path_of(context), describe_team(context))


_add_member = by_method(POST=_join)
_one_member = by_method(POST=_leave, DELETE=_leave)


@takes("POST", "DELETE")
def members(context: Any, request: Request) -> Response:
    """``+members``, and ``+members/<name>`` to take one out."""
    return (_one_member if request.subpath else _add_member)(context, request)
