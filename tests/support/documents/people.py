"""What documents on security need: people to context, and what programs send of themselves."""

import base64

import transaction
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.people.credentials.interfaces import ICredentialSet
from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.people.interfaces import IPersonSet, ITeamSet
from librarian.security.interfaces import IPrincipal


def person(name: str, *teams: str, password: str | None = None) -> IPrincipal:
    """A new person ``<Name>``, ``<name>@example.com``, in `teams`; committed; to act as."""
    made = removeSecurityProxy(getUtility(IPersonSet).new(name, name.capitalize(), f"{name}@example.com"))
    for team in teams:
        removeSecurityProxy(getUtility(ITeamSet)[team]).addMember(made)
    if password is not None:
        removeSecurityProxy(getUtility(ICredentialSet)).of(made).setPassword(password)
    transaction.commit()
    return PersonPrincipal(made)


def basic(name: str, password: str) -> str:
    """The Authorization field of a program that has a name and a password."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def bearer(principal: IPrincipal, *scopes: str) -> str:
    """The Authorization field of a program with a token of `principal`, who is a person; committed."""
    credentials = removeSecurityProxy(getUtility(ICredentialSet)).of(principal.person)
    made = credentials.newToken("a program", scopes)
    transaction.commit()
    return f"Bearer {made.secret}"
