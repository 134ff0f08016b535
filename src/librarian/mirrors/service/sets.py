"""The registry's utilities: all distributions, releases, builds and mirrors."""

import logging
from collections.abc import Iterator
from typing import Any

from zope.component import getUtility
from zope.interface import implementer

from librarian.interfaces import IClock
from librarian.mirrors.enums import MirrorContent
from librarian.mirrors.interfaces import (
    IDistribution,
    IDistributionMirrorSet,
    IDistributionSet,
    IDistroArchReleaseSet,
    IDistroReleaseSet,
    NoSuchDistribution,
    NoSuchMirror,
    NoSuchRelease,
)
from librarian.mirrors.model.releases import DistroArchRelease, DistroRelease
from librarian.mirrors.service.bound import (
    BoundDistribution,
    BoundMirror,
    bind_distribution,
    bind_mirror,
    plain,
)
from librarian.mirrors.service.subtree import mirrors_subtree
from librarian.mirrors.settings import mirror_settings

log = logging.getLogger(__name__)


@implementer(IDistributionSet)
class DistributionSet:
    """All distributions."""

    def new(self, name: str, display_name: str, main_url: str | None = None) -> BoundDistribution:
        distribution = mirrors_subtree().new_distribution(name, display_name, main_url)
        log.info("distribution created distribution=%s", name)
        return bind_distribution(distribution)

    def get(self, id: int) -> BoundDistribution:  # noqa: A002  # the specification names it so
        found = mirrors_subtree().distributions_by_id.get(id)
        if found is None:
            raise NoSuchDistribution(id)
        return bind_distribution(found)

    def getByName(self, name: str) -> BoundDistribution | None:
        distributions = mirrors_subtree().distributions
        return bind_distribution(distributions[name]) if name in distributions else None

    def __getitem__(self, name: str) -> BoundDistribution:
        if (found := self.getByName(name)) is None:
            raise NoSuchDistribution(name)
        return found

    def __iter__(self) -> Iterator[BoundDistribution]:
        return (bind_distribution(each) for each in mirrors_subtree().distributions.values())


@implementer(IDistroReleaseSet)
class DistroReleaseSet:
    """All releases."""

    def get(self, id: int) -> DistroRelease:  # noqa: A002  # the specification names it so
        found = mirrors_subtree().releases_by_id.get(id)
        if found is None:
            raise NoSuchRelease(id)
        return found


@implementer(IDistroArchReleaseSet)
class DistroArchReleaseSet:
    """All builds."""

    def get(self, id: int) -> DistroArchRelease:  # noqa: A002  # the specification names it so
        found = mirrors_subtree().arch_releases_by_id.get(id)
        if found is None:
            raise NoSuchRelease(id)
        return found


@implementer(IDistributionMirrorSet)
class DistributionMirrorSet:
    """All mirrors."""

    def __getitem__(self, number: int) -> BoundMirror:
        found = mirrors_subtree().mirrors_by_id.get(number)
        if found is None:
            raise NoSuchMirror(number)
        return bind_mirror(found)

    def __iter__(self) -> Iterator[BoundMirror]:
        return (bind_mirror(each) for each in mirrors_subtree().mirrors_by_id.values())

    def getByName(self, distribution: IDistribution, name: str) -> BoundMirror | None:
        try:
            return bind_mirror(plain(distribution).mirror_named(name))
        except KeyError:
            return None

    def getByURL(self, distribution: IDistribution, url: str) -> BoundMirror | None:
        found = plain(distribution).mirror_at(url)
        return None if found is None else bind_mirror(found)

    def getMirrorsToProbe(
        self, content: MirrorContent = MirrorContent.ARCHIVE, force: bool = False, limit: int | None = None
    ) -> list[BoundMirror]:
        return self._due([mirror for mirror in self if mirror.enabled], content, force, limit)

    def getMirrorsToRecover(
        self, content: MirrorContent = MirrorContent.ARCHIVE, force: bool = False, limit: int | None = None
    ) -> list[BoundMirror]:
        # Only the prober sets `down_since`.
        return self._due([mirror for mirror in self if mirror.down_since is not None], content, force, limit)

    def _due(
        self, mirrors: list[BoundMirror], content: MirrorContent, force: bool, limit: int | None
    ) -> list[BoundMirror]:
        now, settings = getUtility(IClock).now(), mirror_settings()
        intervals = settings.probe_interval, settings.recheck_interval
        found = [
            mirror
            for mirror in mirrors
            if mirror.content is content and (force or mirror.is_due(now, *intervals))
        ]
        return sorted(found, key=_longest_ago)[:limit]


def _longest_ago(mirror: BoundMirror) -> tuple[bool, Any, int]:
    last = mirror.last_record
    return last is not None, last.date_created if last else None, mirror.id
