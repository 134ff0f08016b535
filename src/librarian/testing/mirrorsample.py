"""The distributions and mirrors that the mirror documents talk about.

Two releases of ubuntu, a handful of uploads in 2005, and four mirrors: three of the archive and one of
images.
"""

from datetime import UTC, datetime
from typing import Any

from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.countries import ICountrySet
from librarian.mirrors.enums import (
    MirrorContent,
    MirrorPulseType,
    MirrorReviewStatus,
    MirrorSpeed,
    PackagePublishingPocket,
    PublicationKind,
)
from librarian.mirrors.interfaces import IDistributionSet
from librarian.mirrors.paths import pool_path
from librarian.mirrors.publications import Publication
from librarian.security.people.interfaces import IPersonSet

_RELEASE = PackagePublishingPocket.RELEASE

# (source package or binary's source, version, file name, date, kind)
_SOURCES = [
    ("alsa-utils", "1.0.8-1ubuntu1", "alsa-utils_1.0.8-1ubuntu1.dsc", datetime(2005, 9, 15, 12, tzinfo=UTC)),
    ("alsa-utils", "1.0.9a-4", "alsa-utils_1.0.9a-4.dsc", datetime(2005, 9, 16, 12, tzinfo=UTC)),
]
_BINARIES = [
    ("mozilla-firefox", "0.9", "mozilla-firefox_0.9_i386.deb", datetime(2005, 6, 18, tzinfo=UTC)),
    ("partman", "0.1-1", "partman_0.1-1_i386.udeb", datetime(2005, 6, 20, tzinfo=UTC)),
    ("pmount", "2:1.9-1", "pmount_1.9-1_all.deb", datetime(2005, 6, 20, tzinfo=UTC)),
]
_MIRRORS = [
    ("valid-mirror", "AF", MirrorContent.ARCHIVE, "http://valid.example/archive/"),
    ("invalid-mirror", "IO", MirrorContent.RELEASE, "http://invalid.example/cdimage/"),
    ("unreachable-mirror", "IO", MirrorContent.RELEASE, "http://unreachable.example/cdimage/"),
    ("archive-404-mirror", "IO", MirrorContent.ARCHIVE, "http://missing.example/archive/"),
]


def add_sample() -> Any:
    """Put it all into the open tree; the distribution."""
    people = getUtility(IPersonSet)
    people.new("sample", "Sample Person", "sample@example.com")
    owner = people.new("name16", "Foo Bar", "foo.bar@example.com")
    ubuntu = getUtility(IDistributionSet).new("ubuntu", "Ubuntu", "http://archive.example/ubuntu")
    warty = ubuntu.newRelease("warty", "4.10", ["main", "restricted"])
    hoary = ubuntu.newRelease("hoary", "5.04", ["main", "restricted"])
    warty_i386 = warty.newArch("i386")
    hoary.newArch("i386")
    main = warty.components[0]
    for name, version, filename, date in _SOURCES:
        _publish(warty.publications(_RELEASE, main), PublicationKind.DSC, name, version, filename, date)
    for name, version, filename, date in _BINARIES:
        kind = PublicationKind.UDEB if filename.endswith(".udeb") else PublicationKind.DEB
        _publish(warty_i386.publications(_RELEASE, main), kind, name, version, filename, date)
    for name, country, content, url in _MIRRORS:
        add_mirror(ubuntu, owner, name, url, country, content)
    ubuntu["valid-mirror"].review(MirrorReviewStatus.OFFICIAL, owner)
    return ubuntu


def add_mirror(
    distribution: Any,
    owner: Any,
    name: str,
    url: str,
    country: str = "BR",
    content: MirrorContent = MirrorContent.ARCHIVE,
) -> Any:
    """Register one more mirror."""
    return distribution.newMirror(
        owner,
        name,
        MirrorSpeed.S2M,
        getUtility(ICountrySet)[country],
        content,
        MirrorPulseType.PUSH,
        **{f"{url.partition(':')[0]}_base_url": url},
    )


def _publish(
    publications: Any, kind: PublicationKind, name: str, version: str, filename: str, date: datetime
) -> None:
    path = pool_path("main", name, filename)
    removeSecurityProxy(publications).add(Publication(kind, name, version, path, date))
