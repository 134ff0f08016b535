"""The mirror registry as utilities."""

import logging
from collections.abc import Iterator
from typing import Any, BinaryIO

from zope.component import getUtility
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import IClock, ISettings
from librarian.library.interfaces import ILibraryFileAliasSet
from librarian.library.service import HeldInSubtree
from librarian.mail.interfaces import IPostOffice, Recipient, UnsendableMail
from librarian.mirrors import mails
from librarian.mirrors.enums import FindingKind, MirrorContent
from librarian.mirrors.interfaces import (
    ICertificateExpiring,
    IDistribution,
    IDistributionMirrorSet,
    IDistributionSet,
    IDistroArchReleaseSet,
    IDistroReleaseSet,
    IMirrorDisabled,
    IMirrorRecovered,
    IProbeLogs,
    NoSuchDistribution,
    NoSuchMirror,
    NoSuchRelease,
)
from librarian.mirrors.model.distributions import Distribution, MirrorsSubtree, number_files
from librarian.mirrors.model.mirrors import DistributionMirror
from librarian.mirrors.model.releases import DistroArchRelease, DistroRelease
from librarian.mirrors.runs.planning import is_due
from librarian.mirrors.settings import MirrorSettings
from librarian.people.interfaces import ITeam
from librarian.security.interaction import acting_as
from librarian.security.principals import SYSTEM, script_principal
from librarian.tree.interfaces import ITree
from librarian.tree.subtree import Subtree, store_new_class_names

log = logging.getLogger(__name__)

SUBTREE = "mirrors"
PROBER = "mirror-prober"  # the system principal the prober acts as
subtree = Subtree(SUBTREE, MirrorsSubtree, (number_files, store_new_class_names))
references = HeldInSubtree(SUBTREE)
_HELD_FOR = "log of a probe"


class _Set:
    """Reaches the subtree of whichever thread it is used in."""

    @property
    def _subtree(self) -> MirrorsSubtree:
        found: MirrorsSubtree = getUtility(ITree).subtree(SUBTREE)
        return found


@implementer(IDistributionSet)
class DistributionSet(_Set):
    """All distributions."""

    def new(self, name: str, display_name: str, main_url: str | None = None) -> Distribution:
        distribution = self._subtree.new_distribution(name, display_name, main_url)
        log.info("distribution created distribution=%s", name)
        return distribution

    def get(self, id: int) -> Distribution:  # noqa: A002  # the specification names it so
        found = self._subtree.distributions_by_id.get(id)
        if found is None:
            raise NoSuchDistribution(id)
        return found

    def getByName(self, name: str) -> Distribution | None:
        return self._subtree.distributions.get(name)

    def __getitem__(self, name: str) -> Distribution:
        found = self.getByName(name)
        if found is None:
            raise NoSuchDistribution(name)
        return found

    def __iter__(self) -> Iterator[Distribution]:
        return iter(self._subtree.distributions.values())


@implementer(IDistroReleaseSet)
class DistroReleaseSet(_Set):
    """All releases."""

    def get(self, id: int) -> DistroRelease:  # noqa: A002  # the specification names it so
        found = self._subtree.releases_by_id.get(id)
        if found is None:
            raise NoSuchRelease(id)
        return found


@implementer(IDistroArchReleaseSet)
class DistroArchReleaseSet(_Set):
    """All builds."""

    def get(self, id: int) -> DistroArchRelease:  # noqa: A002  # the specification names it so
        found = self._subtree.arch_releases_by_id.get(id)
        if found is None:
            raise NoSuchRelease(id)
        return found


