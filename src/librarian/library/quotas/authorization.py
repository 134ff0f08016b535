"""The permission to see a quota."""

from zope.component import adapter
from zope.interface import implementer

from librarian.library.quotas.interfaces import IParticipantQuota
from librarian.security.authorization import AdminsOnly
from librarian.security.interfaces import IAuthorization, IPrincipal


@implementer(IAuthorization)
@adapter(IParticipantQuota)
class OwnQuota(AdminsOnly):
    """librarian.ViewQuota: the person, the members of the team, and administrators."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        return principal.inTeam(self.thing.participant) or super().checkAuthenticated(principal)
