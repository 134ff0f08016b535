"""The releases of a distribution and their builds, as they are stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from BTrees.LOBTree import LOBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.mirrors.enums import PackagePublishingPocket
from librarian.mirrors.interfaces import IDistroArchRelease, IDistroRelease, NameInUse
from librarian.mirrors.model.publications import Publications
from librarian.mirrors.paths import installer_section, is_installer_section
from librarian.people.names import valid_name


@dataclass(frozen=True, slots=True)
class Component:
    """A component of an archive (`main`), or its section for the installer (`main/debian-installer`)."""

    name: str


def number(index: LOBTree, thing: Any) -> int:
    """Put `thing` into `index` under the next number, and return that.

    Two transactions that number at once conflict, and one of them is repeated; registrations are rare.
    """
    found: int = index.maxKey() + 1 if index else 1
    index[found] = thing
    return found


class _HasPublications(Persistent):
    """The publications of a release or an architecture, by pocket and component."""

    def __init__(self) -> None:
        self._publications = OOBTree()  # (pocket name, component name) -> Publications

    def publications(self, pocket: PackagePublishingPocket, component: Component) -> Publications:
        """The publications of a part; an empty object is made and stored if there is none yet."""
        key = (pocket.name, removeSecurityProxy(component).name)
        found: Publications | None = self._publications.get(key)
        if found is None:
            found = self._publications[key] = Publications(udebs_asked=is_installer_section(key[1]))
        return found

    @property
    def all_publications(self) -> list[Publications]:
        """Everything published, part by part."""
        return list(self._publications.values())

    def published(self, pocket: PackagePublishingPocket, component: Component) -> Publications | None:
        """The publications of a part, or None if there never were any; changes nothing."""
        found: Publications | None = self._publications.get((pocket.name, component.name))
        return found


@implementer(IDistroArchRelease)
class DistroArchRelease(_HasPublications):
    """A release built for one architecture."""

    id = 0

    def __init__(self, distro_release: "DistroRelease", architecture: str) -> None:
        super().__init__()
        self.distro_release = distro_release
        self.architecture = valid_name(architecture)

    def __repr__(self) -> str:
        return f"<DistroArchRelease {self.distro_release.name} {self.architecture}>"


@implementer(IDistroRelease)
class DistroRelease(_HasPublications):
    """A release; publications directly in it are source packages."""

    id = 0
    active = True
    installer_sections: tuple[Component, ...] = ()  # `main/debian-installer`, where the archive has it

    def __init__(self, distribution: Any, name: str, version: str, components: Sequence[str]) -> None:
        super().__init__()
        self.distribution = distribution
        self.name = valid_name(name)
        self.version = version
        self.components = [Component(valid_name(component)) for component in components]
        self._arch_releases = OOBTree()  # architecture -> DistroArchRelease

    def __repr__(self) -> str:
        return f"<DistroRelease {self.name}>"

    @property
    def arch_releases(self) -> list[DistroArchRelease]:
        return list(self._arch_releases.values())

    def newArch(self, architecture: str) -> DistroArchRelease:
        if architecture in self._arch_releases:
            raise NameInUse(architecture)
        arch_release = DistroArchRelease(self, architecture)
        arch_release.id = number(self.distribution.__parent__.arch_releases_by_id, arch_release)
        self._arch_releases[architecture] = arch_release
        return arch_release

    def ensureArch(self, architecture: str) -> DistroArchRelease:
        """The builds for an architecture, made if they are missing."""
        found: DistroArchRelease | None = self._arch_releases.get(architecture)
        return found or self.newArch(architecture)

    @property
    def binary_sections(self) -> list[Component]:
        """The sections with indices of binary packages: the components, then the installer's sections."""
        return [*self.components, *self.installer_sections]

    def ensureInstaller(self, component: Component) -> Component:
        """The section of `component` for the installer; noted if it is not there yet."""
        section = Component(installer_section(component.name))
        if section not in self.installer_sections:
            self.installer_sections = (*self.installer_sections, section)
        return section

    def ensureComponent(self, name: str) -> Component:
        """The component of this name, added if it is missing."""
        component = Component(valid_name(name))
        if component not in self.components:
            self.components = [*self.components, component]
        return component