@implementer(IDistributionMirrorSet)
class DistributionMirrorSet(_Set):
    """All mirrors."""

    def __getitem__(self, number: int) -> DistributionMirror:
        found = self._subtree.mirrors_by_id.get(number)
        if found is None:
            raise NoSuchMirror(number)
        return found

    def __iter__(self) -> Iterator[DistributionMirror]:
        return iter(self._subtree.mirrors_by_id.values())

    def getByName(self, distribution: IDistribution, name: str) -> DistributionMirror | None:
        try:
            found: DistributionMirror = removeSecurityProxy(distribution)[name]
        except KeyError:
            return None
        return found

    def getByURL(self, distribution: IDistribution, url: str) -> DistributionMirror | None:
        found: DistributionMirror | None = removeSecurityProxy(distribution).mirror_at(url)
        return found

    def getMirrorsToProbe(
        self, content: MirrorContent = MirrorContent.ARCHIVE, force: bool = False, limit: int | None = None
    ) -> list[DistributionMirror]:
        return self._due([mirror for mirror in self if mirror.enabled], content, force, limit)

    def getMirrorsToRecover(
        self, content: MirrorContent = MirrorContent.ARCHIVE, force: bool = False, limit: int | None = None
    ) -> list[DistributionMirror]:
        # What has a time since which it is down was switched off by the prober.
        return self._due([mirror for mirror in self if mirror.down_since is not None], content, force, limit)

    def _due(
        self, mirrors: list[DistributionMirror], content: MirrorContent, force: bool, limit: int | None
    ) -> list[DistributionMirror]:
        now, settings = getUtility(IClock).now(), mirror_settings()
        found = [
            mirror
            for mirror in mirrors
            if mirror.content is content and (force or is_due(mirror, now, settings))
        ]
        return sorted(found, key=_longest_ago)[:limit]


def _longest_ago(mirror: DistributionMirror) -> tuple[bool, Any, int]:
    last = mirror.last_probe_record
    return last is not None, last.date_created if last else None, mirror.id


def mirror_settings() -> MirrorSettings:
    """The settings that hold now."""
    return getUtility(ISettings).section(MirrorSettings)


@implementer(IProbeLogs)
class LibraryProbeLogs(_Set):
    """Logs are restricted files of the library, held for as long as their records are."""

    def keep(self, filename: str, log_file: BinaryIO) -> int:
        size = log_file.seek(0, 2)
        log_file.seek(0)
        # Whoever may note a probe need not be allowed to upload.
        with acting_as(script_principal(PROBER)):
            alias = getUtility(ILibraryFileAliasSet).create(
                filename, size, log_file, "text/plain", restricted=True, allow_zero_length=True
            )
            number: int = alias.id
        self._subtree.holds.hold(getUtility(ITree).subtree("library").alias(number), _HELD_FOR)
        return number

    def get(self, alias_id: int) -> Any:
        return getUtility(ILibraryFileAliasSet)[alias_id]

    def read(self, alias_id: int) -> bytes:
        with acting_as(SYSTEM):
            found: bytes = self.get(alias_id).read()
        return found

    def release(self, alias_id: int) -> None:
        self._subtree.holds.release(alias_id, _HELD_FOR)


# -- owners hear of it


def recipients_of(owner: Any) -> list[Recipient]:
    """The people behind an owner who can be written to."""
    people = owner.people() if ITeam.providedBy(owner) else [owner]
    return [Recipient(each.display_name, each.email) for each in people if each.email and each.active]


def _facts(mirror: Any) -> mails.MirrorFacts:
    distribution = mirror.distribution.display_name
    return mails.MirrorFacts(mirror.name, distribution, mirror.base_url, mirror.owner.display_name)


def _tell(mirror: Any, text: mails.MailText) -> None:
    try:
        copies = getUtility(IPostOffice).send(recipients_of(mirror.owner), text.subject, text.body)
    except UnsendableMail as error:
        # What was found out about the mirror is not to be lost over it.
        log.error("owner cannot be told mirror=%s why=%s", mirror.id, error)
        return
    if not copies:
        log.warning("nobody to tell mirror=%s", mirror.id)


def mirror_disabled(event: IMirrorDisabled) -> None:
    """Write to the owner what is wrong and since when."""
    mirror: Any = event.mirror
    troubles = [mails.Trouble(FindingKind(kind), url, since) for kind, url, since in mirror.troubles]
    _tell(mirror, mails.failed(_facts(mirror), mirror.failures, troubles, event.log))
    log.info("mirror disabled mirror=%s", mirror.id)


def mirror_recovered(event: IMirrorRecovered) -> None:
    """Write to the owner that it is well again."""
    _tell(event.mirror, mails.recovered(_facts(event.mirror), event.down_since))
    log.info("mirror recovered mirror=%s", event.mirror.id)


def certificate_expiring(event: ICertificateExpiring) -> None:
    """Write to the owner in time."""
    _tell(event.mirror, mails.warned(_facts(event.mirror), event.expires))
    log.info("certificate expiring mirror=%s", event.mirror.id)
