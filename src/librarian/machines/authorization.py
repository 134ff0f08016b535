"""Who may see code imports and their machines, and who may change them."""

from dataclasses import dataclass

from zope.component import adapter, getUtility
from zope.interface import implementer, provider

from librarian.machines.interfaces import ICodeImportThing
from librarian.security.authorization import AdminsOnly, TeamOrAdmins
from librarian.security.interfaces import IAuthorization, IPrincipal
from librarian.settings import ISettings, ISettingsSection, Section

DAEMON = "importd"  # the system principal, and the person whose token daemons on other hosts use


@provider(ISettingsSection)
@dataclass(frozen=True)
class WhoMayChange(Section):
    """Who, beside ``admins`` and the daemons, changes machines and imports."""

    prefix = "machines"
    editors: tuple[str, ...] = ()  # names of teams, as in: vcs-imports


def is_daemon(principal: IPrincipal) -> bool:
    """Whether a person acts who is none: the account that tokens for daemons belong to."""
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
    """``admins``, the teams that the settings name, and the daemons."""

    def checkAuthenticated(self, principal: IPrincipal) -> bool:
        if is_daemon(principal) or super().checkAuthenticated(principal):
            return True
        editors = getUtility(ISettings).section(WhoMayChange).editors
        return any(principal.in_team_named(name) for name in editors)
