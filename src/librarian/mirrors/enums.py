"""The enumerations of the mirror registry.  This module imports nothing of the package."""

from enum import Enum, IntEnum


class PackagePublishingPocket(Enum):
    """The part of a release a package is published to, in the order the paths are guessed.

    A pocket is a suffix of the suite: `hoary` plus BACKPORTS is the suite `hoary-backports`.
    """

    RELEASE = ""
    BACKPORTS = "-backports"
    SECURITY = "-security"
    UPDATES = "-updates"
    PROPOSED = "-proposed"

    @property
    def suffix(self) -> str:
        """The suffix that turns the name of a release into that of a suite, such as `-updates`."""
        return self.value


class MirrorSpeed(IntEnum):
    """The bandwidth a mirror's owner states; the value orders them, the title is for people."""

    S128K = 10
    S256K = 20
    S512K = 30
    S1M = 40
    S2M = 50
    S10M = 60
    S45M = 70
    S100M = 80
    S1G = 90
    S2G = 100
    S4G = 110
    S10G = 120
    S20G = 130
    S50G = 140
    S100G = 150

    @property
    def title(self) -> str:
        """As written on a page: `2 Mbps`."""
        number, unit = self.name[1:-1], {"K": "Kbps", "M": "Mbps", "G": "Gbps"}[self.name[-1]]
        return f"{number} {unit}"


class MirrorContent(Enum):
    """The content of a mirror: the package archive, or the images a release is installed from."""

    ARCHIVE = "archive"
    RELEASE = "cdimage"


class MirrorPulseType(Enum):
    """The starter of a synchronisation: the mirror by itself, or the master that pushes."""

    PULL = "pull"
    PUSH = "push"


class MirrorStatus(IntEnum):
    """The time that a mirror was behind at its last synchronisation; smaller is fresher."""

    UP = 1
    ONEHOURBEHIND = 2
    TWOHOURSBEHIND = 3
    SIXHOURSBEHIND = 4
    ONEDAYBEHIND = 5
    TWODAYSBEHIND = 6
    ONEWEEKBEHIND = 7
    UNKNOWN = 8

    @property
    def title(self) -> str:
        """As written on a page."""
        return _STATUS_TITLES[self.name]


_STATUS_TITLES = {
    "UP": "Up to date",
    "ONEHOURBEHIND": "One hour behind",
    "TWOHOURSBEHIND": "Two hours behind",
    "SIXHOURSBEHIND": "Six hours behind",
    "ONEDAYBEHIND": "One day behind",
    "TWODAYSBEHIND": "Two days behind",
    "ONEWEEKBEHIND": "One week behind",
    "UNKNOWN": "Last update unknown",
}


class MirrorReviewStatus(IntEnum):
    """The judgement of a mirror administrator on a registration."""

    PENDING_REVIEW = 10
    UNOFFICIAL = 20
    OFFICIAL = 30
    BROKEN = 40

    @property
    def title(self) -> str:
        """As written on a page."""
        return self.name.replace("_", " ").capitalize()


class DisabledBy(Enum):
    """The cause that a mirror is switched off.  The prober only switches on what it switched off itself."""

    PERSON = "person"
    PROBER = "prober"


class PublicationKind(Enum):
    """The format of a file in the pool.  A udeb is asked of mirrors that carry the installer's section."""

    DSC = "dsc"
    TARBALL = "tarball"  # any other file of a source package: orig, diff, signature
    DEB = "deb"
    UDEB = "udeb"

    @property
    def title(self) -> str:
        """As written on a page: `UDEB Format`."""
        return f"{self.name} Format"


class PackagePublishingStatus(Enum):
    """The state of a publication.  Only PUBLISHED ones are asked of a mirror."""

    PENDING = "pending"  # not in the archive yet
    PUBLISHED = "published"
    SUPERSEDED = "superseded"  # a newer version took its place
    DELETED = "deleted"  # taken out without a successor

    @property
    def title(self) -> str:
        """As written on a page."""
        return self.name.capitalize()


class FindingKind(Enum):
    """The kinds of faults that a probe finds."""

    MISSING = "missing"  # a part that a mirror may leave out
    INCOMPLETE = "incomplete"  # a file that a mirror with this part must have
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    CERTIFICATE = "certificate"
    CERTIFICATE_EXPIRES = "certificate-expires"
    REDIRECTED_ELSEWHERE = "redirected-elsewhere"
    REDIRECT_LOOP = "redirect-loop"
    ADDRESS_REFUSED = "address-refused"
    SKIPPED = "skipped"
    SOFT_404 = "soft-404"
    SIZE_DIFFERS = "size-differs"
    WRONG_BYTES = "wrong-bytes"
    RELEASE_DIFFERS = "release-differs"
    RELEASE_EXPIRED = "release-expired"
    RELEASE_STALE = "release-stale"
    BAD_SIGNATURE = "bad-signature"
    FAMILY_DOWN = "family-down"

    @property
    def dishonest(self) -> bool:
        """Whether it shows that the mirror hands out something other than the archive's files."""
        return self in _DISHONEST


_DISHONEST = frozenset({FindingKind.SOFT_404, FindingKind.WRONG_BYTES, FindingKind.BAD_SIGNATURE,
                        FindingKind.RELEASE_DIFFERS})  # fmt: skip
