"""People, teams and tokens as JSON, and the paths of their pages."""

from typing import Any

from pyramid.request import Request
from zope.component import getUtilitiesFor

from librarian.people.interfaces import IParticipantFacts
from librarian.web.openapi.schemas import FLAG, TEXT, TIME, URL, Named, Schema, array, maybe, nullable, obj
from librarian.web.requests.mounting import local_path

#: describe_person(); the e-mail address is for those who may see it.
PERSON = Named(
    "Person",
    obj(
        name=TEXT,
        display_name=TEXT,
        url=URL,
        active=FLAG,
        teams=array(TEXT),
        date_created=TIME,
        email=maybe(nullable(TEXT)),
    ),
)
#: describe_team()
TEAM = Named(
    "Team",
    obj(
        name=TEXT,
        display_name=TEXT,
        url=URL,
        owner=nullable(TEXT),
        members=array(TEXT),
        people=array(TEXT),
        teams=array(TEXT),
    ),
)
#: describe_token()
TOKEN = Named(
    "ApiToken",
    obj(
        id=TEXT,
        title=TEXT,
        scopes=array(TEXT),
        date_created=TIME,
        expires=TIME,
        revoked=nullable(TIME),
        last_used=nullable(TIME),
    ),
)


def with_facts(schema: Schema) -> Schema:
    """A person or team with what other systems add: facts_about()."""
    return {**schema, "additionalProperties": {"type": "object"}}


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
