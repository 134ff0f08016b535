"""Permissions of mirrors: the attributes that a principal may see, and those it may change."""

from typing import Any

from zope.component import adapter
from zope.interface import implementer

from librarian.mirrors.interfaces import IDistributionMirror, IMirrorProbeRecord
from librarian.security.authorization import TeamOrAdmins
from librarian.security.interfaces import IAuthorization, IPrincipal


class MirrorAdminsOrAdmins(TeamOrAdmins):
    """Members of ``mirror-admins`` and ``admins``."""

    team = "mirror-admins"


@implementer(IAuthorization)
@adapter(IDistributionMirror)
class OwnerOrMirrorAdmins(MirrorAdminsOrAdmins):
    """The owner of the mirror, members of ``mirror-admins`` and ``admins``."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        owner = self._mirror().owner
        return (owner is not None and principal.inTeam(owner)) or super().checkAuthenticated(principal)

    def _mirror(self) -> Any:
        return self.thing


@adapter(IMirrorProbeRecord)
class RecordOfOwnMirror(OwnerOrMirrorAdmins):
    """The same for what a probe left behind."""

    def _mirror(self) -> Any:
        return self.thing.mirror
