"""Controls: servers that are asked at the moment a mirror fails, to tell an outage at the prober's end.

A mirror that does not answer and a prober without a network cannot be told apart by the prober alone.  A
failure of that kind counts only if, within the same minute, other servers answered the prober.
"""

import asyncio
import random
import socket
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from librarian.interfaces import IClock
from librarian.mirrors.enums import FindingKind
from librarian.mirrors.paths import join_url
from librarian.mirrors.probing.interfaces import AddressRefused, BadResponseCode, ProbeFailed
from librarian.mirrors.probing.plan import ProbeReport
from librarian.mirrors.probing.transport.fetcher import Fetcher
from librarian.mirrors.probing.verdict import was_reached

ASKED_AT_ONCE = 5  # mirrors; the archives themselves come on top
ENOUGH = 4  # servers, to say before a run that there is no use in it
WITHIN_SECONDS = 60.0  # of the failure
LOOK_AGAIN_SECONDS = 15.0  # between two looks while requests go unanswered
MIRRORS_TO_CHOOSE_FROM = 20

_ABSENT = frozenset({404, 410})
_PROXY_WANTS_PASSWORD = 407
_NO_SUCH_FILE_BY_FTP = 550
# What a wireless network that wants a log-in, or a resolver that lies, makes of any mirror.
_DOUBTFUL = (
    FindingKind.TIMEOUT,
    FindingKind.UNREACHABLE,
    FindingKind.SKIPPED,
    FindingKind.CERTIFICATE,
    FindingKind.SOFT_404,
    FindingKind.REDIRECTED_ELSEWHERE,
    FindingKind.REDIRECT_LOOP,
    FindingKind.ADDRESS_REFUSED,
)


