"""The mirror registry: distributions, their mirrors, what each holds, and what may be refused."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, BinaryIO

from zope.interface import Attribute, Interface

from librarian.interfaces import LibrarianError
from librarian.mirrors.enums import (
    DisabledBy,
    MirrorContent,
    MirrorPulseType,
    MirrorReviewStatus,
    MirrorSpeed,
    MirrorStatus,
    PackagePublishingPocket,
)

# ruff: noqa: N805  # zope.interface methods are written without self


class NameInUse(LibrarianError, ValueError):
    """Something of this sort already has the name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the name {name!r} is taken")
        self.name = name


class NoSuchDistribution(LibrarianError, KeyError):
    """No distribution has this name or number."""

    def __str__(self) -> str:
        return f"there is no distribution {self.args[0]!r}"


class NoSuchMirror(LibrarianError, KeyError):
    """No mirror has this name or number."""

    def __str__(self) -> str:
        return f"there is no mirror {self.args[0]!r}"


class NoSuchRelease(LibrarianError, KeyError):
    """The distribution has no release, architecture or component of this name."""

    def __str__(self) -> str:
        return f"there is no release, architecture or component {self.args[0]!r}"


class BadBaseURL(LibrarianError, ValueError):
    """Not a URL a mirror's files can start at."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"{url!r} cannot be a mirror's URL: {why}")
        self.url = url
        self.why = why


class URLInUse(LibrarianError, ValueError):
    """Another mirror of the distribution already is at this URL."""

    def __init__(self, url: str, mirror: str) -> None:
        super().__init__(f"{url} already belongs to the mirror {mirror!r}")
        self.url = url
        self.mirror = mirror


class CannotResubmit(LibrarianError, ValueError):
    """Only a mirror that was reviewed as broken can be submitted for review again."""

    def __init__(self, name: str, status: MirrorReviewStatus) -> None:
        super().__init__(f"{name!r} is {status.title.lower()}, and only a broken mirror is resubmitted")
        self.name = name
        self.status = status


class MirrorWasProbed(LibrarianError, ValueError):
    """A mirror with probe records stays, for its history; it can be disabled."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} was probed, so it cannot be removed; disable it")
        self.name = name


