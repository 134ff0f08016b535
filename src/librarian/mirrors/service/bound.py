"""Bound objects: stored ones with the clock, the countries and the logs that they need."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, BinaryIO

from zope.component import getUtility
from zope.event import notify
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.binding import Bound, stored
from librarian.countries.interfaces import ICountry, ICountrySet
from librarian.interfaces import IClock
from librarian.mirrors.enums import (
    MirrorContent,
    MirrorPulseType,
    MirrorReviewStatus,
    MirrorSpeed,
    MirrorStatus,
    PackagePublishingPocket,
)
from librarian.mirrors.events import MirrorDisabled, MirrorRecovered
from librarian.mirrors.freshness import as_utc
from librarian.mirrors.interfaces import (
    IDistribution,
    IDistributionMirror,
    IMirrorDistroArchRelease,
    IMirrorDistroReleaseSource,
    IMirrorProbeRecord,
    IProbeLogs,
)
from librarian.mirrors.model.contents import Rows
from librarian.mirrors.model.distributions import Distribution
from librarian.mirrors.model.mirrors import DistributionMirror


class Services:
    """The utilities that bound objects of the registry use, each looked up when it is needed."""

    @property
    def clock(self) -> IClock:
        """The clock of the site."""
        return getUtility(IClock)

    @property
    def countries(self) -> ICountrySet:
        """The countries that a mirror can be in."""
        return getUtility(ICountrySet)

    @property
    def logs(self) -> IProbeLogs:
        """The logs of probes."""
        return getUtility(IProbeLogs)


SERVICES = Services()


def bind_mirror(mirror: DistributionMirror) -> "BoundMirror":
    """The stored mirror with its services."""
    return BoundMirror(mirror, SERVICES)


def bind_distribution(distribution: Distribution) -> "BoundDistribution":
    """The stored distribution with its services."""
    return BoundDistribution(distribution, SERVICES)


def plain(thing: Any) -> Any:
    """The stored object below a security proxy and a binding, which is what the tree holds."""
    return stored(removeSecurityProxy(thing))


@implementer(IDistribution)
class BoundDistribution(Bound):
    """A distribution whose mirrors are bound, and which registers new ones."""

    __slots__ = ()

    def __getitem__(self, name: str) -> "BoundMirror":
        return bind_mirror(self.mirror_named(name))

    @property
    def mirrors(self) -> list["BoundMirror"]:
        return [bind_mirror(mirror) for mirror in self.all_mirrors]

    def next_mirrors(self, name: str, at_most: int) -> Sequence["BoundMirror"]:
        return [bind_mirror(mirror) for mirror in self.mirrors_behind(name, at_most)]

    @property
    def enabled_mirrors(self) -> list["BoundMirror"]:
        return [mirror for mirror in self.mirrors if mirror.enabled]

    @property
    def enabled_official_mirrors(self) -> list["BoundMirror"]:
        return [mirror for mirror in self.enabled_mirrors if mirror.isOfficial()]

    def newMirror(  # the specification's own signature
        self,
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
    ) -> "BoundMirror":
        self.refuse_taken_name(name)
        now = self._services.clock.now()
        mirror = DistributionMirror(stored(self), name, plain(owner), country.iso3166code2, now)
        mirror.display_name = display_name or name
        mirror.speed, mirror.content, mirror.pulse_type = speed, content, pulse_type
        mirror.setBaseURLs(http_base_url, https_base_url, ftp_base_url)
        self.add_mirror(mirror)
        return bind_mirror(mirror)

    def removeMirror(self, mirror: Any) -> None:
        self.remove_mirror(plain(mirror))


@implementer(IDistributionMirror)
class BoundMirror(Bound):
    """A mirror with its country, the logs of its probes, and events for what a probe changes."""

    __slots__ = ()

    @property
    def distribution(self) -> BoundDistribution:
        return bind_distribution(stored(self).distribution)

    @property
    def country(self) -> ICountry:
        found: ICountry = self._services.countries[self.country_code]
        return found

    # -- review and status

    def review(self, status: MirrorReviewStatus, reviewer: Any) -> None:
        self.note_review(status, plain(reviewer), self._services.clock.now())

    def disableAndNotifyOwner(self, log: bytes = b"") -> None:
        self.disable(self._services.clock.now())
        notify(MirrorDisabled(self, log))

    def recover(self) -> None:
        """The prober found it well again; a mirror that a person switched off stays off."""
        since = self.down_since
        if self.enable_again():
            notify(MirrorRecovered(self, since))

    # -- contents

    @property
    def source_releases(self) -> Rows["BoundMirrorSource"]:
        return Rows(BoundMirrorSource(part, self._services) for part in self.source_parts)

    @property
    def arch_releases(self) -> Rows["BoundMirrorArchRelease"]:
        return Rows(BoundMirrorArchRelease(part, self._services) for part in self.binary_parts)

    def ensureMirrorDistroArchRelease(
        self, arch_release: Any, pocket: PackagePublishingPocket, component: Any
    ) -> "BoundMirrorArchRelease":
        part = self.ensure_binary_part(plain(arch_release), pocket, plain(component))
        return BoundMirrorArchRelease(part, self._services)

    def ensureMirrorDistroReleaseSource(
        self, release: Any, pocket: PackagePublishingPocket, component: Any
    ) -> "BoundMirrorSource":
        part = self.ensure_source_part(plain(release), pocket, plain(component))
        return BoundMirrorSource(part, self._services)

    # -- probes

    @property
    def probe_records(self) -> Rows["BoundProbeRecord"]:
        return Rows(BoundProbeRecord(record, self._services) for record in self.records)

    @property
    def last_probe_record(self) -> "BoundProbeRecord | None":
        last = self.last_record
        return None if last is None else BoundProbeRecord(last, self._services)

    def newProbeRecord(self, log_file: BinaryIO) -> "BoundProbeRecord":
        now = self._services.clock.now()
        number = self._services.logs.keep(f"{self.name}-probe-logfile.txt", log_file)
        return BoundProbeRecord(self.add_record(now, number), self._services)

    def records_since(self, start: datetime) -> list["BoundProbeRecord"]:
        """The probe records from `start` on, which is included, bound."""
        return [BoundProbeRecord(record, self._services) for record in self.records_from(start)]

    def probe_days(self, first: date) -> list[tuple[date, int, "BoundProbeRecord"]]:
        """Of each day (UTC) with a probe, from `first` on: the day, how many it had, the last."""
        found = self.last_records_by_day(first)
        return [(day, count, BoundProbeRecord(record, self._services)) for day, count, record in found]

    def forget_records_until(self, moment: datetime) -> None:
        """Remove the probe records up to `moment`, with their logs."""
        for record in self.records_until(moment):
            BoundProbeRecord(record, self._services).destroySelf()

    def forget_logs_until(self, moment: datetime) -> None:
        """Let the library collect the logs of the records up to `moment`, which stay."""
        for record in self.records_with_logs_until(moment):
            BoundProbeRecord(record, self._services).forget_log()


class BoundMirrorPart(Bound):
    """The record of one part of a mirror, with the clock."""

    __slots__ = ()

    def getURLsToCheckUpdateness(self, when: datetime | None = None) -> dict[MirrorStatus, str]:
        """As IMirrorDistroArchRelease has it; `when` None is now."""
        now = self._services.clock.now
        found: dict[MirrorStatus, str] = self.urls_to_check(now() if when is None else as_utc(when))
        return found


@implementer(IMirrorDistroArchRelease)
class BoundMirrorArchRelease(BoundMirrorPart):
    """Binary packages a mirror holds."""

    __slots__ = ()


@implementer(IMirrorDistroReleaseSource)
class BoundMirrorSource(BoundMirrorPart):
    """Source packages a mirror holds."""

    __slots__ = ()


@implementer(IMirrorProbeRecord)
class BoundProbeRecord(Bound):
    """A probe record with its log, which is a file of the library."""

    __slots__ = ()

    @property
    def mirror(self) -> BoundMirror:
        """The mirror that was probed, bound."""
        return bind_mirror(stored(self).mirror)

    @property
    def log_file(self) -> Any:
        number = stored(self).log_file_id
        return None if number is None else self._services.logs.get(number)

    def read_log(self) -> bytes | None:
        number = stored(self).log_file_id
        found: bytes | None = None if number is None else self._services.logs.read(number)
        return found

    def forget_log(self) -> None:
        """Hold the log no longer, so that the library may collect it."""
        record = stored(self)
        if record.log_file_id is not None:
            self._services.logs.release(record.log_file_id)
            record.log_file_id = None

    def destroySelf(self) -> None:
        self.forget_log()
        stored(self).mirror.remove_record(stored(self))
