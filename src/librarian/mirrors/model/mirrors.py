"""Mirrors as they are kept: what they are, what they hold, how their probes went."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from BTrees.OOBTree import OOBTree
from persistent import Persistent
from zope.component import getUtility
from zope.event import notify
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.countries.interfaces import ICountry, ICountrySet
from librarian.interfaces import IClock
from librarian.mirrors.base_urls import check_base_url
from librarian.mirrors.enums import (
    DisabledBy,
    MirrorContent,
    MirrorPulseType,
    MirrorReviewStatus,
    MirrorSpeed,
    MirrorStatus,
    PackagePublishingPocket,
)
from librarian.mirrors.events import MirrorDisabled, MirrorRecovered
from librarian.mirrors.freshness import overall
from librarian.mirrors.interfaces import (
    BadBaseURL,
    CannotResubmit,
    IDistributionMirror,
    IMirrorProbeRecord,
    IProbeLogs,
)
from librarian.mirrors.model.contents import MirrorDistroArchRelease, MirrorDistroReleaseSource, Rows
from librarian.mirrors.model.releases import Component, DistroArchRelease, DistroRelease
from librarian.mirrors.paths import packages_path, sources_path
from librarian.mirrors.probing.verdict import Score
from librarian.people.names import valid_display_name


@implementer(IMirrorProbeRecord)
class MirrorProbeRecord(Persistent):
    """One probe of a mirror.  `log_file_id` is an alias of the library, held through the record."""

    verdict = ""
    freshness = MirrorStatus.UNKNOWN
    requests = 0
    findings = 0
    mean_seconds = 0.0  # of an answered request
    lag_hours = 0.0
    log_file_id: int | None = None

    def __init__(self, mirror: "DistributionMirror", date_created: datetime) -> None:
        self.mirror = mirror
        self.date_created = date_created

    @property
    def log_file(self) -> Any:
        return None if self.log_file_id is None else getUtility(IProbeLogs).get(self.log_file_id)

    def read_log(self) -> bytes | None:
        """The bytes of the log; None when it was cleared away."""
        return None if self.log_file_id is None else getUtility(IProbeLogs).read(self.log_file_id)

    def destroySelf(self) -> None:
        self.mirror.forget_record(self)


@implementer(IDistributionMirror)
class DistributionMirror(Persistent):
    """A mirror.  The service asks, this remembers: see `recording.py` for how a probe changes it."""

    id = 0
    speed = MirrorSpeed.S1M
    content = MirrorContent.ARCHIVE
    pulse_type = MirrorPulseType.PULL
    http_base_url: str | None = None
    https_base_url: str | None = None
    ftp_base_url: str | None = None
    review_status = MirrorReviewStatus.PENDING_REVIEW
    reviewer: Any = None
    date_reviewed: datetime | None = None
    freshness = MirrorStatus.UNKNOWN  # the worst that is known of its parts
    disabled_by: DisabledBy | None = None
    down_since: datetime | None = None  # when the prober switched it off
    failures = 0  # bad probes in a row
    probes_judged = 0  # those that said something; large indices take turns by it
    inconclusive = False  # the last probe said nothing
    troubles: tuple[tuple[str, str, datetime], ...] = ()  # (kind, url, since) of the last probe
    families: tuple[tuple[str, str], ...] = ()  # what the last probe found of IPv4 and IPv6
    suites: tuple[tuple[str, MirrorStatus], ...] = ()  # freshness by Release file
    images: tuple[tuple[str, str], ...] = ()  # (release, flavour) an image mirror has
    score: Score | None = None  # over the month before the last probe
    certificate_expires: datetime | None = None
    certificate_warned: datetime | None = None  # the end of validity the owner was told of
    claim: tuple[str, datetime, str] | None = None  # (token, until, who) of a probe under way

    def __init__(self, distribution: Any, name: str, owner: Any, country_code: str) -> None:
        self.__parent__ = self.distribution = distribution
        self.name = self.__name__ = name
        self.display_name = name
        self.owner = owner
        self.country_code = country_code
        self.date_created = getUtility(IClock).now()
        self._arch_releases = OOBTree()  # (arch release id, pocket, component) -> row
        self._source_releases = OOBTree()  # (release id, pocket, component) -> row
        self._records = OOBTree()  # date -> MirrorProbeRecord

    def __repr__(self) -> str:
        return f"<DistributionMirror {self.name}>"

    @property
    def country(self) -> ICountry:
        return getUtility(ICountrySet)[self.country_code]

    @property
    def display_name(self) -> str:
        return self._display_name

    @display_name.setter
    def display_name(self, display_name: str) -> None:
        self._display_name = valid_display_name(display_name)

    # -- where it is

    @property
    def base_urls(self) -> list[str]:
        """All it has, the one to probe first."""
        return [url for url in (self.https_base_url, self.http_base_url, self.ftp_base_url) if url]

    @property
    def base_url(self) -> str:
        return self.base_urls[0]

    def setBaseURLs(self, http: str | None = None, https: str | None = None, ftp: str | None = None) -> None:
        """Move to these URLs, of which there must be one.  Raises BadBaseURL, URLInUse."""
        given = {"http": http, "https": https, "ftp": ftp}
        if not any(given.values()):
            raise BadBaseURL("", "a mirror needs at least one")
        for scheme, url in given.items():
            if url:
                self.distribution.refuse_taken_url(check_base_url(url, scheme), self)
        self.http_base_url, self.https_base_url, self.ftp_base_url = http or None, https or None, ftp or None

    # -- whether it counts

    @property
    def enabled(self) -> bool:
        return self.disabled_by is None

    @enabled.setter
    def enabled(self, enabled: bool) -> None:
        self.disabled_by = None if enabled else DisabledBy.PERSON
        self.down_since = None
        self.failures = 0

    def isOfficial(self) -> bool:
        return self.review_status is MirrorReviewStatus.OFFICIAL

    def review(self, status: MirrorReviewStatus, reviewer: Any) -> None:
        self.review_status = status
        self.reviewer = removeSecurityProxy(reviewer)
        self.date_reviewed = getUtility(IClock).now()

    def resubmitForReview(self) -> None:
        if self.review_status is not MirrorReviewStatus.BROKEN:
            raise CannotResubmit(self.name, self.review_status)
        self.review_status = MirrorReviewStatus.PENDING_REVIEW

    def disableAndNotifyOwner(self, log: bytes = b"") -> None:
        if self.disabled_by is not DisabledBy.PERSON:
            self.disabled_by = DisabledBy.PROBER
            self.down_since = getUtility(IClock).now()
        notify(MirrorDisabled(self, log))

    def recover(self) -> None:
        """The prober found it well again; what a person switched off stays off."""
        if self.disabled_by is DisabledBy.PROBER:
            since, self.disabled_by, self.down_since = self.down_since, None, None
            notify(MirrorRecovered(self, since))

    # -- what it holds

    @property
    def source_releases(self) -> Rows[MirrorDistroReleaseSource]:
        return Rows(self._source_releases.values())

    @property
    def arch_releases(self) -> Rows[MirrorDistroArchRelease]:
        return Rows(self._arch_releases.values())

    def sum_up(self) -> None:
        """Work out `freshness` anew, after the parts were changed."""
        if self.content is MirrorContent.RELEASE:
            self.freshness = MirrorStatus.UP if self.images else MirrorStatus.UNKNOWN
        else:
            parts = [row.freshness for row in (*self.source_releases, *self.arch_releases)]
            self.freshness = overall([*parts, *(status for _, status in self.suites)])

    def ensureMirrorDistroArchRelease(
        self, arch_release: Any, pocket: PackagePublishingPocket, component: Any
    ) -> MirrorDistroArchRelease:
        key = _row_key(arch_release, pocket, component)
        if key not in self._arch_releases:
            part = (removeSecurityProxy(arch_release), pocket, removeSecurityProxy(component))
            self._arch_releases[key] = MirrorDistroArchRelease(self, *part)
        row: MirrorDistroArchRelease = self._arch_releases[key]
        return row

    def ensureMirrorDistroReleaseSource(
        self, release: Any, pocket: PackagePublishingPocket, component: Any
    ) -> MirrorDistroReleaseSource:
        key = _row_key(release, pocket, component)
        if key not in self._source_releases:
            part = (removeSecurityProxy(release), pocket, removeSecurityProxy(component))
            self._source_releases[key] = MirrorDistroReleaseSource(self, *part)
        row: MirrorDistroReleaseSource = self._source_releases[key]
        return row

    def deleteMirrorDistroArchRelease(
        self, arch_release: Any, pocket: PackagePublishingPocket, component: Any
    ) -> None:
        self._arch_releases.pop(_row_key(arch_release, pocket, component), None)

    def deleteMirrorDistroReleaseSource(
        self, release: Any, pocket: PackagePublishingPocket, component: Any
    ) -> None:
        self._source_releases.pop(_row_key(release, pocket, component), None)

    def drop_inactive_rows(self) -> None:
        """Forget what belongs to releases that mirrors are not asked for any more."""
        for arch_row in list(self.arch_releases):
            if not arch_row.distro_arch_release.distro_release.active:
                part = (arch_row.pocket, arch_row.component)
                self.deleteMirrorDistroArchRelease(arch_row.distro_arch_release, *part)
        for row in list(self.source_releases):
            if not row.distro_release.active:
                self.deleteMirrorDistroReleaseSource(row.distro_release, row.pocket, row.component)

    def guessPackagesPaths(self) -> list[tuple[DistroArchRelease, PackagePublishingPocket, Component, str]]:
        return [
            (
                arch,
                pocket,
                component,
                packages_path(release.name, pocket, component.name, arch.architecture),
            )
            for release in self.distribution.active_releases()
            for pocket in PackagePublishingPocket
            for component in release.components
            for arch in release.arch_releases
        ]

    def guessSourcesPaths(self) -> list[tuple[DistroRelease, PackagePublishingPocket, Component, str]]:
        return [
            (release, pocket, component, sources_path(release.name, pocket, component.name))
            for release in self.distribution.active_releases()
            for pocket in PackagePublishingPocket
            for component in release.components
        ]

    # -- how its probes went

    @property
    def probe_records(self) -> Rows[MirrorProbeRecord]:
        return Rows(reversed(self._records.values()))

    def latest_records(self) -> Iterator[MirrorProbeRecord]:
        """Newest first, loaded one by one."""
        return iter(reversed(self._records.values()))

    @property
    def last_probe_record(self) -> MirrorProbeRecord | None:
        return self._records[self._records.maxKey()] if self._records else None

    def newProbeRecord(self, log_file: BinaryIO) -> MirrorProbeRecord:
        date = getUtility(IClock).now()
        while date in self._records:  # two within one tick of the clock are two all the same
            date += timedelta(microseconds=1)
        record = self._records[date] = MirrorProbeRecord(self, date)
        record.log_file_id = getUtility(IProbeLogs).keep(f"{self.name}-probe-logfile.txt", log_file)
        return record

    def forget_record(self, record: MirrorProbeRecord) -> None:
        self.forget_log(record)
        self._records.pop(record.date_created, None)

    def forget_log(self, record: MirrorProbeRecord) -> None:
        """Hold the log no longer; the library collects it in its own time."""
        if record.log_file_id is not None:
            getUtility(IProbeLogs).release(record.log_file_id)
            record.log_file_id = None

    def records_since(self, start: datetime) -> list[MirrorProbeRecord]:
        """Oldest first."""
        return list(self._records.values(start))

    def forget_records_before(self, moment: datetime) -> None:
        for date in list(self._records.keys(None, moment)):
            self.forget_record(self._records[date])

    def forget_logs_before(self, moment: datetime) -> None:
        for record in reversed(self._records.values(None, moment)):
            if record.log_file_id is None:
                return  # and so is everything before it
            self.forget_log(record)


def _row_key(thing: Any, pocket: PackagePublishingPocket, component: Any) -> tuple[int, str, str]:
    return thing.id, pocket.name, component.name
