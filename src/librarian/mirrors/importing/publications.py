"""Reading the publications of an archive into the registry.

The archive is read without a transaction open; then each index is compared with what is known of it
in one transaction, and what is new gets the date of the Release file.  A run that is cut off is simply
run again.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from zope.component import getUtility

from librarian.interfaces import IClock
from librarian.mirrors.archive.indices import read_index
from librarian.mirrors.archive.interfaces import (
    ArchiveEntry,
    ArchiveExpired,
    ArchiveGoesBack,
    IArchiveSource,
    MalformedArchive,
    NotInArchive,
)
from librarian.mirrors.archive.release_file import ReleaseFile, parse_release
from librarian.mirrors.archive.signatures import verify
from librarian.mirrors.enums import PackagePublishingPocket
from librarian.mirrors.model.distributions import Distribution
from librarian.mirrors.model.publications import BEFORE_RECORDS, Publication, Publications
from librarian.mirrors.paths import installer_section, is_installer_section
from librarian.mirrors.paths import suite as suite_name
from librarian.mirrors.probing.plan import ContentKey, KnownRelease
from librarian.mirrors.service.subtree import SUBTREE
from librarian.tree.interfaces import ITree

log = logging.getLogger(__name__)

_NO_MACHINE = frozenset({"all", "source"})  # listed as architectures, but no builds of their own


@dataclass(slots=True)
class ImportSummary:
    """The result of one run: numbers of publications."""

    suites: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    published: int = 0
    superseded: int = 0
    verified: bool = False


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Options of reading an archive."""

    keyring: str | None = None
    components: Sequence[str] = ()  # none: all that the Release file names
    pockets: Sequence[PackagePublishingPocket] = tuple(PackagePublishingPocket)
    allow_expired: bool = False


