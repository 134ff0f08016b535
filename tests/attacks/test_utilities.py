"""What code may not do that acts for a stranger, or for a person without a role.

The table has every utility that is secured, also those that no page calls, so that one that is added is
noticed, and a permission that is granted to all.  An empty row is a utility that all may ask; what it hands
out is guarded itself (`test_classes`).
"""

from collections.abc import Iterator
from typing import Any

from zope.component import getGlobalSiteManager, getUtility
from zope.security import canAccess
from zope.security.proxy import removeSecurityProxy

from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.people.interfaces import IPersonSet
from librarian.security.interaction import acting_as
from librarian.security.interfaces import IPrincipal
from librarian.security.principals import ANONYMOUS
from tests.attacks.world import AttackedWorld

#: Names of interfaces -> what a stranger is refused.
REFUSED_TO_STRANGERS = {
    "ICatalogue": "find page state",
    "ICelebrities": "",
    "ICodeImportEventSet": "getAll getEventsForCodeImport getEventsForMachine",
    "ICodeImportMachineSet": "__getitem__ getAll getByHostname new remove",
    "ICodeImportScheduler": "addFile arrive drained finishJob getJobForMachine leave openBundle startJob"
    " updateHeartbeat watch",
    "ICodeImportSet": "__getitem__ delete getAll getByName new",
    "ICredentialSet": "",
    "IDistributionMirrorSet": "",
    "IDistributionSet": "new",
    "IDistroArchReleaseSet": "",
    "IDistroReleaseSet": "",
    "IFeatureRules": "__iter__ set unset",
    "ILibrarianClient": "addFile remoteAddFile",
    "ILibraryFileAliasSet": "create createUploadToken",
    "INamedTree": "",
    "IOverview": "audit figures",
    "IPersonSet": "__iter__ __len__ getByEmail new",
    "IQuotaSet": "count limited",
    "IRestrictedLibrarianClient": "addFile getFileByAlias getURLForAlias remoteAddFile",
    "ISpoolSet": "__getitem__ __iter__ getByName",
    "ITeamSet": "__iter__ __len__ new",
    "ITimeLimitedTokenSet": "__iter__ allocate of_alias purge revoke revoke_all",
    "ITracker": "delete entries get history listing open prune put putting",
    "IUploadLinks": "__iter__ create page revoke",
    "IWebhookSet": "__getitem__ __iter__ new newForEverything",
}
#: What a person without a role is refused, where that is not the same.
REFUSED_TO_BOB = {
    "ICatalogue": "",
    "ILibraryFileAliasSet": "",
    "IPersonSet": "getByEmail new",
    "ITeamSet": "new",
    "ITracker": "prune",
    "IUploadLinks": "",
    "IWebhookSet": "newForEverything",
}


class Utilities(AttackedWorld):
    maxDiff = None

    def test_strangers(self) -> None:
        self.assertEqual(dict(refused_to(ANONYMOUS)), REFUSED_TO_STRANGERS)

    def test_a_person_without_a_role(self) -> None:
        bob = PersonPrincipal(getUtility(IPersonSet)["bob"])
        self.assertEqual(dict(refused_to(bob)), {**REFUSED_TO_STRANGERS, **REFUSED_TO_BOB})


def refused_to(principal: IPrincipal) -> Iterator[tuple[str, str]]:
    """Interface of each secured utility, and the names that this principal may not use."""
    for interface, utility in secured():
        with acting_as(principal):
            names = sorted(name for name in interface.names(all=True) if not canAccess(utility, name))
        yield interface.__name__, " ".join(names)


def secured() -> Iterator[tuple[Any, Any]]:
    """Interface and utility."""
    for each in getGlobalSiteManager().registeredUtilities():
        utility = getUtility(each.provided, each.name)
        if removeSecurityProxy(utility) is not utility:
            yield each.provided, utility
