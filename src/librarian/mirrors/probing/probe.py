"""The probe of one mirror, from the first question to the report."""

import asyncio
import errno
import logging
import random
import socket
import string
from collections.abc import Awaitable
from datetime import timedelta
from urllib.parse import urlsplit

from librarian.interfaces import IClock
from librarian.mirrors.enums import FindingKind, MirrorContent
from librarian.mirrors.paths import join_url
from librarian.mirrors.probing.interfaces import (
    Answer,
    BadResponseCode,
    BodyTooLarge,
    ConnectionSkipped,
    Finding,
    ProbeFailed,
    proves_absence,
)
from librarian.mirrors.probing.parts import AskedFile, judge_part
from librarian.mirrors.probing.plan import (
    ContentCheck,
    ContentKey,
    ImageCheck,
    ProbePlan,
    ProbeReport,
    Sample,
)
from librarian.mirrors.probing.release_indexes import IndexVerifier
from librarian.mirrors.probing.suites import SuiteVerifier
from librarian.mirrors.probing.transport.fetcher import Fetcher

log = logging.getLogger(__name__)

_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_LONGEST_LINE = 600  # characters
_FAMILIES = (("IPv4", socket.AF_INET), ("IPv6", socket.AF_INET6))


class MirrorProbe:
    """The probe of one mirror, by its plan.  No answer of the mirror raises an error."""

    def __init__(self, fetcher: Fetcher, plan: ProbePlan, clock: IClock, chance: random.Random) -> None:
        self._fetcher = fetcher
        self._plan = plan
        self._clock = clock
        self._chance = chance
        self.report = ProbeReport(plan, clock.now())
        self._asked: dict[ContentKey, list[AskedFile]] = {}  # by part, of those that are carried
        self._verifier = SuiteVerifier(fetcher, self.report, self.ask, self.find, clock)

    async def run(self) -> ProbeReport:
        """Make all requests of the plan; the finished report."""
        try:
            await self._ask_everything()
        except Exception as error:
            # An error in the prober must neither end the other probes nor count as the mirror's failure.
            log.exception("probe broken off mirror=%s", self._plan.mirror_id)
            self.report.broken_off = True
            self.log(f"The probe was broken off by a fault of the prober: {error!r}")
        self.report.finished = self._clock.now()
        return self.report

    async def _ask_everything(self) -> None:
        if self._plan.content is MirrorContent.ARCHIVE:
            await self._probe_archive()
        else:
            await self._probe_images()
        if self.report.contents or self.report.images:
            await self._check_families()
        self._warn_of_certificate()

    # -- requests to an archive mirror

    async def _probe_archive(self) -> None:
        if await self._says_yes_to_everything():
            return
        carries = await asyncio.gather(*(self._carries(check) for check in self._plan.checks))
        carried = [check for check, yes in zip(self._plan.checks, carries, strict=True) if yes]
        suites = {check.key.suite for check in carried}
        await asyncio.gather(*(self._verifier.check(suite) for suite in sorted(suites)))
        await asyncio.gather(*(self._ask_for_files(check) for check in carried))
        if carried:
            await asyncio.gather(*(self._check_sample(sample) for sample in self._plan.samples))
        indices = IndexVerifier(self._fetcher, self.report, self.ask, self._failed, self.log)
        wrong = await indices.check({key.path.rpartition("/")[0] for key in self._asked})
        await self._hold_against(self._judge_parts(), wrong)

    async def _says_yes_to_everything(self) -> bool:
        """Whether the server answers 200 for a file that never existed: then a 200 means nothing."""
        name = "".join(self._chance.choices(string.ascii_lowercase, k=24))
        url = join_url(self._plan.base_url, f"dists/{name}/Release")
        try:
            await self.ask(self._fetcher.head(url))
        except BadResponseCode:
            self.log(f"{url} is not there, as it should be.")
            return False
        except ProbeFailed as error:
            self.log(str(error))
            return False
        # Counted as the mirror's failure; the next probe asks under another name.
        self.find(FindingKind.SOFT_404, self._plan.base_url, f"{url} never existed, and is answered with 200")
        return True

    async def _carries(self, check: ContentCheck) -> bool:
        """Whether the index of a part is there."""
        url = join_url(self._plan.base_url, check.key.path)
        try:
            answer = await self.ask(self._fetcher.head(url))
        except ProbeFailed as error:
            self._failed(error)
            return False
        self.log(f"Ensuring {check.key} is listed: {url} is there.")
        if answer.size is not None:
            self.report.sizes[check.key] = answer.size
        return True

    async def _ask_for_files(self, check: ContentCheck) -> None:
        """Ask for the files that decide the status of a part; the part has none if the host is given up."""
        try:
            files = [self._look_for(path, check) for path in check.freshness.values()]
            self._asked[check.key] = list(await asyncio.gather(*files))
        except ConnectionSkipped as error:
            self._failed(error)

    async def _look_for(self, path: str, check: ContentCheck) -> AskedFile:
        there = await self._has(path, check.sizes.get(path))
        return AskedFile(path, there, check.dates.get(path))

    async def _has(self, path: str, size: int | None) -> bool | None:
        """Whether a file is there, whole; None if that is not known.  Raises ConnectionSkipped."""
        url = join_url(self._plan.base_url, path)
        try:
            answer = await self.ask(self._fetcher.head(url))
        except ConnectionSkipped:
            raise
        except ProbeFailed as error:
            return self._is_not_there(error)
        if size is not None and answer.size is not None and answer.size != size:
            message = f"{url} has {answer.size} bytes; the archive lists {size} for it"
            self.find(FindingKind.SIZE_DIFFERS, url, message)
            return False
        return True

    def _is_not_there(self, error: ProbeFailed) -> bool | None:
        """False if the server said that the file is absent; None if that is not known."""
        if proves_absence(error):
            self.log(str(error))
            return False
        self._failed(error)
        return None

    async def _check_sample(self, sample: Sample) -> None:
        """Fetch a published file and compare its bytes with the index."""
        homes = [(key, date) for key, date in sample.homes if key in self._asked]
        if sample.homes and not homes:
            return
        if sample.fetched:
            there = await self._has_bytes(sample)
        else:
            there = await self._has(sample.path, sample.size or None)
        for key, date in homes:
            self._asked[key].append(AskedFile(sample.path, there, date))

    async def _has_bytes(self, sample: Sample) -> bool | None:
        """Whether a file is there; other bytes than the archive's become a finding."""
        url = join_url(self._plan.base_url, sample.path)
        try:
            answer = await self.ask(self._fetcher.digest(url, sample.size))
        except BodyTooLarge:
            self.find(FindingKind.WRONG_BYTES, url, f"{url} is longer than the {sample.size} bytes it has")
            return True
        except ProbeFailed as error:
            return self._is_not_there(error)
        if answer.sha256 == sample.sha256:
            self.log(f"{url} has the right {sample.size} bytes.")
        else:
            self.find(FindingKind.WRONG_BYTES, url, f"{url} has not the bytes the archive lists for it")
        return True

    # -- verdict

    def _judge_parts(self) -> list[str]:
        """Judge each part; the paths of the files that the mirror lacks."""
        lacking: dict[str, None] = {}
        for check in self._plan.checks:
            if check.key not in self._asked:
                continue
            state = self.report.states.get(check.key.suite)
            found = judge_part(check, self._asked[check.key], state, self._clock.now())
            self.report.contents[check.key] = found.status
            self.report.unsure |= found.unsure
            if found.lag is not None:
                self.report.lag = max(found.lag, self.report.lag or found.lag)
            lacking.update(dict.fromkeys(found.lacking))
            self.log(f"{check.key}: {found.status.title}.")
        return list(lacking) or self._none_of_all()

    def _none_of_all(self) -> list[str]:
        """The files that were asked for, if the mirror has none of them: it has indices, and no packages.

        Where a Release file tells what should be there, it has been asked for that.
        """
        states = self.report.states
        asked = [file for key, files in self._asked.items() if key.suite not in states for file in files]
        if self.report.unsure or any(file.there is not False for file in asked):
            return []
        return list(dict.fromkeys(file.path for file in asked))

    async def _hold_against(self, lacking: list[str], wrong: list[Finding]) -> None:
        """Make findings of files that lack or are wrong, unless the mirror synchronised during the probe."""
        if not (lacking or wrong):
            return
        states = list(self.report.states.values())
        same = await asyncio.gather(*(self._verifier.is_unchanged(state) for state in states))
        if not all(same):
            self.report.moving = True
            self.log(
                "The mirror synchronised while it was asked; what it lacked then is not held against it."
            )
            return
        for path in lacking:
            url = join_url(self._plan.base_url, path)
            self.find(FindingKind.INCOMPLETE, url, f"{url} is not there; the archive's indices list it")
        for finding in wrong:
            self.find(finding.kind, finding.url, finding.message)

    # -- requests to an image mirror

    async def _probe_images(self) -> None:
        if not await self._says_yes_to_everything():
            await asyncio.gather(*(self._check_images(check) for check in self._plan.images))

    async def _check_images(self, check: ImageCheck) -> None:
        outcomes = await asyncio.gather(*(self._image_error(path) for path in check.paths))
        errors = [error for error in outcomes if error is not None]
        for error in errors:
            self._failed(error)
        if not errors:
            self.log(f"Found all images of {check.release} ({check.flavour}).")
            self.report.images.append(check)

    async def _image_error(self, path: str) -> ProbeFailed | None:
        try:
            await self.ask(self._fetcher.head(join_url(self._plan.base_url, path)))
        except ProbeFailed as error:
            return error
        return None

    # -- requests to any mirror

    async def _check_families(self) -> None:
        host = urlsplit(self._plan.base_url).hostname or ""
        if self._fetcher.settings.proxy or self._plan.base_url.startswith("ftp:"):
            return
        present = await self._fetcher.families(host)
        for name, family in _FAMILIES:
            state = await self._family_state(family) if family in present else "none"
            self.report.families[name] = state
            if state == "down":
                self.find(FindingKind.FAMILY_DOWN, self._plan.base_url, f"{host} does not answer over {name}")

    async def _family_state(self, family: socket.AddressFamily) -> str:
        try:
            await self.ask(self._fetcher.head(join_url(self._plan.base_url, self._known_path()), family))
        except BadResponseCode:
            return "up"
        except ProbeFailed as error:
            cause = error.__cause__
            return "untested" if isinstance(cause, OSError) and cause.errno in _NO_ROUTE else "down"
        return "up"

    def _known_path(self) -> str:
        """A file this mirror is known to have by now."""
        for key in self.report.contents:
            return key.path
        return self.report.images[0].paths[0]

    def _warn_of_certificate(self) -> None:
        expires = self.report.certificate_expires
        warn_days = timedelta(days=self._fetcher.settings.certificate_warning_days)
        if expires is not None and expires - self._clock.now() < warn_days:
            message = f"the certificate is valid until {expires:%Y-%m-%d %H:%M} UTC only"
            self.find(FindingKind.CERTIFICATE_EXPIRES, self._plan.base_url, message)

    # -- log

    async def ask(self, question: Awaitable[Answer]) -> Answer:
        """Await an answer, and note how long it took and until when the certificate is good."""
        self.report.requests += 1
        answer = await question
        self.report.seconds.append(answer.seconds)
        if answer.certificate_expires is not None:
            self.report.certificate_expires = answer.certificate_expires
        return answer

    def find(self, kind: FindingKind, url: str, message: str) -> None:
        """Note a finding, and log it."""
        self.report.findings.append(Finding(kind, url, _one_line(message)))
        self.log(message)

    def _failed(self, error: ProbeFailed) -> None:
        self.find(error.kind, error.url, str(error))

    def log(self, message: str) -> None:
        """Append a line to the log: date and time as ctime(3) writes them, in UTC, a colon, the message."""
        self.report.log_lines.append(f"{self._clock.now():%a %b %e %H:%M:%S %Y}: {_one_line(message)}")


def _one_line(message: str) -> str:
    """The message as one printable line of at most _LONGEST_LINE characters: it may quote what a server
    sent, such as line ends or bytes that are not text."""
    shown = message[:_LONGEST_LINE].encode("utf-8", "backslashreplace").decode()
    if shown.isprintable():
        return shown
    return "".join(one if one.isprintable() else "?" for one in shown)
