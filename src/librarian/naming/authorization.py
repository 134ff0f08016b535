"""Who may see and who may change what is in the named tree."""

from typing import Any

from zope.component import adapter
from zope.interface import implementer

from librarian.naming.interfaces import INamed, INamedEntry
from librarian.security.authorization import AdminsOnly
from librarian.security.interfaces import IAuthorization, IPrincipal


@implementer(IAuthorization)
@adapter(INamed)
class EditNamed(AdminsOnly):
    """Who owns it or a folder above it, and admins."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        owners: list[Any] = self.thing.owners()
        return any(principal.inTeam(owner) for owner in owners) or super().checkAuthenticated(principal)


@implementer(IAuthorization)
@adapter(INamed)
class ViewNamed(EditNamed):
    """Everybody, unless it is restricted; then those who may change it, and who put the file."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        thing = self.thing
        if not thing.restricted:
            return True
        if INamedEntry.providedBy(thing) and thing.alias().owner == principal.id:
            return True
        return super().checkAuthenticated(principal)

    def checkUnauthenticated(self) -> bool:
        return not self.thing.restricted
