"""Permissions to change people, teams and credentials."""

from librarian.security.authorization import AdminsOnly
from librarian.security.interfaces import IPrincipal
from librarian.security.policy import is_admin


class OneselfOrAdmins(AdminsOnly):
    """The person that the object is, and ``admins``."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        return principal.inTeam(self.thing) or is_admin(principal)


class HolderOrAdmins(AdminsOnly):
    """The person that an ICredentials belongs to, and ``admins``."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        return principal.inTeam(self.thing.person) or is_admin(principal)
