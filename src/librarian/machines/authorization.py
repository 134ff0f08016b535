"""Permissions of code imports and their machines: to see them, and to change them."""

from zope.component import adapter, getUtility
from zope.interface import implementer

from librarian.interfaces import ISettings
from librarian.machines.interfaces import ICodeImportThing
from librarian.machines.settings import MachinesSettings
from librarian.security.authorization import AdminsOnly, TeamOrAdmins
from librarian.security.interfaces import IAuthorization, IPrincipal

DAEMON = "importd"  # a system principal, and the account whose token daemons on other hosts send


def is_daemon(principal: IPrincipal) -> bool:
    """Whether `principal` is the account that the tokens of daemons belong to, which is no human being."""
    return principal.person is not None and principal.person.name == DAEMON


@implementer(IAuthorization)
@adapter(ICodeImportThing)
class ViewMachines(TeamOrAdmins):
    """Members of ``vcs-imports`` and ``admins``, the editors, and the daemons."""

    team = "vcs-imports"

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        return super().checkAuthenticated(principal) or EditMachines(self.thing).checkAuthenticated(principal)


@implementer(IAuthorization)
@adapter(ICodeImportThing)
class EditMachines(AdminsOnly):
    """``admins``, the teams that the setting `editors` names, and the daemons."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        if is_daemon(principal) or super().checkAuthenticated(principal):
            return True
        editors = getUtility(ISettings).section(MachinesSettings).editors
        return any(principal.in_team_named(name) for name in editors)
