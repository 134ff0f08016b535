"""The permissions librarian.View and librarian.EditTree on folders and entries of the named tree."""

from typing import Any

from zope.component import adapter
from zope.interface import implementer

from librarian.naming.interfaces import INamed, INamedEntry
from librarian.security.authorization import AdminsOnly
from librarian.security.interfaces import IAuthorization, IPrincipal


@implementer(IAuthorization)
@adapter(INamed)
class EditNamed(AdminsOnly):
    """For the owner, the owners of the folders above, and administrators."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        owners: list[Any] = self.thing.owners()
        return any(principal.inTeam(owner) for owner in owners) or super().checkAuthenticated(principal)


@implementer(IAuthorization)
@adapter(INamed)
class ViewNamed(EditNamed):
    """For all, unless it is restricted; then for those that may change it and for the owner of the file."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        thing = self.thing
        if not thing.restricted:
            return True
        if INamedEntry.providedBy(thing) and thing.alias().owner == principal.id:
            return True
        return super().checkAuthenticated(principal)

    def checkUnauthenticated(self) -> bool:
        return not self.thing.restricted
