"""The mirror registry.

A distribution publishes its packages in an archive: the files of packages below ``pool/``, and indices of
them below ``dists/``.  Mirrors are copies of it that others run, and most people download from those.  The
registry knows which mirrors there are, finds out which can be relied on, and hands out lists of them.

What is published
    A distribution has *releases* (hoary), a release *components* (main, universe) and *builds*, one for each
    architecture (i386).  A release is published in five *suites*, one for each *pocket*: hoary-updates is the
    release hoary with the pocket UPDATES.  A *part* is the least that a mirror can leave out: one component
    of one suite, as sources or for one architecture.  It has an index, Sources.gz or Packages.gz.
    `importing.archives` reads the indices, as the signed Release file of each suite vouches for them, and
    stores which files are published in each part and since when.

What is registered
    The owner of a mirror, a person or a team, calls `IDistribution.newMirror`.  The mirror is probed at once,
    and listed when a mirror administrator has reviewed it as official.

How a mirror is probed
    1. The server (`runs.periodic`) or cron (``librarian mirrors probe``) starts a run.
       `IDistributionMirrorSet` tells which mirrors are due; each is *claimed*, so that no other process
       probes it.
    2. `runs.planning` draws up a *plan*: the indices that the mirror may have, the files that tell how fresh
       each part is, *samples* to compare by their bytes.  A plan is a value and knows no database.
    3. `probing` asks the mirror and fills a *report*: which parts are there, how far each is behind, and
       *findings*, each something wrong with its URL.
    4. `probing.verdict` judges the report: good, failed, unknown or inconclusive.  When a mirror does not
       answer, *controls* (servers that have no reason to be down) show whether the prober's own network is
       the cause.
    5. `runs.recording` stores what follows: a record with the log, the freshness of each part, the score of
       the last thirty days.  After two failed probes in a row the mirror is switched off, after a good one
       it is switched on again.  Each is an event, whose subscriber sends mail to the owner.

What comes of it
    Pages and JSON below ``/mirrors``; ``+mirrorlist`` and ``+metalink`` for clients of the archive.

Freshness is a `MirrorStatus`: how far a part is behind the archive.  The Release file of the mirror tells it
to the minute; without one, the newest file that the mirror has tells when it last synchronised (`freshness`).
A mirror is as fresh as its worst part.

Stored objects are in `model` and know no services.  The utilities in this module hand out *bound* ones
(`service.bound`), which have a clock, countries and the logs in the library.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, BinaryIO

from zope.interface import Attribute, Interface

from librarian.interfaces import IAnnouncedEvent, LibrarianError
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
    releases: Any = Attribute("The IDistroReleases, by number.")
    mirrors: Any = Attribute("All its IDistributionMirrors, by number.")
    enabled_mirrors: Any = Attribute("Those that are switched on, official or not, by number.")
    enabled_official_mirrors: Any = Attribute("Those that are switched on and reviewed as official.")

    def __getitem__(name: str) -> "IDistributionMirror":
        """The mirror of this name.  Raises KeyError."""

    def next_mirrors(name: str, at_most: int) -> "Sequence[IDistributionMirror]":
        """The next mirrors by name, from the one behind `name` on; "" for the first."""

    def has_more_than(count: int) -> bool:
        """Whether it has more mirrors; no mirror is loaded for that."""

    def newRelease(name: str, version: str, components: Sequence[str]) -> "IDistroRelease":
        """Add a release (``hoary``, ``5.04``) with these components.  Raises BadName, NameInUse."""

    def getRelease(name: str) -> "IDistroRelease":
        """The release of this name.  Raises NoSuchRelease."""

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

        `owner` is a person or a team, `country` an ICountry.  One base URL at least is needed, each with the
        scheme that its argument names; `display_name` is the name if it is not given.
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
    distribution: IDistribution = Attribute("Its distribution: id, names and main URL.")

    def newArch(architecture: str) -> "IDistroArchRelease":
        """Add a build for an architecture (``i386``).  Raises BadName, NameInUse."""


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
        """The URL to ask the mirror for, for each status that can be told apart at `when`, freshest first.

        It is that of the newest file published in the window of the status (`freshness.STATUS_HOURS`); if no
        window holds one, the newest file of all stands for UP.  `when` None is now; a naive one is in UTC.
        Udebs count in the sections of the installer alone.  Empty if nothing was published before `when`.
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
        """Remove the record, and let the library collect its log.  The record before it tells from then on
        when the mirror is due."""


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

    def setBaseURLs(http: str | None = None, https: str | None = None, ftp: str | None = None) -> None:
        """Replace all base URLs, of which there must be one.  Raises BadBaseURL, URLInUse."""

    def isOfficial() -> bool:
        """Whether its last review is OFFICIAL."""

    def ensureMirrorDistroArchRelease(
        arch_release: IDistroArchRelease, pocket: PackagePublishingPocket, component: Any
    ) -> IMirrorDistroArchRelease:
        """The record that the mirror holds this part; made, of freshness UNKNOWN, if there is none."""

    def ensureMirrorDistroReleaseSource(
        release: IDistroRelease, pocket: PackagePublishingPocket, component: Any
    ) -> IMirrorDistroReleaseSource:
        """The record that the mirror holds this part; made, of freshness UNKNOWN, if there is none."""

    def deleteMirrorDistroArchRelease(
        arch_release: IDistroArchRelease, pocket: PackagePublishingPocket, component: Any
    ) -> None:
        """Remove the record of this part, if there is one: the mirror does not hold it."""

    def deleteMirrorDistroReleaseSource(
        release: IDistroRelease, pocket: PackagePublishingPocket, component: Any
    ) -> None:
        """Remove the record of this part, if there is one: the mirror does not hold it."""

    def guessPackagesPaths() -> Sequence[tuple[IDistroArchRelease, PackagePublishingPocket, Any, str]]:
        """(build, pocket, component, path of Packages.gz) of each part that a mirror may hold.

        Of releases that are active; components include the installer's sections, where the archive has them.
        """

    def guessSourcesPaths() -> Sequence[tuple[IDistroRelease, PackagePublishingPocket, Any, str]]:
        """(release, pocket, component, path of Sources.gz) of each part that a mirror may hold."""

    def newProbeRecord(log_file: BinaryIO) -> IMirrorProbeRecord:
        """Note that a probe of the mirror has just ended.

        `log_file` is seekable; it is read from its start and not closed.  The library keeps the log as the
        restricted file ``<name>-probe-logfile.txt``.
        """

    def disableAndNotifyOwner() -> None:
        """Switch the mirror off on behalf of the prober (IMirrorDisabled).  The mail to its owner leaves when
        the transaction is committed."""

    def review(status: MirrorReviewStatus, reviewer: Any) -> None:
        """Note the judgement of a mirror administrator, the person `reviewer`, with the time."""

    def resubmitForReview() -> None:
        """Wait for another review.  Raises CannotResubmit unless the last one was BROKEN."""


