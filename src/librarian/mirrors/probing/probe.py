"""The probe of one mirror, from the first question to the report."""

import asyncio
import errno
import logging
import random
import socket
import string
from collections.abc import Awaitable
from datetime import timedelta
from hashlib import sha256
from urllib.parse import urlsplit

from librarian.interfaces import IClock
from librarian.mirrors.enums import FindingKind, MirrorContent, MirrorStatus
from librarian.mirrors.paths import join_url
from librarian.mirrors.probing.fetcher import Fetcher
from librarian.mirrors.probing.interfaces import Answer, BadResponseCode, Finding, ProbeFailed
from librarian.mirrors.probing.plan import ContentCheck, ImageCheck, ProbePlan, ProbeReport, Sample
from librarian.mirrors.probing.suites import SuiteVerifier

log = logging.getLogger(__name__)

_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_LONGEST_LINE = 600  # characters
_FAMILIES = (("IPv4", socket.AF_INET), ("IPv6", socket.AF_INET6))


class MirrorProbe:
    """Asks one mirror everything its plan holds.  Never raises for what the mirror does."""

    def __init__(self, fetcher: Fetcher, plan: ProbePlan, clock: IClock, chance: random.Random) -> None:
        self._fetcher = fetcher
        self._plan = plan
        self._clock = clock
        self._chance = chance
        self.report = ProbeReport(plan, clock.now())

    async def run(self) -> ProbeReport:
        """Ask, and give the finished report."""
        try:
            await self._ask_everything()
        except Exception as error:
            # A fault of ours with one mirror must neither cost the others their probe nor be held against it.
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

    # -- what an archive mirror is asked

    async def _probe_archive(self) -> None:
        if await self._says_yes_to_everything():
            return
        await asyncio.gather(*(self._check_content(check) for check in self._plan.checks))
        verifier = SuiteVerifier(self._fetcher, self.report, self.ask, self.find, self._clock)
        present = {key.suite for key in self.report.contents}
        await asyncio.gather(*(verifier.check(suite) for suite in sorted(present)))
        self._believe_release_files()
        if self.report.contents:
            await asyncio.gather(*(self._check_sample(sample) for sample in self._plan.samples))

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
        # Held against the mirror, not against this name: the next probe asks for another one.
        self.find(FindingKind.SOFT_404, self._plan.base_url, f"{url} never existed, and is answered with 200")
        return True

    async def _check_content(self, check: ContentCheck) -> None:
        url = join_url(self._plan.base_url, check.key.path)
        try:
            answer = await self.ask(self._fetcher.head(url))
        except ProbeFailed as error:
            self._failed(error)
            return
        self.log(f"Ensuring {check.key} is listed: {url} is there.")
        if answer.size is not None:
            self.report.sizes[check.key] = answer.size
        if (status := await self._freshness(check)) is not None:
            self.report.contents[check.key] = status

    def _believe_release_files(self) -> None:
        """A mirror with the archive's present Release file and the newest file that was asked for is up to
        date, however long ago that file was published: the windows alone could not tell."""
        for check in self._plan.checks:
            status = self.report.contents.get(check.key)
            newest = min(check.freshness, default=None)
            if status is not None and status is newest and self._is_current(check.key.suite):
                self.report.contents[check.key] = MirrorStatus.UP

    def _is_current(self, suite: str) -> bool:
        return self.report.suites.get(suite) is MirrorStatus.UP

    async def _freshness(self, check: ContentCheck) -> MirrorStatus | None:
        """The freshest status whose file is there; None if the host was given up meanwhile."""
        asked = [self._has(path, check.sizes.get(path)) for path in check.freshness.values()]
        there = await asyncio.gather(*asked)
        if any(answer is None for answer in there):
            return None
        found = [status for status, yes in zip(check.freshness, there, strict=True) if yes]
        status = min(found, default=MirrorStatus.UNKNOWN)
        self.log(f"{check.key}: {status.title}.")
        return status

    async def _has(self, path: str, size: int | None) -> bool | None:
        """Whether a file is there, whole; None if the host is skipped and so nobody knows."""
        url = join_url(self._plan.base_url, path)
        try:
            answer = await self.ask(self._fetcher.head(url))
        except ProbeFailed as error:
            if error.kind is FindingKind.SKIPPED:
                self._failed(error)
                return None
            self.log(str(error))
            return False
        if size is not None and answer.size is not None and answer.size != size:
            message = f"{url} has {answer.size} bytes; the archive lists {size} for it"
            self.find(FindingKind.SIZE_DIFFERS, url, message)
            return False
        return True

    async def _check_sample(self, sample: Sample) -> None:
        """Fetch a small file and compare its bytes with the index; absent is no lie, only stale."""
        url = join_url(self._plan.base_url, sample.path)
        try:
            answer = await self.ask(self._fetcher.get(url, sample.size))
        except ProbeFailed as error:
            if error.kind is FindingKind.SIZE_DIFFERS:
                self.find(
                    FindingKind.WRONG_BYTES, url, f"{url} is longer than the {sample.size} bytes it has"
                )
            else:
                self.log(str(error))
            return
        if sha256(answer.body).hexdigest() == sample.sha256:
            self.log(f"{url} has the right {sample.size} bytes.")
        else:
            self.find(FindingKind.WRONG_BYTES, url, f"{url} has not the bytes the archive lists for it")

    # -- what an image mirror is asked

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

    # -- what any mirror is asked

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

    # -- writing down

    async def ask(self, question: Awaitable[Answer]) -> Answer:
        """Await an answer, and note how long it took and until when the certificate is good."""
        self.report.requests += 1
        answer = await question
        self.report.seconds.append(answer.seconds)
        if answer.certificate_expires is not None:
            self.report.certificate_expires = answer.certificate_expires
        return answer

    def find(self, kind: FindingKind, url: str, message: str) -> None:
        """Hold something against the mirror, in the findings and in the log."""
        self.report.findings.append(Finding(kind, url, _one_line(message)))
        self.log(message)

    def _failed(self, error: ProbeFailed) -> None:
        self.find(error.kind, error.url, str(error))

    def log(self, message: str) -> None:
        """Append a line as the seed's prober writes them: time of day in UTC, colon, message."""
        self.report.log_lines.append(f"{self._clock.now():%a %b %e %H:%M:%S %Y}: {_one_line(message)}")


def _one_line(message: str) -> str:
    """The message without what a server may have smuggled into it: bytes that are no text, line ends,
    and more than anybody reads."""
    shown = message[:_LONGEST_LINE].encode("utf-8", "backslashreplace").decode()
    return "".join(one if one.isprintable() else "?" for one in shown)
