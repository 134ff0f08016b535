"""Which ZCML an installation is made of: the site's file, and the systems of other packages.

Two settings say so, which are read before any section is: ``librarian.site``, a path or ``package:file``, and
``librarian.systems``, names of systems that stand in no file of ours.  A package offers a system by an entry
point of the group ``librarian.systems``, whose value is the package with the system's configure.zcml; one
without an entry point is named itself.  What is installed and not named is not loaded.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from xml.sax.saxutils import quoteattr

from librarian.interfaces import SettingsError

SITE = "librarian.site"
SYSTEMS = "librarian.systems"
STANDARD_SITE = "librarian.embedded:site.zcml"  # of an installation that names none
GROUP = "librarian.systems"  # of entry points
FILE = "configure.zcml"
_INCLUDING = '<configure xmlns="http://namespaces.zope.org/zope">\n{}\n</configure>\n'


def site_of(values: Mapping[str, str]) -> str:
    """The site's ZCML file: a path, or ``package:file``.  Raises SettingsError if there is none."""
    site = values.get(SITE) or STANDARD_SITE
    if not _is_file(site):
        raise SettingsError(SITE, f"{site}: there is no such file")
    return site


def systems_of(values: Mapping[str, str]) -> list[str]:
    """The packages of the systems beside the site's.  Raises SettingsError for one that is not there."""
    named = values.get(SYSTEMS, "").split()
    if not named:
        return []
    offered = {each.name: each.value for each in entry_points(group=GROUP)}
    packages = [offered.get(name, name) for name in named]
    for name, package in zip(named, packages, strict=True):
        if not _is_file(f"{package}:{FILE}"):
            others = f"; installed packages offer {', '.join(sorted(offered))}" if offered else ""
            raise SettingsError(SYSTEMS, f"{name}: there is no system of this name{others}")
    return packages


@contextmanager
def zcml_of(values: Mapping[str, str]) -> Iterator[str]:
    """The file with the site and its systems, as site_of(); with systems one that includes them, for a
    while.  Raises SettingsError."""
    site, systems = site_of(values), systems_of(values)
    if not systems:
        yield site
        return
    with tempfile.NamedTemporaryFile("w", prefix="librarian-site-", suffix=".zcml") as file:
        lines = [_include(site), *(_include(f"{package}:{FILE}") for package in systems)]
        file.write(_INCLUDING.format("\n".join(lines)))
        file.flush()
        yield file.name


def _include(site: str) -> str:
    package, _, name = site.rpartition(":")
    if not package:
        return f"<include file={quoteattr(str(Path(name).absolute()))} />"
    return f"<include package={quoteattr(package)} file={quoteattr(name)} />"


def _is_file(site: str) -> bool:
    package, _, name = site.rpartition(":")
    if not package:
        return Path(site).is_file()
    try:
        return files(package).joinpath(name).is_file()
    except (ModuleNotFoundError, TypeError, ValueError):  # none, a module without files, and no name of one
        return False
