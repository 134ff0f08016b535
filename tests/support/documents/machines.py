"""What documents on machines need: people to context, and short ways to show what is."""

import json
from collections.abc import Callable
from typing import Any

import transaction
from zope.component import getUtility
from zope.security.interfaces import ForbiddenAttribute, Unauthorized
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import LibrarianError
from librarian.machines.enums import CodeImportReviewStatus, RevisionControlSystem
from librarian.machines.interfaces import ICodeImportSet
from librarian.people.credentials.interfaces import ICredentialSet
from librarian.people.credentials.principal import PersonPrincipal
from librarian.people.interfaces import IPersonSet, ITeamSet
from librarian.security.interfaces import IPrincipal
from tests.support.servers import in_process as http


def person(name: str, *teams: str) -> IPrincipal:
    """A new person in `teams`, to act as."""
    made = removeSecurityProxy(getUtility(IPersonSet).new(name, name.capitalize()))
    for team in teams:
        removeSecurityProxy(getUtility(ITeamSet)[team]).addMember(made)
    return PersonPrincipal(made)


def event_types(events: Any) -> list[str]:
    """The types of some events."""
    return [event.event_type.name for event in events]


def told(event: Any) -> dict[str, str]:
    """What an event tells, with the names of the data types."""
    return {data_type.name: value for data_type, value in event.items()}


def attempt(call: Callable[[], Any]) -> None:
    """Print what `call` returns, or which error of ours, or of permission, it raises."""
    try:
        print(call())
    except (Unauthorized, ForbiddenAttribute) as error:
        print(type(error).__name__)
    except LibrarianError as error:
        print(f"{type(error).__name__}: {error}")


def new_import(name: str, **more: Any) -> Any:
    """An import of a git repository, reviewed and so due at once."""
    more.setdefault("review_status", CodeImportReviewStatus.REVIEWED)
    url = more.pop("url", f"https://example.com/{name}.git")
    return getUtility(ICodeImportSet).new(name, RevisionControlSystem.GIT, url, "sam", **more)


def bearer(name: str, *teams: str) -> str:
    """The Authorization header of a new person's token for machines."""
    principal = person(name, *teams)
    credentials = removeSecurityProxy(getUtility(ICredentialSet)).of(principal.person)
    secret = removeSecurityProxy(credentials).newToken("machines", ["machines"]).secret
    transaction.commit()
    return f"Bearer {secret}"


def show(url: str, authorization: str, /, **fields: Any) -> None:
    """GET a page of JSON, or POST `fields` to it, and print what is there, one line for each key.

    Values that are lists are shown by their length, and what is empty, zero or false is left out.
    """
    headers = {"Accept": "application/json", "Authorization": authorization}
    if fields:
        headers["Content-Type"] = "application/json"
    body = json.dumps(fields).encode() if fields else b""
    answer = http.request("POST" if fields else "GET", url, headers, body)
    print(answer.status)
    for key, value in (answer.json if answer.body else {}).items():
        shown = f"{len(value)} of them" if isinstance(value, list) else value
        if value:
            print(f"{key}: {shown}")
