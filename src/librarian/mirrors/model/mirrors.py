"""Mirrors as they are stored: what they are, what they hold, how their probes went."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar

from BTrees.OOBTree import OOBTree
from persistent import Persistent

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
from librarian.mirrors.freshness import overall
from librarian.mirrors.interfaces import BadBaseURL, CannotResubmit
from librarian.mirrors.model.contents import MirrorDistroArchRelease, MirrorDistroReleaseSource, Rows
from librarian.mirrors.model.releases import Component, DistroArchRelease, DistroRelease
from librarian.mirrors.paths import packages_path, sources_path
from librarian.mirrors.probing.verdict import Score
from librarian.people.names import valid_display_name

T = TypeVar("T")


class MirrorProbeRecord(Persistent):
    """One probe of a mirror.  `log_file_id`: the alias of its log, which the library holds for as long."""

    verdict = ""
    freshness = MirrorStatus.UNKNOWN
    requests = 0
    findings = 0
    mean_seconds = 0.0  # of an answered request
    lag_hours = 0.0
    log_file_id: int | None = None

    def __init__(self, mirror: "DistributionMirror", date_created: datetime, log_file_id: int | None) -> None:
        self.mirror = mirror
        self.date_created = date_created
        self.log_file_id = log_file_id

    def __repr__(self) -> str:
        return f"<MirrorProbeRecord of {self.mirror.name}, {self.date_created:%Y-%m-%d %H:%M:%S}>"


class DistributionMirror(Persistent):
    """A mirror.  `librarian.mirrors.runs.recording` has how a probe changes it."""

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
    claim: tuple[str, datetime, str] | None = None  # (token, until, process) of a probe under way

    def __init__(
        self, distribution: Any, name: str, owner: Any, country_code: str, date_created: datetime
    ) -> None:
        self.__parent__ = self.distribution = distribution
        self.name = self.__name__ = name
        self.display_name = name
        self.owner = owner
        self.country_code = country_code
        self.date_created = date_created
        self._arch_releases = OOBTree()  # (arch release id, pocket, component) -> row
        self._source_releases = OOBTree()  # (release id, pocket, component) -> row
        self._records = OOBTree()  # date -> MirrorProbeRecord

    def __repr__(self) -> str:
        return f"<DistributionMirror {self.name}>"

    @property
    def display_name(self) -> str:
        """The name for people."""
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
        """The first of its base URLs."""
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
        """Whether it is switched on."""
        return self.disabled_by is None

    @enabled.setter
    def enabled(self, enabled: bool) -> None:
        self.disabled_by = None if enabled else DisabledBy.PERSON
        self.down_since = None
        self.failures = 0

    @property
    def is_well(self) -> bool:
        """Whether nothing was wrong with it when it was last judged."""
        return self.enabled and not self.failures

    def is_due(self, now: datetime, probe_interval: timedelta, recheck_interval: timedelta) -> bool:
        """Whether its last probe is long enough ago: `probe_interval` after a good one, `recheck_interval`
        after any other.

        A record from the future, which a wrong clock has made, does not count.
        """
        last = self.last_record
        if last is None or last.date_created > now + recheck_interval:
            return True
        good = self.is_well and not self.inconclusive
        return last.date_created + (probe_interval if good else recheck_interval) <= now

    def disable(self, now: datetime) -> None:
        """Switch it off on behalf of the prober; what a person switched off stays as it is."""
        if self.disabled_by is not DisabledBy.PERSON:
            self.disabled_by = DisabledBy.PROBER
            self.down_since = now

    def enable_again(self) -> bool:
        """Switch it on if the prober had switched it off; whether that was so."""
        if self.disabled_by is not DisabledBy.PROBER:
            return False
        self.disabled_by = self.down_since = None
        return True

    def isOfficial(self) -> bool:
        """Whether its last review is OFFICIAL."""
        return self.review_status is MirrorReviewStatus.OFFICIAL

    def note_review(self, status: MirrorReviewStatus, reviewer: Any, date: datetime) -> None:
        """Note the judgement of a mirror administrator."""
        self.review_status, self.reviewer, self.date_reviewed = status, reviewer, date

    def resubmitForReview(self) -> None:
        """Ask for a new review of a BROKEN mirror.  Raises CannotResubmit for any other."""
        if self.review_status is not MirrorReviewStatus.BROKEN:
            raise CannotResubmit(self.name, self.review_status)
        self.review_status = MirrorReviewStatus.PENDING_REVIEW

    # -- what it holds

    @property
    def source_parts(self) -> Rows[MirrorDistroReleaseSource]:
        """The records of its sources, one for each component of each suite."""
        return Rows(self._source_releases.values())

    @property
    def binary_parts(self) -> Rows[MirrorDistroArchRelease]:
        """The records of its binaries, one for each architecture of each component of each suite."""
        return Rows(self._arch_releases.values())

    def sum_up(self) -> None:
        """Work out `freshness` anew, after the parts were changed."""
        if self.content is MirrorContent.RELEASE:
            self.freshness = MirrorStatus.UP if self.images else MirrorStatus.UNKNOWN
        else:
            parts = [part.freshness for part in (*self.source_parts, *self.binary_parts)]
            self.freshness = overall([*parts, *(status for _, status in self.suites)])

    def ensure_binary_part(
        self, arch_release: DistroArchRelease, pocket: PackagePublishingPocket, component: Component
    ) -> MirrorDistroArchRelease:
        """The record that it holds these binaries; made if it is not there yet."""
        key = _part_key(arch_release, pocket, component)
        return _ensured(
            self._arch_releases, key, lambda: MirrorDistroArchRelease(self, arch_release, pocket, component)
        )

    def ensure_source_part(
        self, release: DistroRelease, pocket: PackagePublishingPocket, component: Component
    ) -> MirrorDistroReleaseSource:
        """The record that it holds these sources; made if it is not there yet."""
        key = _part_key(release, pocket, component)
        return _ensured(
            self._source_releases, key, lambda: MirrorDistroReleaseSource(self, release, pocket, component)
        )

    def deleteMirrorDistroArchRelease(
        self, arch_release: Any, pocket: PackagePublishingPocket, component: Any
    ) -> None:
        """Remove the record of a part; nothing happens if there is none."""
        self._arch_releases.pop(_part_key(arch_release, pocket, component), None)

    def deleteMirrorDistroReleaseSource(
        self, release: Any, pocket: PackagePublishingPocket, component: Any
    ) -> None:
        """Remove the record of a part; nothing happens if there is none."""
        self._source_releases.pop(_part_key(release, pocket, component), None)

    def drop_inactive_parts(self) -> None:
        """Forget what belongs to releases that mirrors are not asked for any more."""
        for binary in list(self.binary_parts):
            if not binary.distro_arch_release.distro_release.active:
                part = (binary.pocket, binary.component)
                self.deleteMirrorDistroArchRelease(binary.distro_arch_release, *part)
        for source in list(self.source_parts):
            if not source.distro_release.active:
                self.deleteMirrorDistroReleaseSource(source.distro_release, source.pocket, source.component)

    def guessPackagesPaths(self) -> list[tuple[DistroArchRelease, PackagePublishingPocket, Component, str]]:
        """(architecture of a release, pocket, component, path) of each Packages index of a complete mirror.

        Paths are relative to the base URL; only active releases count.
        """
        return [
            (
                arch,
                pocket,
                component,
                packages_path(release.name, pocket, component.name, arch.architecture),
            )
            for release in self.distribution.active_releases()
            for pocket in PackagePublishingPocket
            for component in release.binary_sections
            for arch in release.arch_releases
        ]

    def guessSourcesPaths(self) -> list[tuple[DistroRelease, PackagePublishingPocket, Component, str]]:
        """The same for Sources indices: (release, pocket, component, path)."""
        return [
            (release, pocket, component, sources_path(release.name, pocket, component.name))
            for release in self.distribution.active_releases()
            for pocket in PackagePublishingPocket
            for component in release.components
        ]

    # -- how its probes went

    @property
    def records(self) -> Rows[MirrorProbeRecord]:
        """Its probe records, newest first."""
        return Rows(reversed(self._records.values()))

    def latest_records(self) -> Iterator[MirrorProbeRecord]:
        """The same, loaded one by one."""
        return iter(reversed(self._records.values()))

    @property
    def last_record(self) -> MirrorProbeRecord | None:
        """The newest of them."""
        return self._records[self._records.maxKey()] if self._records else None

    def add_record(self, date: datetime, log_file_id: int | None) -> MirrorProbeRecord:
        """A record of a probe that ended at `date`; later by microseconds if there is one of that date."""
        while date in self._records:
            date += timedelta(microseconds=1)
        record = self._records[date] = MirrorProbeRecord(self, date, log_file_id)
        return record

    def remove_record(self, record: MirrorProbeRecord) -> None:
        """Forget a record, but for its log."""
        self._records.pop(record.date_created, None)

    def records_from(self, start: datetime) -> list[MirrorProbeRecord]:
        """Those from `start` on, oldest first."""
        return list(self._records.values(start))

    def last_records_by_day(self, first: date) -> list[tuple[date, int, MirrorProbeRecord]]:
        """Of each day (UTC) with a probe, from `first` on: the day, the number of its probes, and the record
        of the last of them.  No other record is loaded."""
        start = datetime.combine(first, time(), UTC)
        moments = list(self._records.keys(start))
        counts = Counter(moment.date() for moment in moments)
        lasts = {moment.date(): moment for moment in moments}
        return [(day, counts[day], self._records[moment]) for day, moment in lasts.items()]

    def records_until(self, end: datetime) -> list[MirrorProbeRecord]:
        """Those up to `end`, oldest first."""
        return list(self._records.values(None, end))

    def records_with_logs_until(self, end: datetime) -> Iterator[MirrorProbeRecord]:
        """Those up to `end` whose log is kept, newest first.  Logs go oldest first, so the first record
        without one ends the search."""
        for record in reversed(self._records.values(None, end)):
            if record.log_file_id is None:
                return
            yield record


def _ensured(parts: OOBTree, key: tuple[int, str, str], make: Callable[[], T]) -> T:
    if key not in parts:
        parts[key] = make()
    found: T = parts[key]
    return found


def _part_key(thing: Any, pocket: PackagePublishingPocket, component: Any) -> tuple[int, str, str]:
    return thing.id, pocket.name, component.name
