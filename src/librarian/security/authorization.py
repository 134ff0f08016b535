"""Ready-made answers for IAuthorization adapters.

A package registers a subclass, or one of these as it is, for its interface and a permission::

    <adapter for=".interfaces.IThing" provides="librarian.security.interfaces.IAuthorization"
             factory="librarian.security.authorization.Everyone" name="librarian.View" />
"""

from typing import Any

from zope.interface import implementer

from librarian.security.interfaces import IAuthorization, IPrincipal
from librarian.security.policy import is_admin


@implementer(IAuthorization)
class AdminsOnly:
    """Members of ``admins``; the base of adapters that allow more principals."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        return is_admin(principal)

    def checkUnauthenticated(self) -> bool:
        return False


class Everyone(AdminsOnly):
    """Every principal, authenticated or not."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        return True

    def checkUnauthenticated(self) -> bool:
        return True


class Authenticated(AdminsOnly):
    """Every principal whose credentials were accepted."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        return True


class TeamOrAdmins(AdminsOnly):
    """Members of one team, which a subclass names, and ``admins``."""

    team: str  # its name

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        return principal.in_team_named(self.team) or is_admin(principal)


class OwnerOrAdmins(AdminsOnly):
    """The person or the members of the team in the object's ``owner``, and ``admins``."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        owner = self.thing.owner
        return (owner is not None and principal.inTeam(owner)) or is_admin(principal)
