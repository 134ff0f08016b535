"""Ready-made answers for IAuthorization adapters.

A system registers a subclass, or one of these as it is, for its interface and a permission::

    <adapter for=".interfaces.IMirror" provides="librarian.security.interfaces.IAuthorization"
             factory="librarian.security.authorization.Everybody" name="librarian.View" />
"""

from typing import Any

from zope.component import getUtility
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.security.interfaces import IAuthorization, ICelebrities, IPrincipal
from librarian.security.policy import is_admin


@implementer(IAuthorization)
class AdminsOnly:
    """Members of ``admins``; to be subclassed by whoever lets more people in."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        return is_admin(principal)

    def checkUnauthenticated(self) -> bool:
        return False


class Everybody(AdminsOnly):
    """Known or not."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        return True

    def checkUnauthenticated(self) -> bool:
        return True


class KnownPeople(AdminsOnly):
    """Everybody who has said who they are."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        return True


class _TeamOrAdmins(AdminsOnly):
    celebrity = "admins"  # an attribute of ICelebrities

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        team = getattr(removeSecurityProxy(getUtility(ICelebrities)), self.celebrity)
        return principal.inTeam(team) or is_admin(principal)


class VcsImportsOrAdmins(_TeamOrAdmins):
    """Members of ``vcs-imports`` or ``admins``."""

    celebrity = "vcs_imports"


class MirrorAdminsOrAdmins(_TeamOrAdmins):
    """Members of ``mirror-admins`` or ``admins``."""

    celebrity = "mirror_admins"


class OwnerOrAdmins(AdminsOnly):
    """The person or the members of the team in the object's ``owner``, and ``admins``."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        owner = self.thing.owner
        return (owner is not None and principal.inTeam(owner)) or is_admin(principal)
