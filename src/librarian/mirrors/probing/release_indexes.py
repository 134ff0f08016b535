"""The index files a mirror's Release file names: fetched and hashed, the small ones each time, the large
ones by turns."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from librarian.mirrors.archive.interfaces import ListedFile
from librarian.mirrors.enums import FindingKind
from librarian.mirrors.paths import join_url
from librarian.mirrors.probing.interfaces import Answer, BodyTooLarge, Finding, ProbeFailed, proves_absence
from librarian.mirrors.probing.plan import ProbeReport, SuiteState
from librarian.mirrors.probing.transport.fetcher import Fetcher

SMALL = 64 * 1024  # bytes
LARGEST = 512 * 1024 * 1024  # bytes; what claims to be larger is no index
#: In one suite at one probe.  A large distribution names about a thousand, most of them small; beyond this
#: a Release file is not what it seems.
MOST = 2000


@dataclass(frozen=True, slots=True)
class IndexFile:
    """An index as the Release file lists it."""

    suite: str
    name: str  # below dists/<suite>/
    listed: ListedFile

    @property
    def path(self) -> str:
        """The path from the archive's root."""
        return f"dists/{self.suite}/{self.name}"

    @property
    def packed(self) -> bool:
        """Whether it is compressed: then the archive has it on disk.  Plain ones are often listed
        only for their digests, and are not on disk."""
        return self.name.endswith((".gz", ".xz", ".bz2", ".zst", ".lzma"))

    @property
    def folder(self) -> str:
        """The path of its directory from the archive's root."""
        return self.path.rpartition("/")[0]


def due_indices(suite: str, state: SuiteState, probe_number: int, rotation: int) -> list[IndexFile]:
    """The indices of a suite whose turn it is.

    A large one has its turn at one of `rotation` consecutive probes, which one its name decides: so it keeps
    its place whatever else the Release file comes to name.
    """
    due = _due(suite, state.release.files.items(), probe_number % rotation, rotation)
    return [index for index, _ in zip(due, range(MOST), strict=False)]


def _due(
    suite: str, listed: Iterable[tuple[str, ListedFile]], turn: int, rotation: int
) -> Iterator[IndexFile]:
    for name, file in listed:
        if file.size <= SMALL or (file.size <= LARGEST and turn_of(name, rotation) == turn):
            yield IndexFile(suite, name, file)


def turn_of(name: str, rotation: int) -> int:
    """At which of `rotation` consecutive probes a large index is fetched, from 0; by its name alone."""
    return int.from_bytes(sha256(name.encode()).digest()[:8]) % rotation


class IndexVerifier:
    """Checks the indices of one mirror against its own Release files."""

    def __init__(
        self,
        fetcher: Fetcher,
        report: ProbeReport,
        ask: Callable[[Awaitable[Answer]], Awaitable[Answer]],
        failed: Callable[[ProbeFailed], None],
        say: Callable[[str], None],
    ) -> None:
        self._fetcher = fetcher
        self._report = report
        self._ask = ask
        self._failed = failed
        self._say = say

    async def check(self, carried: Collection[str]) -> list[Finding]:
        """Fetch and hash the indices whose turn it is; those that are not what the Release file says.

        `carried`: the folders with the indices of the parts that the mirror has.
        """
        plan = self._report.plan
        due = [
            index
            for suite, state in self._report.states.items()
            for index in due_indices(suite, state, plan.probe_number, plan.index_rotation)
        ]
        found = await asyncio.gather(*(self._check(index, carried) for index in due))
        return [finding for finding in found if finding is not None]

    async def _check(self, index: IndexFile, carried: Collection[str]) -> Finding | None:
        url = join_url(self._report.plan.base_url, index.path)
        try:
            answer = await self._ask(self._fetcher.digest(url, index.listed.size))
        except BodyTooLarge:
            return Finding(FindingKind.WRONG_BYTES, url, f"{url} is longer than its Release file says")
        except ProbeFailed as error:
            # The archive may list what it does not have, unless it is compressed; and a mirror may leave
            # out whole folders.
            if not proves_absence(error) or (index.packed and index.folder in carried):
                self._failed(error)
            else:
                self._say(str(error))
            return None
        if answer.sha256 == index.listed.sha256:
            return None
        return Finding(FindingKind.WRONG_BYTES, url, f"{url} has not the bytes its Release file lists for it")