class BadImport(LibrarianError, ValueError):
    """The description of publications or images is malformed; nothing of it was taken."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.where = where
        self.why = why


class IDistribution(Interface):
    """A distribution of packages, which many mirrors carry."""

    id: int = Attribute("Its number among distributions.")
    name: str = Attribute("Unique; part of URLs.")
    display_name: str = Attribute("What a page shows.")
    main_url: str | None = Attribute("Where the archive itself is: the mirror that is always last in a list.")
    releases: Any = Attribute("The IDistroReleases, oldest first.")
    mirrors: Any = Attribute("All its IDistributionMirrors, by number.")
    enabled_mirrors: Any = Attribute("Those that are switched on, official or not, by number.")
    enabled_official_mirrors: Any = Attribute("Those that are switched on and reviewed as official.")

    def newRelease(name: str, version: str, components: Sequence[str]) -> "IDistroRelease":
        """Raises BadName and NameInUse."""

    def newMirror(
        owner: Any,
        name: str,
        speed: MirrorSpeed,
        country: Any,
        content: MirrorContent,
        pulse_type: MirrorPulseType,
        http_base_url: str | None = None,
        https_base_url: str | None = None,
        ftp_base_url: str | None = None,
        display_name: str | None = None,
    ) -> "IDistributionMirror":
        """Register a mirror, switched on and waiting for review.

        `owner` is a person or a team, `country` an ICountry.
        Raises BadName, NameInUse, BadBaseURL, URLInUse.
        """

    def removeMirror(mirror: "IDistributionMirror") -> None:
        """Forget a mirror that was never probed.  Raises MirrorWasProbed."""


class IDistroRelease(Interface):
    """One release of a distribution."""

    id: int = Attribute("Its number among releases.")
    name: str = Attribute("The name its suites start with: ``hoary``.")
    version: str = Attribute("The number people know it by: ``5.04``.")
    active: bool = Attribute("Whether mirrors are asked for it.")
    components: Any = Attribute("Its components, in the order they are asked for.")
    arch_releases: Any = Attribute("Its IDistroArchReleases, by architecture.")
    distribution: IDistribution = Attribute("The distribution it is a release of.")

    def newArch(architecture: str) -> "IDistroArchRelease":
        """Raises BadName and NameInUse."""


class IDistroArchRelease(Interface):
    """A release built for one architecture."""

    id: int = Attribute("Its number among them.")
    architecture: str = Attribute("As in ``binary-i386``.")
    distro_release: IDistroRelease = Attribute("What it is a build of.")


class IMirrorContents(Interface):
    """Something a mirror holds: one component of one suite."""

    pocket: PackagePublishingPocket = Attribute("Part of which suite it is.")
    component: Any = Attribute("Which component.")
    freshness: MirrorStatus = Attribute("How far behind it was at the last probe.")

    def getURLsToCheckUpdateness(when: datetime | None = None) -> dict[MirrorStatus, str]:
        """Which URL on the mirror to ask for, for each status that can be told apart at `when`.

        For each window of freshness the newest publication in it; if there was none lately, the newest of
        all stands for UP.  `when` None is now; a naive one is UTC.  Packages for the installer (udeb) are
        left out.  Empty if nothing was ever published.
        """


class IMirrorDistroArchRelease(IMirrorContents):
    """Binary packages of one architecture that a mirror holds."""

    distro_arch_release: IDistroArchRelease = Attribute("Of which build.")


class IMirrorDistroReleaseSource(IMirrorContents):
    """Source packages that a mirror holds."""

    distro_release: IDistroRelease = Attribute("Of which release.")


class IMirrorProbeRecord(Interface):
    """One probe of a mirror."""

    date_created: datetime = Attribute("When it was over, aware, in UTC.")
    log_file: Any = Attribute("The ILibraryFileAlias of its log; None when that was cleared away.")
    verdict: str = Attribute("``good``, ``failed``, ``inconclusive``, or '' for a record that no probe made.")
    freshness: MirrorStatus = Attribute("Overall, by this probe.")

    def read_log() -> bytes | None:
        """The bytes of the log, UTF-8, one line an event; None when the log was removed."""

    def destroySelf() -> None:
        """Forget this probe; the mirror is due when the one before it says so."""


class IDistributionMirror(Interface):
    """A mirror of a distribution."""

    id: int = Attribute("Its number among mirrors.")
    name: str = Attribute("Unique in the distribution; part of URLs.")
    display_name: str = Attribute("What a page shows.")
    owner: Any = Attribute("The person or team who runs it.")
    speed: MirrorSpeed = Attribute("As its owner states it.")
    country: Any = Attribute("The ICountry it is in.")
    content: MirrorContent = Attribute("The archive, or images.")
    pulse_type: MirrorPulseType = Attribute("Who starts a synchronisation.")
    distribution: IDistribution = Attribute("What it is a mirror of.")
    http_base_url: str | None = Attribute("Where its files start.")
    https_base_url: str | None = Attribute("Where its files start.")
    ftp_base_url: str | None = Attribute("Where its files start.")
    base_url: str = Attribute("The one that is probed: https before http before ftp.")
    enabled: bool = Attribute("Whether it is listed and probed; to set it is a person's decision.")
    disabled_by: DisabledBy | None = Attribute("Who switched it off; the prober undoes only its own.")
    review_status: MirrorReviewStatus = Attribute("What a mirror administrator made of it.")
    freshness: MirrorStatus = Attribute("The worst that is known of its parts.")
    source_releases: Any = Attribute("Its IMirrorDistroReleaseSources, with ``count()``.")
    arch_releases: Any = Attribute("Its IMirrorDistroArchReleases, with ``count()``.")
    probe_records: Any = Attribute("Its IMirrorProbeRecords, newest first, with ``count()``.")
    last_probe_record: IMirrorProbeRecord | None = Attribute("The newest of them.")

    def isOfficial() -> bool:
        """Whether a mirror administrator made it official."""

    def ensureMirrorDistroArchRelease(
        arch_release: IDistroArchRelease, pocket: PackagePublishingPocket, component: Any
    ) -> IMirrorDistroArchRelease:
        """The record that the mirror holds this; made if it is not there yet."""

    def ensureMirrorDistroReleaseSource(
        release: IDistroRelease, pocket: PackagePublishingPocket, component: Any
    ) -> IMirrorDistroReleaseSource:
        """The record that the mirror holds this; made if it is not there yet."""

    def deleteMirrorDistroArchRelease(
        arch_release: IDistroArchRelease, pocket: PackagePublishingPocket, component: Any
    ) -> None:
        """The mirror does not hold this (any more); nothing happens if that was known."""

    def deleteMirrorDistroReleaseSource(
        release: IDistroRelease, pocket: PackagePublishingPocket, component: Any
    ) -> None:
        """The mirror does not hold this (any more); nothing happens if that was known."""

    def guessPackagesPaths() -> Sequence[tuple[IDistroArchRelease, PackagePublishingPocket, Any, str]]:
        """(arch release, pocket, component, path of Packages.gz) for all that a mirror may hold."""

    def guessSourcesPaths() -> Sequence[tuple[IDistroRelease, PackagePublishingPocket, Any, str]]:
        """(release, pocket, component, path of Sources.gz) for all that a mirror may hold."""

    def newProbeRecord(log_file: BinaryIO) -> IMirrorProbeRecord:
        """Note that the mirror was probed now; the log goes into the library as
        ``<name>-probe-logfile.txt``.  `log_file` is read from its start and stays the caller's."""

    def disableAndNotifyOwner() -> None:
        """Switch the mirror off on behalf of the prober; its owner hears of it once that commits."""

    def review(status: MirrorReviewStatus, reviewer: Any) -> None:
        """Note the judgement of a mirror administrator."""

    def resubmitForReview() -> None:
        """Ask for another review.  Raises CannotResubmit."""


