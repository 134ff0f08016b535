"""The distributions and mirrors that the mirror documents talk about.

Two releases of ubuntu, a handful of uploads in 2005, and four mirrors: three of the archive and one of
images.
"""

import gzip
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, ClassVar

import transaction
from zope.component import getUtility
from zope.security.proxy import removeSecurityProxy

from librarian.countries.interfaces import ICountrySet
from librarian.mirrors.archive.interfaces import NotInArchive
from librarian.mirrors.enums import (
    MirrorContent,
    MirrorPulseType,
    MirrorReviewStatus,
    MirrorSpeed,
    PackagePublishingPocket,
    PublicationKind,
)
from librarian.mirrors.interfaces import IDistributionSet
from librarian.mirrors.model.publications import Publication
from librarian.mirrors.paths import pool_path
from librarian.mirrors.runs.probe_run import ProbeRun
from librarian.mirrors.runs.summary import RunOptions
from librarian.people.interfaces import IPersonSet
from tests.support.mirrors import servers as mirrorservers
from tests.support.mirrors.servers import MirrorFarm, MirrorServer
from tests.support.outbox import outbox

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
_HOARY_BINARIES = [
    ("pmount", "2:1.9-2", "pmount_1.9-2_all.deb", datetime(2005, 6, 20, tzinfo=UTC)),
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
    hoary_i386 = hoary.newArch("i386")
    main = warty.components[0]
    for name, version, filename, date in _SOURCES:
        _publish(warty.publications(_RELEASE, main), PublicationKind.DSC, name, version, filename, date)
    for arch, binaries in ((warty_i386, _BINARIES), (hoary_i386, _HOARY_BINARIES)):
        for name, version, filename, date in binaries:
            kind = PublicationKind.UDEB if filename.endswith(".udeb") else PublicationKind.DEB
            _publish(arch.publications(_RELEASE, main), kind, name, version, filename, date)
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


def add_packages(release: Any, count: int, *, date: datetime, size: int, prefix: str = "package") -> Any:
    """Publish `count` source packages of `size` bytes to main at `date`; all that is published there."""
    naked = removeSecurityProxy(release)
    published = naked.publications(_RELEASE, naked.components[0])
    for number in range(count):
        path = f"pool/main/{prefix}/{prefix}{number}_1.dsc"
        digest = sha256(path.encode()).hexdigest()
        published.add(Publication(PublicationKind.DSC, f"{prefix}{number}", "1", path, date, size, digest))
    return published


class SampleFarm:
    """The sample distribution with mirrors that are real servers, and a prober for documents.

    The mirrors of the sample itself are switched off, since there are no servers.
    """

    FILES: ClassVar[dict[str, bytes]] = {
        path: path.encode()
        for path in (
            "dists/warty/main/source/Sources.gz",
            "dists/warty/main/binary-i386/Packages.gz",
            "dists/hoary/main/binary-i386/Packages.gz",
            "pool/main/a/alsa-utils/alsa-utils_1.0.9a-4.dsc",
            "pool/main/a/alsa-utils/alsa-utils_1.0.8-1ubuntu1.dsc",
            "pool/main/m/mozilla-firefox/mozilla-firefox_0.9_i386.deb",
            "pool/main/p/pmount/pmount_1.9-1_all.deb",
            "pool/main/p/pmount/pmount_1.9-2_all.deb",
        )
    }

    def __init__(self) -> None:
        self._farm = MirrorFarm()
        self._servers: dict[str, MirrorServer] = {}
        self.ubuntu = add_sample()
        self.owner = getUtility(IPersonSet).getByName("name16")
        for mirror in self.ubuntu.mirrors:
            mirror.enabled = False
        transaction.commit()

    def __getitem__(self, name: str) -> Any:
        return self.ubuntu[name]

    def add(self, name: str, behaviour: str = "good", files: dict[str, bytes] | None = None) -> Any:
        """Register a mirror that behaves like this; see `mirrorservers`."""
        how = getattr(mirrorservers, behaviour)
        server = self._servers[name] = self._farm.add(self.FILES if files is None else files, how)
        mirror = add_mirror(self.ubuntu, self.owner, name, server.url)
        transaction.commit()
        return mirror

    def add_dead(self, name: str) -> Any:
        """Register a mirror that is not there."""
        return add_mirror(self.ubuntu, self.owner, name, f"http://127.0.5.{len(name)}:9/{name}")

    def behave(self, name: str, behaviour: str) -> None:
        """Have a mirror behave like this from now on."""
        self._servers[name].behaviour = getattr(mirrorservers, behaviour)

    def files(self, name: str) -> dict[str, bytes]:
        """What a mirror has, to be changed."""
        return self._servers[name].files

    def probe(self) -> None:
        """Probe what is due and print how it went: ``probed: 2, good: a, failed: b``."""
        transaction.commit()
        summary = ProbeRun(RunOptions()).run()
        transaction.begin()
        words = [f"probed: {summary.probed}"]
        words += [
            f"{verdict}: {' '.join(sorted(names))}"
            for verdict, names in (
                ("good", summary.good),
                ("failed", summary.failed),
                ("unknown", summary.unknown),
            )
            if names
        ]
        print(", ".join(words) + (" (the prober is offline)" if summary.prober_offline else ""))

    def kinds(self, name: str) -> list[str]:
        """The kinds of trouble that the last probe of a mirror found."""
        return sorted({kind for kind, _url, _since in self[name].troubles})

    def show_mail(self, name: str) -> None:
        """Print the newest mail about a mirror, subject first, and take all mail away."""
        found = [outbox.pop() for _ in range(len(outbox))]
        message = next(each for each in found if f" {name} " in each["Subject"])
        print(f"Subject: {message['Subject']}\n\n{message.get_content()}".replace("\r\n", "\n").rstrip())

    def methods(self) -> list[str]:
        """The HTTP methods that the servers have seen."""
        return sorted({request.method for request in self._farm.traffic.requests})

    def close(self) -> None:
        self._farm.close()


class SmallArchive:
    """An archive of source packages in memory, for documents; the real thing is in `aptarchive`."""

    def __init__(self, suite: str = "hoary") -> None:
        self._suite = suite
        self._packages: dict[str, bytes] = {}  # path of the .dsc -> its bytes
        self.files: dict[str, bytes] = {}

    def add(self, name: str, version: str) -> None:
        """Put a source package into the pool."""
        path = pool_path("main", name, f"{name}_{version}.dsc")
        self._packages[path] = f"Source: {name}\nVersion: {version}\n".encode()

    def remove(self, name: str, version: str) -> None:
        """Take one out again: it was superseded."""
        del self._packages[pool_path("main", name, f"{name}_{version}.dsc")]

    def publish(self, now: datetime) -> None:
        """Write the index and the Release file."""
        index = gzip.compress("\n".join(map(self._paragraph, self._packages)).encode(), mtime=0)
        release = (
            f"Date: {now:%a, %d %b %Y %H:%M:%S} UTC\nSuite: {self._suite}\nComponents: main\n"
            f"SHA256:\n {sha256(index).hexdigest()} {len(index)} main/source/Sources.gz\n"
        )
        dists = f"dists/{self._suite}"
        indices = {f"{dists}/Release": release.encode(), f"{dists}/main/source/Sources.gz": index}
        self.files = {**self._packages, **indices}

    def _paragraph(self, path: str) -> str:
        folder, _, filename = path.rpartition("/")
        name, _, version = filename.removesuffix(".dsc").partition("_")
        body = self._packages[path]
        return (
            f"Package: {name}\nVersion: {version}\nDirectory: {folder}\n"
            f"Checksums-Sha256:\n {sha256(body).hexdigest()} {len(body)} {filename}\n"
        )

    def read(self, path: str) -> bytes:
        """As an IArchiveSource."""
        if path not in self.files:
            raise NotInArchive(path)
        return self.files[path]
