"""The plan of a probe, which is its input, and its report: plain values, made and read by the service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from librarian.mirrors.archive.release_file import ReleaseFile
from librarian.mirrors.enums import FindingKind, MirrorContent, MirrorStatus, PackagePublishingPocket
from librarian.mirrors.paths import packages_path, sources_path, suite
from librarian.mirrors.probing.interfaces import Finding


@dataclass(frozen=True, slots=True)
class ContentKey:
    """A part: one component of one suite, as sources or for one architecture."""

    release: str
    pocket: PackagePublishingPocket
    component: str
    architecture: str | None  # None: source

    @property
    def suite(self) -> str:
        """The name of the suite: release and pocket, such as `noble-updates`."""
        return suite(self.release, self.pocket)

    @property
    def index(self) -> str:
        """The name of its index below `dists/<suite>/`, which is how a Release file calls it."""
        return self.path.removeprefix(f"dists/{self.suite}/")

    @property
    def path(self) -> str:
        """The index whose presence shows that the mirror carries this."""
        if self.architecture is None:
            return sources_path(self.release, self.pocket, self.component)
        return packages_path(self.release, self.pocket, self.component, self.architecture)

    def __str__(self) -> str:
        return f"{self.suite}/{self.component} {self.architecture or 'source'}"


@dataclass(frozen=True, slots=True)
class ContentCheck:
    """A request for the index of `key` and, if it is there, for the files that decide its status."""

    key: ContentKey
    freshness: Mapping[MirrorStatus, str] = field(default_factory=dict)  # status -> path
    sizes: Mapping[str, int] = field(default_factory=dict)  # path -> bytes, of those where it is known
    dates: Mapping[str, datetime] = field(default_factory=dict)  # path -> when it was published


@dataclass(frozen=True, slots=True)
class KnownRelease:
    """A Release file the archive is known to have had."""

    date: datetime  # as written in it
    seen: datetime  # when the archive was first seen to have it
    digests: frozenset[str]  # sha256 hex of InRelease and of Release


@dataclass(frozen=True, slots=True)
class Sample:
    """A file of the pool whose bytes are known from the archive's index."""

    path: str
    size: int  # bytes; 0: not known
    sha256: str  # hex; "": not known, and then it is not fetched
    homes: tuple[tuple[ContentKey, datetime], ...] = ()  # the parts it is in, and since when; it is asked of
    # mirrors that carry one of them, or of all if it has none
    fetched: bool = True  # False: too large for that; only its size is compared


@dataclass(frozen=True, slots=True)
class SuiteState:
    """The state of the archive that a mirror's Release file stands for, of one suite."""

    release: ReleaseFile
    url: str  # of the file
    digest: str  # its sha256, hex
    lag: timedelta  # since the archive went on from there; 0: it has not
    ahead: bool  # newer than anything the archive was seen to have

    @property
    def date(self) -> datetime:
        """The `Date` of the Release file, in UTC."""
        return self.release.date


@dataclass(frozen=True, slots=True)
class ImageCheck:
    """The images of one flavour of a release, which a mirror has if it has every path."""

    release: str
    flavour: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """Everything that one mirror is asked in one probe."""

    mirror_id: int
    name: str
    base_url: str
    content: MirrorContent = MirrorContent.ARCHIVE
    was_well: bool = True  # before this probe
    checks: tuple[ContentCheck, ...] = ()
    releases: Mapping[str, tuple[KnownRelease, ...]] = field(default_factory=dict)  # by suite, oldest first
    samples: tuple[Sample, ...] = ()
    images: tuple[ImageCheck, ...] = ()
    probe_number: int = 0  # how many conclusive ones there were before
    index_rotation: int = 1  # probes within which each large index has its turn
    keyring: str | None = None  # of the archive's signing keys; None: signatures are not checked


@dataclass(slots=True)
class ProbeReport:
    """The findings of a probe.  Filled while it runs; read when it is over."""

    plan: ProbePlan
    started: datetime
    finished: datetime | None = None
    contents: dict[ContentKey, MirrorStatus] = field(default_factory=dict)
    sizes: dict[ContentKey, int] = field(default_factory=dict)
    images: list[ImageCheck] = field(default_factory=list)
    suites: dict[str, MirrorStatus] = field(default_factory=dict)  # by the Release file
    states: dict[str, SuiteState] = field(
        default_factory=dict
    )  # of suites whose Release file is the archive's
    moving: bool = False  # it synchronised while it was asked
    unsure: bool = False  # it is ahead of what was read of the archive, and lacks something of that
    findings: list[Finding] = field(default_factory=list)
    families: dict[str, str] = field(default_factory=dict)  # IPv4/IPv6 -> up, down, none, untested
    seconds: list[float] = field(default_factory=list)  # of each request that was answered
    requests: int = 0
    lag: timedelta | None = None  # the longest any suite was behind
    certificate_expires: datetime | None = None
    log_lines: list[str] = field(default_factory=list)
    broken_off: bool = False  # by an error in the prober; it says nothing about the mirror

    def has(self, *kinds: FindingKind) -> bool:
        """Whether any finding is of these kinds."""
        return any(finding.kind in kinds for finding in self.findings)

    @property
    def log(self) -> bytes:
        """The log of the probe, one line an event, UTF-8."""
        return "".join(line + "\n" for line in self.log_lines).encode()
