"""The stored contents of mirrors: one record for each component of each suite."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Generic, TypeVar, overload

from persistent import Persistent

from librarian.mirrors.enums import MirrorStatus, PackagePublishingPocket
from librarian.mirrors.freshness import STATUS_HOURS
from librarian.mirrors.model.publications import Publications
from librarian.mirrors.model.releases import Component, DistroArchRelease, DistroRelease
from librarian.mirrors.paths import join_url
from librarian.mirrors.probing.plan import ContentKey

T = TypeVar("T")


class Rows(Generic[T]):
    """A sequence with `count()`, which is the number of its members."""

    def __init__(self, rows: Iterable[T]) -> None:
        self._rows = tuple(rows)

    def count(self) -> int:
        """The number of rows."""
        return len(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[T]:
        return iter(self._rows)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        return self._rows[index]


class _MirrorContents(Persistent):
    """A part that a mirror holds."""

    freshness = MirrorStatus.UNKNOWN
    status_times = STATUS_HOURS  # (status, hours before the probe at which its window begins)

    def __init__(self, mirror: Any, pocket: PackagePublishingPocket, component: Component) -> None:
        self.mirror = mirror
        self.pocket = pocket
        self.component = component

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.key} of {self.mirror.name}>"

    @property
    def key(self) -> ContentKey:
        """The key of the part of the distribution."""
        raise NotImplementedError

    def _published(self) -> Publications | None:
        raise NotImplementedError

    def urls_to_check(self, when: datetime) -> dict[MirrorStatus, str]:
        """The URL on the mirror to ask for, for each status that can be told apart at `when` (aware)."""
        published = self._published()
        if published is None:
            return {}
        files = published.freshness_files(when)
        return {status: join_url(self.mirror.base_url, file.path) for status, file in files.items()}


class MirrorDistroArchRelease(_MirrorContents):
    """Binary packages a mirror holds."""

    def __init__(self, mirror: Any, arch_release: DistroArchRelease, *part: Any) -> None:
        super().__init__(mirror, *part)
        self.distro_arch_release = arch_release

    def _published(self) -> Publications | None:
        return self.distro_arch_release.published(self.pocket, self.component)

    @property
    def key(self) -> ContentKey:
        release = self.distro_arch_release.distro_release.name
        return ContentKey(release, self.pocket, self.component.name, self.distro_arch_release.architecture)


class MirrorDistroReleaseSource(_MirrorContents):
    """Source packages a mirror holds."""

    def __init__(self, mirror: Any, release: DistroRelease, *part: Any) -> None:
        super().__init__(mirror, *part)
        self.distro_release = release

    def _published(self) -> Publications | None:
        return self.distro_release.published(self.pocket, self.component)

    @property
    def key(self) -> ContentKey:
        return ContentKey(self.distro_release.name, self.pocket, self.component.name, None)
