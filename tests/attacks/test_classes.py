"""What code may not do with the objects that utilities hand out, as a stranger or a person without a role.

The table has every class that ZCML requires a permission for, and its guarded names; ``x=`` is setting x.
"""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import transaction
from zope.component import getUtility
from zope.security import canAccess, canWrite
from zope.security.checker import Checker, CheckerPublic, _checkers
from zope.security.proxy import removeSecurityProxy

from librarian.events.interfaces import IWebhookSet
from librarian.interfaces import IClock
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.quotas.interfaces import IQuotaSet
from librarian.library.tokens.interfaces import ITimeLimitedTokenSet
from librarian.machines.enums import CodeImportResultStatus
from librarian.machines.interfaces import ICodeImportEventSet, ICodeImportMachineSet, ICodeImportSet
from librarian.machines.model.imports import CodeImportResult
from librarian.mirrors.interfaces import IDistributionSet
from librarian.naming.interfaces import INamedTree
from librarian.people.credentials.interfaces import ICredentialSet
from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.people.interfaces import IPersonSet, ITeamSet
from librarian.security.checkers import guarded
from librarian.security.interaction import acting_as
from librarian.security.interfaces import IPrincipal
from librarian.security.principals import ANONYMOUS
from librarian.spool.interfaces import ISpoolSet
from tests.attacks.world import NAME, SECRET, AttackedWorld

#: Classes -> what a stranger is refused.
REFUSED_TO_STRANGERS = {
    "BoundAlias": "close content date_created delete download_counts expires filename getURL hits hold"
    " holders http_url https_url keepUntil last_downloaded mimetype open owner private_url"
    " read release revokeToken tokens undelete updateDownloadCount",
    "BoundDistribution": "newMirror newRelease removeMirror display_name= main_url=",
    "BoundEntry": "alias alias_id date_created etag name path version versions",
    "BoundFolder": "__getitem__ child_to_move date_created get listing make_current make_folder move_here"
    " name owner path put remove",
    "BoundImport": "__eq__ __repr__ __str__ assignee bundle_file bundle_name consecutive_failures"
    " date_created date_last_successful edit events getFileByName import_job kill name owner"
    " private rcs_type request results review_status update_interval url",
    "BoundMachine": "__eq__ __repr__ __str__ addCordon cordon current_jobs date_created endedJobs events"
    " heartbeat hostname message newestEvents offline_reason pinned removeCordon setOffline"
    " setOnline setQuiescing shouldLookForJob state state_since",
    "BoundMirror": "deleteMirrorDistroArchRelease deleteMirrorDistroReleaseSource disableAndNotifyOwner"
    " ensureMirrorDistroArchRelease ensureMirrorDistroReleaseSource newProbeRecord"
    " resubmitForReview review reviewer setBaseURLs display_name= enabled= owner="
    " pulse_type= speed=",
    "BoundProbeRecord": "destroySelf log_file read_log",
    "BoundWebhook": "created deliveries everything id kinds owner remove resend rotate url",
    "CodeImportEvent": "code_import date_created event_type id items machine person",
    "CodeImportJob": "code_import date_due date_started heartbeat id logtail machine requested"
    " requesting_user state",
    "CodeImportResult": "date_created date_job_started job_id log_excerpt log_file machine requesting_user"
    " status",
    "Credentials": "endSessions has_password newToken person removePassword revokeToken sessions"
    " setPassword tokens",
    "DistroRelease": "newArch active= version=",
    "ParticipantQuota": "quota setLimits",
    "Person": "date_created disable email enable setEmail teams display_name=",
    "Publications": "add remove",
    "Spool": "address deliver exchange kind name path state",
    "Team": "addMember date_created members people removeMember setOwner teams display_name=",
    "TimeLimitedToken": "alias_id asked_by created expires id last_used max_uses path uses",
}
#: What a person without a role is refused, where that is not the same.
REFUSED_TO_BOB = {
    "BoundDistribution": "newRelease removeMirror display_name= main_url=",
    "Person": "disable email enable setEmail display_name=",
    "Team": "addMember removeMember setOwner display_name=",
}


class Classes(AttackedWorld):
    maxDiff = None

    def setUp(self) -> None:
        super().setUp()
        self.as_admin("PUT", "/tree/hidden/?restricted=yes")
        self.as_admin("PUT", f"/tree/hidden/{NAME}?restricted=yes", body=SECRET)
        transaction.begin()
        self.amy = getUtility(IPersonSet)["amy"]
        with acting_as(PersonPrincipal(self.amy)):
            self.things = {kind_of(thing).__name__: thing for thing in self._things()}

    def test_every_class_is_tried(self) -> None:
        self.assertEqual({kind.__name__ for kind in guarded_classes()}, set(self.things))

    def test_strangers(self) -> None:
        self.assertEqual(dict(self.refused_to(ANONYMOUS)), REFUSED_TO_STRANGERS)

    def test_a_person_without_a_role(self) -> None:
        bob = PersonPrincipal(getUtility(IPersonSet)["bob"])
        self.assertEqual(dict(self.refused_to(bob)), {**REFUSED_TO_STRANGERS, **REFUSED_TO_BOB})

    def refused_to(self, principal: IPrincipal) -> Iterator[tuple[str, str]]:
        """Each class, and the names that this principal may not use."""
        for name, thing in sorted(self.things.items()):
            checker = _checkers[kind_of(thing)]
            with acting_as(principal):
                read = [each for each in checker.get_permissions if not canAccess(thing, each)]
                written = [f"{each}=" for each in checker.set_permissions or () if not canWrite(thing, each)]
            yield name, " ".join(sorted(read) + sorted(written))

    def _things(self) -> Iterator[Any]:
        """One of each class, amy's; restricted where it can be."""
        yield self.amy
        yield getUtility(ITeamSet)["friends"]
        yield getUtility(ICredentialSet).of(self.amy)
        yield getUtility(IQuotaSet).of(self.amy)
        yield getUtility(ILibraryFileAliasSet)[self.secret["id"]]
        yield next(iter(getUtility(ITimeLimitedTokenSet)))
        hidden = getUtility(INamedTree)["hidden"]
        yield from (hidden, hidden[NAME])
        yield next(iter(getUtility(IWebhookSet)))
        yield next(iter(getUtility(ISpoolSet)))
        yield from self._machines()
        yield from self._mirrors()

    def _machines(self) -> Iterator[Any]:
        gimp = getUtility(ICodeImportSet)["gimp"]
        yield from (gimp, gimp.import_job, getUtility(ICodeImportMachineSet)["apollo"])
        job, now = removeSecurityProxy(gimp.import_job), getUtility(IClock).now()
        yield guarded(CodeImportResult(job, CodeImportResultStatus.SUCCESS, now))
        yield next(iter(getUtility(ICodeImportEventSet).getAll()))

    def _mirrors(self) -> Iterator[Any]:
        ubuntu = getUtility(IDistributionSet)["ubuntu"]
        mirror, release = ubuntu.mirrors[0], ubuntu.releases[0]
        yield from (ubuntu, mirror, mirror.newProbeRecord(BytesIO(b"a log")), release)
        yield next(one for arch in release.arch_releases for one in arch.all_publications)


def kind_of(thing: Any) -> type:
    return type(removeSecurityProxy(thing))


def guarded_classes() -> Iterator[type]:
    """The library's classes of which some name needs a permission."""
    for kind, checker in _checkers.items():
        ours = kind.__module__.startswith("librarian.") and isinstance(checker, Checker)
        names = {**checker.get_permissions, **(checker.set_permissions or {})} if ours else {}
        if set(names.values()) - {CheckerPublic}:
            yield kind