class IDistributionSet(Interface):
    """All distributions: a secured utility."""

    def new(name: str, display_name: str, main_url: str | None = None) -> IDistribution:
        """Raises BadName, NameInUse and BadBaseURL."""

    def get(id: int) -> IDistribution:  # noqa: A002  # the specification names it so
        """By number.  Raises NoSuchDistribution."""

    def getByName(name: str) -> IDistribution | None:
        """By name."""

    def __getitem__(name: str) -> IDistribution:
        """By name.  Raises NoSuchDistribution."""

    def __iter__() -> Iterator[IDistribution]:
        """By name."""


class IDistroReleaseSet(Interface):
    """All releases of all distributions."""

    def get(id: int) -> IDistroRelease:  # noqa: A002  # the specification names it so
        """By number.  Raises NoSuchRelease."""


class IDistroArchReleaseSet(Interface):
    """All builds of all releases."""

    def get(id: int) -> IDistroArchRelease:  # noqa: A002  # the specification names it so
        """By number.  Raises NoSuchRelease."""


class IDistributionMirrorSet(Interface):
    """All mirrors of all distributions: a secured utility."""

    def __getitem__(number: int) -> IDistributionMirror:
        """By number.  Raises NoSuchMirror."""

    def __iter__() -> Iterator[IDistributionMirror]:
        """All of them, by number."""

    def getByName(distribution: IDistribution, name: str) -> IDistributionMirror | None:
        """By name, in one distribution."""

    def getByURL(distribution: IDistribution, url: str) -> IDistributionMirror | None:
        """The mirror one of whose base URLs this is, with or without its last slash."""

    def getMirrorsToProbe(
        content: MirrorContent = MirrorContent.ARCHIVE, force: bool = False, limit: int | None = None
    ) -> Sequence[IDistributionMirror]:
        """The switched-on mirrors that are due: never probed first, then longest ago.

        Due is who was not probed in the last 24 hours (one hour after a probe that failed); with
        `force`, all of them.
        """

    def getMirrorsToRecover(
        content: MirrorContent = MirrorContent.ARCHIVE, force: bool = False, limit: int | None = None
    ) -> Sequence[IDistributionMirror]:
        """Those the prober switched off itself and ought to look at again, in the same order."""


class IProbeLogs(Interface):
    """Where the logs of probes are kept."""

    def keep(filename: str, log_file: BinaryIO) -> int:
        """Put the bytes of `log_file` into the library as a restricted file that stays until it is
        released; the id of its alias."""

    def get(alias_id: int) -> Any:
        """The ILibraryFileAlias of a log."""

    def read(alias_id: int) -> bytes:
        """The bytes of a log.  The permission was checked on the record, so none is checked here."""

    def release(alias_id: int) -> None:
        """The log is wanted no longer; the library collects it in its own time."""


class IMirrorEvent(Interface):
    """Something happened to a mirror in this transaction."""

    mirror: IDistributionMirror = Attribute("Which.")


class IMirrorDisabled(IMirrorEvent):
    """The prober switched it off."""

    log: bytes = Attribute("The log of the probe that did it.")


class IMirrorRecovered(IMirrorEvent):
    """The prober switched it on again."""

    down_since: datetime | None = Attribute("When it had been switched off.")


class ICertificateExpiring(IMirrorEvent):
    """Its certificate is about to expire."""

    expires: datetime = Attribute("When.")
