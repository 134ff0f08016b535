"""Manifests: publications as JSON and images as lines, written by a person or by another program.

Publications, as JSON::

    {"releases": [{"name": "hoary", "version": "5.04", "components": ["main"], "architectures": ["i386"]}],
     "publications": [{"release": "hoary", "pocket": "updates", "component": "main", "architecture": "i386",
                       "source": "pmount", "version": "2:1.9-1", "date": "2005-06-20T00:00:00Z",
                       "path": "pool/main/p/pmount/pmount_1.9-1_all.deb", "size": 42, "sha256": "..."}]}

A publication without `architecture` is a source package; `size` and `sha256` may be absent.  Its `status` is
``published`` unless it says otherwise: ``superseded`` and ``deleted`` take the file out again, and what is
``pending`` is left for a later description.
Images, as lines of tab-separated flavour, series, path and size.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from librarian.interfaces import LibrarianError
from librarian.mirrors.enums import PackagePublishingPocket, PackagePublishingStatus, PublicationKind
from librarian.mirrors.interfaces import BadImport
from librarian.mirrors.model.distributions import Distribution
from librarian.mirrors.model.publications import Publication
from librarian.mirrors.paths import checked_path

_SHA256 = re.compile(r"(?:[0-9a-f]{64})?")


def import_json(distribution: Distribution, text: str | bytes) -> int:
    """Take in all publications of a JSON description; how many were new.

    Raises BadImport, in the middle of the caller's transaction, which must then be aborted.
    """
    try:
        described = json.loads(text)
        releases, publications = list(described.get("releases", [])), list(described.get("publications", []))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BadImport("the description", f"no JSON object with lists: {error}") from error
    for number, each in enumerate(releases, start=1):
        _checked(f"release {number}", each, lambda one: _take_release(distribution, one))
    return sum(
        _checked(f"publication {number}", each, lambda one: _take_publication(distribution, one))
        for number, each in enumerate(publications, start=1)
    )


def _checked(where: str, described: Any, take: Any) -> int:
    try:
        return int(take(described))
    except (KeyError, TypeError, AttributeError) as error:
        raise BadImport(where, f"not complete: {error}") from error
    except (ValueError, OverflowError, LibrarianError) as error:
        raise BadImport(where, str(error)) from error


def _take_release(distribution: Distribution, described: Mapping[str, Any]) -> int:
    release = distribution.ensureRelease(described["name"], str(described.get("version", "")))
    for component in described["components"]:
        release.ensureComponent(component)
    for architecture in described["architectures"]:
        release.ensureArch(architecture)
    return 1


def _take_publication(distribution: Distribution, described: Mapping[str, Any]) -> int:
    release = distribution.getRelease(described["release"])
    architecture = described.get("architecture")
    component = release.ensureComponent(described["component"])
    target = release if architecture is None else release.ensureArch(architecture)
    publications = target.publications(_pocket(described.get("pocket", "release")), component)
    publication, status = _publication(described, architecture is None), _status(described)
    before = len(publications)
    if status is PackagePublishingStatus.PUBLISHED:
        publications.add(publication)
    elif status is not PackagePublishingStatus.PENDING:
        publications.remove(publication.path)
    return max(0, len(publications) - before)


def _publication(described: Mapping[str, Any], is_source: bool) -> Publication:
    path = checked_path(described["path"])
    kind = PublicationKind.UDEB if path.endswith(".udeb") else PublicationKind.DEB
    date = datetime.fromisoformat(described["date"])
    if date.tzinfo is None:
        raise ValueError(f"the date {described['date']!r} has no time zone")
    digest = str(described.get("sha256", "")).lower()
    if not _SHA256.fullmatch(digest):
        raise ValueError("sha256 is not 64 hex digits")
    return Publication(
        PublicationKind.DSC if is_source else kind,
        str(described["source"]),
        str(described["version"]),
        path,
        date.astimezone(UTC),
        int(described.get("size", 0)),
        digest,
    )


def _status(described: Mapping[str, Any]) -> PackagePublishingStatus:
    name = described.get("status", "published")
    try:
        return PackagePublishingStatus(name)
    except ValueError:
        known = ", ".join(each.value for each in PackagePublishingStatus)
        raise ValueError(f"the status {name!r} is none of {known}") from None


def _pocket(name: str) -> PackagePublishingPocket:
    try:
        return PackagePublishingPocket[str(name).upper()]
    except KeyError:
        raise ValueError(f"there is no pocket {name!r}") from None


def import_images(distribution: Distribution, lines: Iterable[str]) -> int:
    """Replace the images that mirrors of images must have; how many they are.  Raises BadImport.

    Mirrors are no longer asked for images that the list does not name.  An empty list is refused, since
    with it every mirror would be complete.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for number, line in enumerate(lines, start=1):
        fields = line.rstrip("\r\n").split("\t")
        if fields == [""]:
            continue
        if len(fields) != 4 or not all(fields):
            raise BadImport(f"line {number}", "not four fields with tabs between")
        flavour, series, path, size = fields
        if not size.isdigit():
            raise BadImport(f"line {number}", f"{size!r} is no size")
        found.setdefault((series, flavour), []).append(_checked_image(number, path))
    if not found:
        raise BadImport("the list", "it names no image")
    distribution.images.clear()
    distribution.images.update({key: tuple(paths) for key, paths in found.items()})
    return sum(len(paths) for paths in found.values())


def _checked_image(number: int, path: str) -> str:
    try:
        return checked_path(path)
    except ValueError as error:
        raise BadImport(f"line {number}", str(error)) from error