@dataclass(frozen=True, slots=True)
class ControlSite:
    """A server that is asked whether it answers."""

    url: str
    path: str = ""  # of a file it was found to have; "": not known
    is_mirror: bool = False  # one of several, as against the archive itself
    chosen: bool = False  # named in the settings

    @property
    def place(self) -> str:
        """The host and port of the URL, in lower case: URLs of one place are one server."""
        return place_of(self.url)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Whether a failure counts (None: there was no server to ask), and of which parts of the network that was
    asked: AF_UNSPEC is all of it; AF_INET or AF_INET6 comes with it for a mirror with only such addresses."""

    counts: bool | None
    families: frozenset[int] = frozenset({socket.AF_UNSPEC})


def place_of(url: str) -> str:
    """The host and port of a URL, in lower case."""
    return urlsplit(url).netloc.lower()


def _host_of(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()


def needs_control(report: ProbeReport, behind_proxy: bool) -> bool:
    """Whether the prober's own network could be the cause of the failure.

    False if the mirror's server answered every request with a plain refusal: then the network was there.
    Behind a proxy such an answer may be the proxy's.
    """
    return behind_proxy or not was_reached(report) or report.has(*_DOUBTFUL)


class Controls:
    """Asks the control sites, and keeps for the length of a run the moments when they did not answer.

    `missed` has those moments: (family, when); AF_UNSPEC stands for the network as a whole.
    """

    def __init__(
        self, fetcher: Fetcher, sites: Sequence[ControlSite], clock: IClock, chance: random.Random
    ) -> None:
        self._fetcher = fetcher
        self._sites = sites
        self._clock = clock
        self._chance = chance
        self._good: list[ProbeReport] = []
        self._failing: set[str] = set()  # places that are being judged in this run
        self._looking: dict[int, asyncio.Lock] = {}
        self._found: dict[int, tuple[datetime, bool | None]] = {}  # family -> (when asked, what came of it)
        self._watching: asyncio.Task[bool | None] | None = None
        self._not_before = 0.0
        self.missed: list[tuple[int, datetime]] = []

    async def confirm(self, report: ProbeReport) -> Confirmation:
        """Whether the failure in `report`, just finished, is the mirror's own: servers that can be reached
        by the same address family answer now, and none was found silent during the probe."""
        self._failing.add(place_of(report.plan.base_url))
        family = await self._only_family(_host_of(report.plan.base_url))
        ways = frozenset({socket.AF_UNSPEC, family})
        answered = await self._answered_since(self._clock.now(), family)
        missed = any(when >= report.started and way in ways for way, when in self.missed)
        return Confirmation(answered if not missed else False, ways)

    def found_good(self, report: ProbeReport) -> None:
        """Note that a mirror answered now, and was good."""
        self._good.append(report)

    def another_was_good_beside(self, report: ProbeReport) -> bool:
        """Whether a mirror was found good within the minute in which `report` was finished: for a registry
        so new that there are no controls."""
        return any(_moments_apart(good, report) <= WITHIN_SECONDS for good in self._good)

    async def is_offline(self) -> bool:
        """Whether a run is useless at present: several servers were asked, and most did not answer."""
        answers = await self._ask(self._draw(), socket.AF_UNSPEC)
        if len(answers) < ENOUGH or _sum_up(answers) is not False:
            return False
        self.missed.append((socket.AF_UNSPEC, self._clock.now()))
        return True

    def request_failed(self) -> None:
        """Ask the control sites now, as a request of the run was not answered: at the end of the probe an
        outage may be over."""
        now = asyncio.get_running_loop().time()
        if now >= self._not_before and (self._watching is None or self._watching.done()):
            self._not_before = now + LOOK_AGAIN_SECONDS
            self._watching = asyncio.create_task(
                self._answered_since(self._clock.now(), socket.AF_UNSPEC), name="control"
            )

    async def close(self) -> None:
        """Wait for the requests to control sites that are running."""
        if self._watching is not None:
            await self._watching

    async def _only_family(self, host: str) -> int:
        """The only address family of a host, AF_INET or AF_INET6.

        AF_UNSPEC if it has both or none, or if requests go through a proxy.
        """
        if self._fetcher.settings.proxy:
            return socket.AF_UNSPEC
        families = await self._fetcher.families(host)
        return next(iter(families)) if len(families) == 1 else socket.AF_UNSPEC

    async def _answered_since(self, moment: datetime, family: int) -> bool | None:
        """Whether the servers answer, asked at or after `moment`; None if there are none to ask."""
        async with self._looking.setdefault(family, asyncio.Lock()):
            if family not in self._found or self._found[family][0] < moment:
                asked = self._clock.now()
                answers = await self._ask(self._draw(), family)
                self._found[family] = asked, _sum_up(answers)
                if self._found[family][1] is False:
                    self.missed.append((family, self._clock.now()))
            return self._found[family][1]

    def _draw(self) -> list[ControlSite]:
        chosen = [site for site in self._sites if site.chosen]
        if chosen:
            return chosen
        others = [site for site in self._sites if site.place not in self._failing]
        mirrors = {site.place: site for site in others if site.is_mirror}
        drawn = self._chance.sample(sorted(mirrors), min(ASKED_AT_ONCE, len(mirrors)))
        return [site for site in others if not site.is_mirror] + [mirrors[place] for place in drawn]

    async def _ask(self, sites: list[ControlSite], family: int) -> dict[ControlSite, bool]:
        """Those of `sites` that answer within WITHIN_SECONDS; sites at refused addresses are left out."""
        asking = {asyncio.create_task(self._answers(site, family)): site for site in sites}
        if not asking:
            return {}
        done, late = await asyncio.wait(asking, timeout=WITHIN_SECONDS)
        for task in late:
            task.cancel()
        answers = {site: task.result() if task in done else False for task, site in asking.items()}
        return {site: answer for site, answer in answers.items() if answer is not None}

    async def _answers(self, site: ControlSite, family: int) -> bool | None:
        if family != socket.AF_UNSPEC and family not in await self._fetcher.families(_host_of(site.url)):
            return None
        try:
            return await (self._is_alive(site.url, family) if site.chosen else self._is_honest(site, family))
        except AddressRefused:
            return None

    async def _is_alive(self, url: str, family: int) -> bool:
        status = await self._status(url, family)
        return status == 200 or (400 <= status < 500 and status != _PROXY_WANTS_PASSWORD)

    async def _is_honest(self, site: ControlSite, family: int) -> bool:
        """Whether the server itself answers: with 404 for a file that does not exist.

        A log-in page of a network answers 200 for every file, and a proxy without a connection none.
        """
        name = "".join(self._chance.choices(string.ascii_lowercase, k=24))
        status = await self._status(join_url(site.url, f"dists/{name}/Release"), family)
        if status in _ABSENT or (site.url.startswith("ftp:") and status == _NO_SUCH_FILE_BY_FTP):
            return True
        refused = 400 <= status < 500 and status != _PROXY_WANTS_PASSWORD  # some say 403 for what is absent
        return refused and bool(site.path) and await self._has_known_file(site, family)

    async def _has_known_file(self, site: ControlSite, family: int) -> bool:
        return await self._status(join_url(site.url, site.path), family) == 200

    async def _status(self, url: str, family: int) -> int:
        """The status of the answer; 0 for none."""
        try:
            await self._fetcher.head(url, family)
        except AddressRefused:
            raise
        except BadResponseCode as error:
            return error.status
        except ProbeFailed:
            return 0
        return 200


def _moments_apart(one: ProbeReport, other: ProbeReport) -> float:
    """Seconds between the ends of two probes."""
    assert one.finished is not None and other.finished is not None
    return abs((one.finished - other.finished).total_seconds())


def _sum_up(answers: dict[ControlSite, bool]) -> bool | None:
    """Whether the prober has a network; None if that is not known.

    One server named in the settings that answers shows it.  Of the others more than half must answer, or half
    with a mirror among them, as the archive may stand in the same room.  One silent server shows nothing.
    """
    there = [site for site, answer in answers.items() if answer]
    if len(answers) - len(there) < 2 and not there and not any(site.chosen for site in answers):
        return None
    if any(site.chosen for site in there) or 2 * len(there) > len(answers):
        return True
    return 2 * len(there) == len(answers) and any(site.is_mirror for site in there)