class ArchiveImport:
    """Reads suites of one archive into a distribution, which must exist."""

    def __init__(self, source: IArchiveSource, distribution: str, options: ImportOptions) -> None:
        self._source = source
        self._distribution_name = distribution
        self._options = options
        self._tree = getUtility(ITree)
        self._clock = getUtility(IClock)
        self.summary = ImportSummary(verified=options.keyring is not None)

    def run(self, release: str, on_index: Callable[[str], None] = lambda name: None) -> ImportSummary:
        """Read every pocket of `release` the archive has.  Raises an ArchiveError.

        Raises NotInArchive if it has none of them.
        """
        found = 0
        for pocket in self._options.pockets:
            try:
                self._read_suite(release, pocket, on_index)
            except NotInArchive as error:
                if not error.path.endswith("/Release"):
                    raise
                continue  # this archive has no such pocket
            found += 1
        if not found:
            raise NotInArchive(f"dists/{release}/Release")
        return self.summary

    def _read_suite(
        self, release: str, pocket: PackagePublishingPocket, on_index: Callable[[str], None]
    ) -> None:
        suite = suite_name(release, pocket)
        text, digests = self._signed_release(suite)
        file = parse_release(text)
        known = self._tree.run(lambda: self._distribution().known_releases(suite))
        if known and digests & known[-1].digests:
            self.summary.unchanged.append(suite)
            return
        self._refuse_stale(suite, file, known)
        for part in self._parts(release, pocket, file):
            on_index(str(part))
            self._read_index(part, file)
        seen = KnownRelease(file.date, self._seen(file, bool(known)), digests)
        self._tree.run(lambda: self._distribution().note_release(suite, seen))
        self.summary.suites.append(suite)
        log.info("suite imported distribution=%s suite=%s", self._distribution_name, suite)

    def _signed_release(self, suite: str) -> tuple[bytes, frozenset[str]]:
        """(what was signed, sha256 of both forms of the file)."""
        folder = f"dists/{suite}"
        plain = self._read_or_none(f"{folder}/Release")
        inline = self._read_or_none(f"{folder}/InRelease")
        raw = inline if inline is not None else plain
        if raw is None:
            raise NotInArchive(f"{folder}/Release")
        digests = frozenset(sha256(each).hexdigest() for each in (plain, inline) if each is not None)
        if self._options.keyring is None:
            return raw, digests
        signature = None if inline is not None else self._source.read(f"{folder}/Release.gpg")
        return verify(raw, signature, self._options.keyring), digests

    def _read_or_none(self, path: str) -> bytes | None:
        try:
            return self._source.read(path)
        except NotInArchive:
            return None

    def _refuse_stale(self, suite: str, file: ReleaseFile, known: tuple[KnownRelease, ...]) -> None:
        if known and file.date < known[-1].date:
            raise ArchiveGoesBack(suite, f"{file.date:%Y-%m-%d %H:%M}", f"{known[-1].date:%Y-%m-%d %H:%M}")
        if file.valid_until and file.valid_until < self._clock.now() and not self._options.allow_expired:
            raise ArchiveExpired(suite, f"{file.valid_until:%Y-%m-%d %H:%M}")

    def _seen(self, file: ReleaseFile, is_update: bool) -> datetime:
        """Since when mirrors could have had it: the first state read may be as old as it says."""
        now = self._clock.now()
        return now if is_update else min(now, file.date)

    def _parts(
        self, release: str, pocket: PackagePublishingPocket, file: ReleaseFile
    ) -> Iterator[ContentKey]:
        """The parts of a suite that may have an index: sources, binaries, and those of the installer."""
        wanted = [name for name in file.components if name in (self._options.components or file.components)]
        machines = sorted(set(file.architectures) - _NO_MACHINE)
        for component in wanted:
            for architecture in (None, *machines):
                yield ContentKey(release, pocket, component, architecture)
            for architecture in machines:
                yield ContentKey(release, pocket, installer_section(component), architecture)

    def _read_index(self, part: ContentKey, file: ReleaseFile) -> None:
        index = part.index.removesuffix(".gz")
        try:
            entries = {each.path: each for each in read_index(self._source, part.suite, file, index)}
        except NotInArchive as error:
            if any(name.startswith(index) for name in file.files):
                raise MalformedArchive(f"{part.suite}: listed, but not there: {error.path}") from error
            return  # not every component is built everywhere, nor has every one an installer
        date = min(file.date, self._clock.now())

        def take() -> tuple[int, int]:
            return update(self._publications(part, file), entries, date, self._modified)

        published, superseded = self._tree.run(take)
        self.summary.published += published
        self.summary.superseded += superseded

    def _publications(self, part: ContentKey, file: ReleaseFile) -> Publications:
        """The known publications of `part`; its release, component and build are made if need be."""
        release = self._distribution().ensureRelease(part.release, file.version)
        component = release.ensureComponent(part.component.partition("/")[0])
        if is_installer_section(part.component):
            component = release.ensureInstaller(component)
        target = release if part.architecture is None else release.ensureArch(part.architecture)
        return target.publications(part.pocket, component)

    def _modified(self, path: str) -> datetime:
        """The modification time of a file of a local archive; BEFORE_RECORDS in any other."""
        look: Any = getattr(self._source, "modified", None)
        found: datetime | None = look(path) if look else None
        return found or BEFORE_RECORDS

    def _distribution(self) -> Distribution:
        found: Distribution = self._tree.subtree(SUBTREE).distributions[self._distribution_name]
        return found


def update(
    publications: Publications,
    entries: dict[str, ArchiveEntry],
    date: datetime,
    modified: Callable[[str], datetime],
) -> tuple[int, int]:
    """Make `publications` say what an index says now; how many files are new, and how many gone.

    Files of the first reading were published at an unknown time before it: `modified` tells a later limit.
    """
    before = publications.paths()
    for path in before - entries.keys():
        publications.remove(path)
    new = [entry for path, entry in entries.items() if path not in before]
    for entry in new:
        when = date if publications.read_before else min(date, modified(entry.path))
        publications.add(
            Publication(entry.kind, entry.source, entry.version, entry.path, when, entry.size, entry.sha256)
        )
    publications.read_before = True
    return len(new), len(before - entries.keys())
