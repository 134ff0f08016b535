"""Who may see an alias."""

from zope.component import adapter
from zope.interface import implementer

from librarian.library.interfaces import ILibraryFileAlias
from librarian.security.authorization import AdminsOnly
from librarian.security.interfaces import IAuthorization, IPrincipal


@implementer(IAuthorization)
@adapter(ILibraryFileAlias)
class ViewAlias(AdminsOnly):
    """Everybody may see a public file; a restricted one whoever added it, and admins."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        alias = self.thing
        if not alias.restricted or alias.owner == principal.id:
            return True
        return super().checkAuthenticated(principal)

    def checkUnauthenticated(self) -> bool:
        return not self.thing.restricted


@implementer(IAuthorization)
@adapter(ILibraryFileAlias)
class EditAlias(AdminsOnly):
    """Whoever added it, and admins."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        return self.thing.owner == principal.id or super().checkAuthenticated(principal)
