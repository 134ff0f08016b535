"""Principals: the anonymous one, the program itself, and scripts; persons have theirs elsewhere."""

from collections.abc import Iterable
from typing import Any

from zope.component import queryUtility
from zope.interface import implementer

from librarian.security.interfaces import IPrincipal, NoSuchPrincipal


@implementer(IPrincipal)
class _Anonymous:
    """The sender of a request without credentials."""

    id = "anonymous"
    title = "Anonymous"
    description = "No credentials were given."
    authenticated = False
    person = None

    def grants(self, permission: str) -> bool | None:
        return None

    def reaches(self, permission: str) -> bool:
        return False

    def inTeam(self, team: Any) -> bool:
        return False

    def in_team_named(self, name: str) -> bool:
        return False

    def has_scope(self, scope: str) -> bool:
        return False


@implementer(IPrincipal)
class _System:
    """Every permission is granted: for tests, and for the first start, when there are no people yet."""

    id = "system"
    title = "System"
    description = "The program itself."
    authenticated = True
    person = None

    def grants(self, permission: str) -> bool | None:
        return True

    def reaches(self, permission: str) -> bool:
        return True

    def inTeam(self, team: Any) -> bool:
        return False

    def in_team_named(self, name: str) -> bool:
        return False

    def has_scope(self, scope: str) -> bool:
        return True


ANONYMOUS = _Anonymous()
SYSTEM = _System()


@implementer(IPrincipal)
class ScriptPrincipal:
    """A script, which has the permissions declared for it, on every object, and no others."""

    authenticated = True
    person = None

    def __init__(self, name: str, permissions: Iterable[str], title: str = "") -> None:
        self.id = f"system:{name}"
        self.title = title or name
        self.description = "A script of this installation."
        self.permissions = frozenset(permissions)

    def __repr__(self) -> str:
        return f"<ScriptPrincipal {self.id}>"

    def grants(self, permission: str) -> bool | None:
        return permission in self.permissions

    def reaches(self, permission: str) -> bool:
        return permission in self.permissions

    def inTeam(self, team: Any) -> bool:
        return False

    def in_team_named(self, name: str) -> bool:
        return False

    def has_scope(self, scope: str) -> bool:
        return True


def script_principal(name: str) -> IPrincipal:
    """The principal that ``<systemprincipal id=...>`` declares.  Raises NoSuchPrincipal."""
    principal = queryUtility(IPrincipal, name=name)
    if principal is None:
        raise NoSuchPrincipal(name)
    return principal
