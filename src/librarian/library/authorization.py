"""Permissions of an alias: to see it, and to change it."""

from zope.component import adapter
from zope.interface import implementer

from librarian.library.interfaces import ILibraryFileAlias
from librarian.security.authorization import AdminsOnly
from librarian.security.interfaces import IAuthorization, IPrincipal


@implementer(IAuthorization)
@adapter(ILibraryFileAlias)
class ViewAlias(AdminsOnly):
    """librarian.View: a public file for all; a restricted one for its owner and administrators."""

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
    """librarian.Edit: the owner and administrators."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        return self.thing.owner == principal.id or super().checkAuthenticated(principal)
