"""Permissions of a webhook: its owner's and administrators'."""

from zope.component import adapter
from zope.interface import implementer

from librarian.events.interfaces import IWebhook
from librarian.security.authorization import AdminsOnly
from librarian.security.interfaces import IAuthorization, IPrincipal


@implementer(IAuthorization)
@adapter(IWebhook)
class OwnWebhook(AdminsOnly):
    """librarian.events.Hook: the owner and administrators."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        return self.thing.owner == principal.id or super().checkAuthenticated(principal)