class IDistributionSet(Interface):
    """All distributions: a secured utility."""

    def new(name: str, display_name: str, main_url: str | None = None) -> IDistribution:
        """Add a distribution; `main_url` is that of its archive.  Raises BadName, NameInUse, BadBaseURL."""

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
        """The mirrors with this content that are switched on and due, `limit` at most.

        Those that were never probed come first, then those whose last probe is longest ago.  A mirror is due
        24 hours after a good probe and one hour after any other (`MirrorSettings.probe_interval` and
        `recheck_interval`); with `force`, always.
        """

    def getMirrorsToRecover(
        content: MirrorContent = MirrorContent.ARCHIVE, force: bool = False, limit: int | None = None
    ) -> Sequence[IDistributionMirror]:
        """The mirrors that the prober has switched off itself and that are due, in the same order."""


class IProbeLogs(Interface):
    """The logs of probes, which are kept in the library: an unsecured utility for the registry's objects."""

    def keep(filename: str, log_file: BinaryIO) -> int:
        """Store `log_file`, a seekable file, as a restricted file of the library, and hold it; the id of its
        alias."""

    def get(alias_id: int) -> Any:
        """The ILibraryFileAlias of a log."""

    def read(alias_id: int) -> bytes:
        """The bytes of a log.  The permission was checked on the record, so none is checked here."""

    def release(alias_id: int) -> None:
        """End the hold, so that the library's garbage collector may remove the log."""


class IMirrorEvent(IAnnouncedEvent):
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
