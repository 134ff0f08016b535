"""A month of probing in which the prober's own network fails thirteen times; only the network and the
clock are made up.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from typing import Any, BinaryIO, TypeVar
from urllib.parse import unquote, urlsplit

import transaction
from zope.component import getUtility, provideUtility
from zope.interface import implementer
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import IClock
from librarian.mirrors.enums import PackagePublishingPocket, PublicationKind
from librarian.mirrors.interfaces import IDistributionSet, IProbeLogs
from librarian.mirrors.model.publications import Publication
from librarian.mirrors.probing.interfaces import Answer, BadResponseCode, ProberSettings, ProberTimeout
from librarian.mirrors.probing.plan import KnownRelease
from librarian.mirrors.probing.transport.fetcher import Fetcher
from librarian.mirrors.probing.transport.throttle import Throttle
from librarian.mirrors.runs.probe_run import ProbeRun
from librarian.mirrors.runs.summary import RunOptions, RunSummary
from librarian.people.interfaces import IPersonSet
from tests.support.mirrors.sample import add_mirror

T = TypeVar("T")

MONTH = timedelta(days=30)
MIRRORS = 200
DYING = 10
ROUND = timedelta(minutes=20)  # between two looks for what is due
OUTAGES = tuple(
    timedelta(minutes=minutes) for minutes in (5, 10, 15, 25, 40, 60, 100, 180, 300, 540, 720, 1440, 2880)
)
_DEB = b"a package"
_RELEASE = (
    b"Date: Sun, 01 Mar 2026 00:00:00 UTC\nSuite: hoary\nComponents: main\n"
    b"SHA256:\n %s 8 main/binary-i386/Packages.gz\n" % sha256(b"packages").hexdigest().encode()
)
_FILES = {
    "dists/hoary/Release": _RELEASE,
    "dists/hoary/main/binary-i386/Packages.gz": b"packages",
    "pool/main/p/pmount/pmount_1.9-1_i386.deb": _DEB,
}


@implementer(IProbeLogs)
class _DiscardedLogs:
    """Keeps no log of a probe."""

    def keep(self, filename: str, log_file: BinaryIO) -> int:
        return 0

    def get(self, alias_id: int) -> Any:
        return BytesIO()

    def read(self, alias_id: int) -> bytes:
        return b""

    def release(self, alias_id: int) -> None:
        """Nothing is held."""


@dataclass
class MadeUpNetwork:
    """Which servers answer when: `outages` cut the prober off, `died` says since when a host is silent.

    Hosts in `at_home` stand beside the prober, so no outage cuts them off.
    """

    clock: IClock
    outages: list[tuple[datetime, datetime]] = field(default_factory=list)
    died: dict[str, datetime] = field(default_factory=dict)
    at_home: frozenset[str] = frozenset()

    def is_silent(self, host: str) -> bool:
        now = self.clock.now()
        cut_off = host not in self.at_home and any(start <= now < end for start, end in self.outages)
        return cut_off or (host in self.died and self.died[host] <= now)

    def fetcher(self, settings: ProberSettings, throttle: Throttle) -> Fetcher:
        return _MadeUpFetcher(settings, throttle, self)


class _MadeUpFetcher(Fetcher):
    def __init__(self, settings: ProberSettings, throttle: Throttle, network: MadeUpNetwork) -> None:
        super().__init__(settings, throttle)
        self._network = network

    async def families(self, host: str) -> frozenset[int]:
        return frozenset()

    async def _hop(self, method: str, url: str, family: int, max_bytes: int, keep: bool) -> Answer:
        parts = urlsplit(url)
        if self._network.is_silent(parts.hostname or ""):
            raise ProberTimeout(url, method, self.settings.timeout_seconds)
        body = _FILES.get(unquote(parts.path).lstrip("/"))
        if body is None:
            raise BadResponseCode(url, 404)
        if method == "HEAD":
            return Answer(url, len(body), 0.1)
        return Answer(url, len(body), 0.1, body if keep else b"", sha256(body).hexdigest())


class _StraightRun(ProbeRun):
    """A run without threads and transactions of its own, as two thousand of them are to be quick."""

    async def go(self) -> RunSummary:
        await self._run()
        return self.summary

    async def _work(self, work: Callable[[], T]) -> T:
        return work()


class Month:
    """The month: `run()` it, then look at what it did.

    Mirrors are registered over the first day, so that they are due at all hours.  In the days that follow
    ten of them die for good, and outages of five minutes to two days strike at random.
    """

    def __init__(
        self, clock: Any, *, seed: int, archive_at_home: bool = False, mirrors: int = MIRRORS
    ) -> None:
        self._clock = clock
        self._chance = random.Random(seed)  # a month like any other, the same each time
        self._began = clock.now()
        at_home = frozenset({"archive.example"}) if archive_at_home else frozenset()
        self.network = MadeUpNetwork(clock, self._outages(), at_home=at_home)
        dying = self._chance.sample(range(mirrors), DYING)
        self.network.died = {_host(number): self._some_time(1, 24) for number in dying}
        self._registered = sorted((self._some_time(0, 1), number) for number in range(mirrors))
        self._distribution = _distribution(clock.now())
        self._owner = getUtility(IPersonSet).new("owner", "Owner of Mirrors", "owner@example.com")
        self.disabled: dict[str, datetime] = {}
        self.runs = self.probes = 0
        transaction.commit()

    def _some_time(self, first_day: float, last_day: float) -> datetime:
        found: datetime = self._began + timedelta(days=self._chance.uniform(first_day, last_day))
        return found

    def _outages(self) -> list[tuple[datetime, datetime]]:
        starts = (self._some_time(1, 27) for _ in OUTAGES)
        return [(start, start + length) for start, length in zip(starts, OUTAGES, strict=True)]

    def run(self) -> None:
        """Look for what is due, every twenty minutes for a month."""
        kept = getUtility(IProbeLogs)
        provideUtility(_DiscardedLogs(), IProbeLogs)
        try:
            asyncio.run(self._run())
            transaction.commit()
        finally:
            provideUtility(kept, IProbeLogs)

    async def _run(self) -> None:
        while self._clock.now() < self._began + MONTH:
            self._register()
            run = _StraightRun(RunOptions(), chance=self._chance, network=self.network.fetcher)
            self.probes += (await run.go()).probed
            self.runs += 1
            if run.summary.failed:
                self._note_disabled()
            self._clock.move(seconds=ROUND.total_seconds())

    def _register(self) -> None:
        while self._registered and self._registered[0][0] <= self._clock.now():
            _, number = self._registered.pop(0)
            add_mirror(self._distribution, self._owner, f"mirror{number}", f"http://{_host(number)}/")

    def _note_disabled(self) -> None:
        for mirror in removeSecurityProxy(self._distribution).mirrors:
            if not mirror.enabled:
                self.disabled.setdefault(_host(int(mirror.name.removeprefix("mirror"))), self._clock.now())

    @property
    def wrongly(self) -> list[str]:
        """Hosts that were switched off while they were alive."""
        died = self.network.died
        return [host for host, when in self.disabled.items() if host not in died or when < died[host]]

    @property
    def hours(self) -> list[float]:
        """How long it took to switch off each dead mirror, sorted."""
        found = {
            host: self.disabled[host] - died
            for host, died in self.network.died.items()
            if host in self.disabled
        }
        return sorted(took.total_seconds() / 3600 for took in found.values())


def _host(number: int) -> str:
    return f"mirror{number}.example"


def _distribution(now: datetime) -> Any:
    made = getUtility(IDistributionSet).new("ubuntu", "Ubuntu", "http://archive.example/ubuntu")
    hoary = made.newRelease("hoary", "5.04", ["main"])
    part = hoary.newArch("i386").publications(PackagePublishingPocket.RELEASE, hoary.components[0])
    path = "pool/main/p/pmount/pmount_1.9-1_i386.deb"
    digest = sha256(_DEB).hexdigest()
    date = datetime(2005, 6, 20, tzinfo=UTC)
    removeSecurityProxy(part).add(
        Publication(PublicationKind.DEB, "pmount", "1.9-1", path, date, len(_DEB), digest)
    )
    known = KnownRelease(datetime(2026, 3, 1, tzinfo=UTC), now, frozenset({sha256(_RELEASE).hexdigest()}))
    removeSecurityProxy(made).note_release("hoary", known)
    return made
