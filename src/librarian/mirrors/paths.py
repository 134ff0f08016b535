"""Paths of the files of an APT archive, below a mirror's base URL."""

from urllib.parse import quote, urlsplit

from librarian.mirrors.enums import PackagePublishingPocket

# Allowed in a path (RFC 3986, section 3.3) and used by package files: versions have ~ and +, epochs a colon.
_SAFE = "/~+:=@,;!$&'()*"
_INSTALLER = "debian-installer"


def checked_path(path: str) -> str:
    """The path, if it stays inside the archive; a mirror is never asked for anything else.

    Raises ValueError.
    """
    path = path.removeprefix("./")
    if path.startswith("/") or ".." in path.split("/") or not path.isprintable():
        raise ValueError(f"path leaves the archive: {path!r}")
    return path


def suite(release: str, pocket: PackagePublishingPocket) -> str:
    """The name of the directory below `dists/`: `hoary-backports`."""
    return release + pocket.suffix


def packages_path(release: str, pocket: PackagePublishingPocket, component: str, architecture: str) -> str:
    """The index of the binary packages of one component and architecture."""
    return f"dists/{suite(release, pocket)}/{component}/binary-{architecture}/Packages.gz"


def installer_section(component: str) -> str:
    """The section of a component for the installer: its packages, udebs, have indices of their own there
    (https://wiki.debian.org/DebianRepository/Format, "debian-installer")."""
    return f"{component}/{_INSTALLER}"


def is_installer_section(section: str) -> bool:
    """Whether a component or section is one for the installer."""
    return section.endswith(f"/{_INSTALLER}")


def sources_path(release: str, pocket: PackagePublishingPocket, component: str) -> str:
    """The index of the source packages of one component."""
    return f"dists/{suite(release, pocket)}/{component}/source/Sources.gz"


def release_path(release: str, pocket: PackagePublishingPocket, name: str = "InRelease") -> str:
    """The signed summary of a suite: `InRelease`, or `Release` with `Release.gpg` beside it."""
    return f"dists/{suite(release, pocket)}/{name}"


def pool_path(component: str, source: str, filename: str) -> str:
    """The folder of a source package in the pool: by first letter, `lib` plus one for libraries."""
    prefix = source[:4] if source.startswith("lib") and len(source) > 3 else source[:1]
    return f"pool/{component}/{prefix}/{source}/{filename}"


def join_url(base_url: str, path: str) -> str:
    """The URL of `path` on the mirror whose files start at `base_url`."""
    return f"{base_url.rstrip('/')}/{quote(path.lstrip('/'), safe=_SAFE)}"


def host_of(url: str) -> str:
    """The host a URL names, lower case, without port or brackets; '' if it names none."""
    return (urlsplit(url).hostname or "").lower()
