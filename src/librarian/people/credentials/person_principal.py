"""The principal that credentials of a person stand for."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.security.interfaces import IPrincipal


@dataclass(frozen=True, slots=True)
class GrantedScope:
    """A scope that an API token has, perhaps narrowed to one part of a name space."""

    name: str  # as declared in ZCML: upload, tracker:read
    parameter: str  # what it is narrowed to; empty: not narrowed
    permissions: frozenset[str]

    def __str__(self) -> str:
        return f"{self.name}:{self.parameter}" if self.parameter else self.name

    def permits(self, permission: str) -> bool:
        """Whether the scope includes a permission; `*` includes all."""
        return permission in self.permissions or "*" in self.permissions

    def covers(self, wanted: str) -> bool:
        """Whether `wanted`, written like this scope, is this scope or lies inside of it."""
        mine = str(self)
        if wanted == mine or "*" in self.permissions:
            return True
        inside = mine.rstrip("/") + "/" if self.parameter else mine + ":"
        return wanted.startswith(inside)


@implementer(IPrincipal)
class PersonPrincipal:
    """A person who acts, by password or session (`scopes` is None) or by an API token."""

    authenticated = True

    def __init__(self, person: Any, scopes: Iterable[GrantedScope] | None = None) -> None:
        self.person = removeSecurityProxy(person)
        self.id = f"person:{self.person.name}"
        self.title = self.person.display_name
        self.description = "A person who is registered here."
        self.scopes = None if scopes is None else tuple(scopes)

    def __repr__(self) -> str:
        return f"<PersonPrincipal {self.id}>"

    def grants(self, permission: str) -> bool | None:
        return None

    def reaches(self, permission: str) -> bool:
        return self.scopes is None or any(scope.permits(permission) for scope in self.scopes)

    def inTeam(self, team: Any) -> bool:
        return self.person.inTeam(removeSecurityProxy(team))

    def in_team_named(self, name: str) -> bool:
        return self.person.in_team_named(name)

    def has_scope(self, scope: str) -> bool:
        return self.scopes is None or any(granted.covers(scope) for granted in self.scopes)
