"""Distributions and the subtree of the tree they are in, as they are stored."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice

from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent

from librarian.library.model.files import FileHolds
from librarian.mirrors.base_urls import check_base_url, normal_url
from librarian.mirrors.interfaces import (
    MirrorWasProbed,
    NameInUse,
    NoSuchRelease,
    URLInUse,
)
from librarian.mirrors.model.mirrors import DistributionMirror
from librarian.mirrors.model.releases import DistroRelease, number
from librarian.mirrors.probing.plan import KnownRelease
from librarian.people.names import valid_display_name, valid_name

KNOWN_RELEASES = 200  # Release files remembered per suite: a hundred days of two publications a day


class MirrorsSubtree(Persistent):
    """The subtree ``mirrors``: distributions by name, and everything with a number by its number."""

    # When the prober last found its own network down: (address family, when); AF_UNSPEC: all of it.
    offline: tuple[tuple[int, datetime], ...] = ()

    def __init__(self) -> None:
        self.distributions = OOBTree()  # name -> Distribution
        self.distributions_by_id = LOBTree()
        self.releases_by_id = LOBTree()
        self.arch_releases_by_id = LOBTree()
        self.mirrors_by_id = LOBTree()
        self.holds = FileHolds()  # the logs of probes, which are files of the library

    def note_offline(self, families: Iterable[int], moment: datetime) -> None:
        """Note that the prober reached no server over these address families up to `moment`."""
        self.offline = tuple({**dict(self.offline), **dict.fromkeys(families, moment)}.items())

    def last_offline(self, families: Iterable[int]) -> datetime | None:
        """The time when the prober was last found without one of these parts of the network."""
        return max((moment for family, moment in self.offline if family in families), default=None)

    def new_distribution(self, name: str, display_name: str, main_url: str | None) -> "Distribution":
        """Store a distribution under a new name and number.  Raises NameInUse."""
        if valid_name(name) in self.distributions:
            raise NameInUse(name)
        distribution = Distribution(self, name, display_name)
        distribution.main_url = main_url
        distribution.id = number(self.distributions_by_id, distribution)
        self.distributions[name] = distribution
        return distribution


class Distribution(Persistent):
    """A distribution, its releases and its mirrors."""

    id = 0

    def __init__(self, parent: MirrorsSubtree, name: str, display_name: str) -> None:
        self.__parent__ = parent
        self.name = self.__name__ = name
        self.display_name = display_name
        self._main_url: str | None = None
        self._releases = OOBTree()  # name -> DistroRelease
        self._mirrors = OOBTree()  # name -> DistributionMirror
        self._known_releases = OOBTree()  # suite -> tuple of KnownRelease, oldest first
        self.images = OOBTree()  # (release, flavour) -> tuple of paths, for mirrors of images

    def __repr__(self) -> str:
        return f"<Distribution {self.name}>"

    @property
    def display_name(self) -> str:
        """The name for people.  Setting it raises BadDisplayName."""
        return self._display_name

    @display_name.setter
    def display_name(self, display_name: str) -> None:
        self._display_name = valid_display_name(display_name)

    @property
    def main_url(self) -> str | None:
        """The base URL of the archive, http, https or ftp, or None.  Setting it raises BadBaseURL."""
        return self._main_url

    @main_url.setter
    def main_url(self, url: str | None) -> None:
        self._main_url = check_base_url(url, "http", "https", "ftp") if url else None

    @property
    def releases(self) -> list[DistroRelease]:
        """All releases, in the order in which they were made."""
        return sorted(self._releases.values(), key=lambda release: release.id)

    def newRelease(self, name: str, version: str, components: Sequence[str]) -> DistroRelease:
        """Make a release.  Raises NameInUse."""
        if name in self._releases:
            raise NameInUse(name)
        release = DistroRelease(self, name, version, components)
        release.id = number(self.__parent__.releases_by_id, release)
        self._releases[name] = release
        return release

    def getRelease(self, name: str) -> DistroRelease:
        """The release of this name.  Raises NoSuchRelease."""
        release: DistroRelease | None = self._releases.get(name)
        if release is None:
            raise NoSuchRelease(name)
        return release

    def ensureRelease(self, name: str, version: str) -> DistroRelease:
        """The release of this name, made without components if it is missing."""
        found: DistroRelease | None = self._releases.get(name)
        return found or self.newRelease(name, version, [])

    # -- mirrors

    def mirror_named(self, name: str) -> DistributionMirror:
        """The mirror of this name.  Raises KeyError."""
        mirror: DistributionMirror = self._mirrors[name]
        return mirror

    @property
    def all_mirrors(self) -> list[DistributionMirror]:
        """All its mirrors, by number."""
        return sorted(self._mirrors.values(), key=lambda mirror: mirror.id)

    def mirrors_behind(self, name: str, at_most: int) -> list[DistributionMirror]:
        """The next mirrors by name, from the one behind `name` on, which need not be there."""
        found = self._mirrors.values(min=name or None, excludemin=bool(name))
        return list(islice(found, at_most))

    def has_more_than(self, count: int) -> bool:
        """Whether it has more mirrors; no mirror is loaded, and no more names than these are looked at."""
        return sum(1 for _name in islice(self._mirrors.keys(), count + 1)) > count

    def refuse_taken_name(self, name: str) -> None:
        """Raises BadName, and NameInUse if a mirror is called so."""
        if valid_name(name) in self._mirrors:
            raise NameInUse(name)

    def add_mirror(self, mirror: DistributionMirror) -> None:
        """Give the mirror its number, and register it under its name."""
        mirror.id = number(self.__parent__.mirrors_by_id, mirror)
        self._mirrors[mirror.name] = mirror

    def remove_mirror(self, mirror: DistributionMirror) -> None:
        """Forget a mirror that was never probed.  Raises MirrorWasProbed."""
        if mirror.last_record is not None:
            raise MirrorWasProbed(mirror.name)
        del self._mirrors[mirror.name]
        del self.__parent__.mirrors_by_id[mirror.id]

    def mirror_at(self, url: str) -> DistributionMirror | None:
        """The mirror one of whose base URLs this is."""
        wanted = normal_url(url)
        for mirror in self._mirrors.values():
            if wanted in (normal_url(each) for each in mirror.base_urls):
                return mirror
        return None

    def refuse_taken_url(self, url: str, owner: DistributionMirror) -> None:
        """Raises URLInUse if another mirror than `owner` is at `url`."""
        other = self.mirror_at(url)
        if other is not None and other is not owner:
            raise URLInUse(url, other.name)

    # -- Release files the archive was seen to have

    def note_release(self, suite: str, known: KnownRelease) -> None:
        """Remember a Release file; one that is known already is not noted again."""
        before = self.known_releases(suite)
        if not any(known.digests & each.digests for each in before):
            ordered = sorted([*before, known], key=lambda each: each.date)
            self._known_releases[suite] = tuple(ordered[-KNOWN_RELEASES:])

    def known_releases(self, suite: str) -> tuple[KnownRelease, ...]:
        """The Release files of a suite that were read of the archive; empty if there are none."""
        found: tuple[KnownRelease, ...] = self._known_releases.get(suite, ())
        return found

    def last_import(self, suite: str) -> datetime | None:
        """The time when the newest known state of `suite` was first seen."""
        known = self.known_releases(suite)
        return known[-1].seen if known else None

    def active_releases(self) -> Iterator[DistroRelease]:
        """The releases of which mirrors are probed."""
        return (release for release in self.releases if release.active)


def number_files(subtree: MirrorsSubtree) -> None:
    """Number all published files, so that each can be drawn as likely as any other."""
    for releases in (subtree.releases_by_id, subtree.arch_releases_by_id):
        for release in releases.values():
            for published in release.all_publications:
                published.number_all()
