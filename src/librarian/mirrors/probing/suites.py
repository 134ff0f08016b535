"""Judging the Release file of a suite: is it the archive's, how old is it, who signed it.

Clients of an archive trust its Release file, and its date tells, to the minute, the state of the archive
that the mirror holds; a HEAD request cannot tell that.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from hashlib import sha256

from librarian.interfaces import IClock
from librarian.mirrors.archive.interfaces import BadSignature, MalformedArchive
from librarian.mirrors.archive.release_file import ReleaseFile, parse_release
from librarian.mirrors.archive.signatures import verify
from librarian.mirrors.enums import FindingKind, MirrorStatus
from librarian.mirrors.freshness import status_for_lag
from librarian.mirrors.paths import join_url
from librarian.mirrors.probing.interfaces import Answer, BadResponseCode, ProbeFailed, proves_absence
from librarian.mirrors.probing.plan import KnownRelease, ProbeReport, SuiteState
from librarian.mirrors.probing.transport.fetcher import Fetcher


class SuiteVerifier:
    """Checks the Release files of one mirror against those the archive is known to have had."""

    def __init__(
        self,
        fetcher: Fetcher,
        report: ProbeReport,
        ask: Callable[[Awaitable[Answer]], Awaitable[Answer]],
        find: Callable[[FindingKind, str, str], None],
        clock: IClock,
    ) -> None:
        self._fetcher = fetcher
        self._report = report
        self._ask = ask
        self._find = find
        self._clock = clock
        self._keyring = report.plan.keyring or fetcher.settings.keyring

    async def check(self, suite: str) -> None:
        """Fetch and judge the Release file of `suite`; each fault becomes a finding."""
        known = self._report.plan.releases.get(suite, ())
        if not known and self._keyring is None:
            return  # nothing to compare with
        url = join_url(self._report.plan.base_url, f"dists/{suite}/InRelease")
        try:
            raw, signature, url = await self._fetch(url)
            text = await self._signed_text(raw, signature)
            release = parse_release(text)
        except ProbeFailed as error:
            # A mirror that carries a suite must have its Release file, if the archive has one.
            lacks = known and proves_absence(error)
            self._find(FindingKind.INCOMPLETE if lacks else error.kind, error.url, str(error))
        except BadSignature as error:
            self._find(FindingKind.BAD_SIGNATURE, url, f"{url}: {error}")
        except MalformedArchive as error:
            self._find(FindingKind.RELEASE_DIFFERS, url, f"{url} is no Release file: {error}")
        else:
            self._judge(suite, url, raw, release, known)
            self._compare_sizes(suite, release)

    async def is_unchanged(self, state: SuiteState) -> bool:
        """Whether the Release file is still the one that `state` tells of."""
        try:
            answer = await self._ask(self._fetcher.get(state.url))
        except ProbeFailed:
            return False
        return answer.sha256 == state.digest

    async def _fetch(self, url: str) -> tuple[bytes, bytes | None, str]:
        """(Release or InRelease, the detached signature of the former, the URL it came from)."""
        try:
            return (await self._ask(self._fetcher.get(url))).body, None, url
        except BadResponseCode:
            plain = url.removesuffix("InRelease") + "Release"
            raw = (await self._ask(self._fetcher.get(plain))).body
            if self._keyring is None:
                return raw, None, plain
            return raw, await self._signature_of(plain), plain

    async def _signature_of(self, url: str) -> bytes:
        """The detached signature of a Release file; a Release file without one counts as forged."""
        try:
            return (await self._ask(self._fetcher.get(url + ".gpg"))).body
        except BadResponseCode as error:
            raise BadSignature("it is not signed") from error

    async def _signed_text(self, raw: bytes, signature: bytes | None) -> bytes:
        """The text that was signed; without a keyring, the text."""
        if self._keyring is None:
            return raw
        return await asyncio.to_thread(verify, raw, signature, self._keyring)

    def _judge(
        self, suite: str, url: str, raw: bytes, release: ReleaseFile, known: tuple[KnownRelease, ...]
    ) -> None:
        now = self._clock.now()
        self._check_validity(url, release, now)
        digest = sha256(raw).hexdigest()
        recognised = any(digest in each.digests for each in known)
        newest = known[-1].date if known else release.date
        if not recognised and self._keyring is None and release.date <= newest:
            self._find(FindingKind.RELEASE_DIFFERS, url, f"{url} is none the archive ever had")
            return
        newer = [each.seen for each in known if each.date > release.date]
        lag = now - min(newer, default=now)
        self._report.states[suite] = SuiteState(release, url, digest, lag, ahead=release.date > newest)
        self._report.suites[suite] = status_for_lag(lag) if newer else MirrorStatus.UP
        if newer:
            self._note_lag(url, release, lag)

    def _check_validity(self, url: str, release: ReleaseFile, now: datetime) -> None:
        """Report a Release file that is past its Valid-Until: apt refuses it."""
        if release.valid_until is not None and release.valid_until < now:
            message = f"{url} was valid until {release.valid_until:%Y-%m-%d %H:%M} UTC; clients refuse it"
            self._find(FindingKind.RELEASE_EXPIRED, url, message)

    def _note_lag(self, url: str, release: ReleaseFile, lag: timedelta) -> None:
        self._report.lag = max(lag, self._report.lag or lag)
        hours = lag.total_seconds() / 3600
        message = f"{url} is of {release.date:%Y-%m-%d %H:%M} UTC, {hours:.1f} hours behind the archive"
        self._find(FindingKind.RELEASE_STALE, url, message)

    def _compare_sizes(self, suite: str, release: ReleaseFile) -> None:
        """Compare the sizes of indices with those in the mirror's Release file."""
        for key, size in self._report.sizes.items():
            listed = release.files.get(key.index)
            if key.suite == suite and listed is not None and listed.size != size:
                url = join_url(self._report.plan.base_url, key.path)
                message = f"{url} has {size} bytes; the mirror's own Release file says {listed.size}"
                self._find(FindingKind.SIZE_DIFFERS, url, message)
