"""People, teams and tokens as JSON, and the paths of their pages."""

from typing import Any

from pyramid.request import Request
from zope.component import getUtilitiesFor

from librarian.people.interfaces import IParticipantFacts
from librarian.web.requests.mounting import local_path


def path_of(participant: Any, *more: str) -> str:
    """The path of the page of an IParticipant; `more` are segments below it."""
    return local_path("/".join(("/people", participant.name, *more)))


def describe_person(person: Any, request: Request) -> dict[str, Any]:
    """An IPerson as JSON; with the e-mail address if the principal may see it."""
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
    """An ITeam as JSON."""
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


def facts_about(participant: Any) -> dict[str, Any]:
    """What other systems know of an IParticipant, by their names, and as lines for the page."""
    found, lines = {}, []
    for name, system in sorted(getUtilitiesFor(IParticipantFacts)):
        facts = system.facts(participant)
        if facts is not None:
            found[name] = facts
            line = {"title": system.title, "line": system.line(facts), "path": system.path(participant)}
            lines.append(line)
    return {**found, "_lines": lines}


def describe_token(token: Any) -> dict[str, Any]:
    """An IApiToken as JSON; its secret is not stored."""
    return {
        "id": token.id,
        "title": token.title,
        "scopes": list(token.scopes),
        "date_created": token.date_created.isoformat(),
        "expires": token.expires.isoformat(),
        "revoked": None if token.revoked is None else token.revoked.isoformat(),
        "last_used": None if token.last_used is None else token.last_used.isoformat(),
    }
