"""Moving a name space to another server: from a directory tree of filetracker 1.x, or a running server.

A name that the target has in this version or a greater one is not sent, so an interrupted run is simply
repeated.  Each name of the source is accounted for: it is at the target, or a later listing of the source
lacks it, or it is among the failures.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from librarian.tracker.client.migration.mover import Mover, Outcome
from librarian.tracker.client.migration.sources import Source
from librarian.tracker.client.stores.remote import RemoteDataStore

JOBS = 4  # files that are copied at the same time
LISTINGS = 5  # of a source that keeps changing; after these the rest is left to another run

Report = Callable[[str, Outcome], None]


@dataclass
class Tally:
    """The result of a migration; `failures` are pairs (name, reason).

    `only_there`, filled with `verify`: names that the target has and the source has not.
    """

    counts: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    bytes_copied: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    only_there: list[str] = field(default_factory=list)


def migrate(
    source: Source,
    target: RemoteDataStore,
    report: Report = lambda name, outcome: None,
    *,
    expect: Callable[[int], None] = lambda count: None,
    verify: bool = False,
    below: str = "/",
    jobs: int = JOBS,
) -> Tally:
    """Copy every name of `source`, or those below a directory, to `target`.

    `expect` is called with the number of names, again when more have come; `report` with the outcome of
    each.  A failure of one name does not stop the others.  The target gets the digest of each file and
    refuses other bytes.  A name that it has already is compared by version and size; with `verify` also by
    digest, which reads it at both ends, and at last the two listings are compared.  The source is listed
    until a listing has no new name; a name that it lists and does not find is a failure.  A name that the
    target would redirect to its fallback counts as missing there.
    """
    with tempfile.TemporaryDirectory(prefix="tracker-migrate-") as scratch, ThreadPoolExecutor(jobs) as pool:
        mover = Mover(source, target.own(), scratch, verify)
        run = _Run(mover, f"/{below.strip('/')}/".replace("//", "/"), report)
        run.copy_all(
            expect, lambda names: _limited_ahead((pool.submit(mover.move, name) for name in names), 4 * jobs)
        )
        if verify:
            run.compare_listings()
    return run.tally


Results = Iterator["Future[tuple[Outcome, int, str]]"]


class _Run:
    """All names of one migration."""

    def __init__(self, mover: Mover, prefix: str, report: Report) -> None:
        self.tally = Tally()
        self._mover = mover
        self._prefix = prefix
        self._report = report
        self._listed: set[str] = set()  # by the source, most recently

    def copy_all(self, expect: Callable[[int], None], begin: Callable[[list[str]], Results]) -> None:
        """Copy until a listing of the source has no new name; `begin` starts copies of names."""
        seen: set[str] = set()
        unfound: set[str] = set()  # not found by the last pass, and listed again after it
        for _listing in range(LISTINGS):
            self._listed = self._below(self._mover.source.names())
            self._settle(unfound - self._listed, Outcome.GONE)
            unfound &= self._listed
            names = sorted(self._listed - seen | unfound)
            if not names:
                return
            seen |= self._listed
            expect(len(seen))
            unfound = self._copy(names, unfound, begin(names))
        self._listed = self._below(self._mover.source.names())
        self._fail(unfound | self._listed - seen, "came or went while others were copied; run this again")

    def compare_listings(self) -> None:
        """Find the names that the target does not list, and those that only the target lists."""
        theirs = self._below(self._mover.list_target())
        failed = {name for name, _reason in self.tally.failures}
        self._fail(self._listed - theirs - failed, "the target does not list it")
        self.tally.only_there = sorted(theirs - self._listed)

    def _copy(self, names: list[str], unfound: set[str], results: Results) -> set[str]:
        """One pass; returns the names that were not found.  Those that were `unfound` before have failed."""
        missing = set()
        for name, result in zip(names, results, strict=True):
            outcome, size, reason = result.result()
            self.tally.bytes_copied += size
            if outcome is Outcome.FAILED:
                self._fail([name], reason)
            elif outcome is not Outcome.GONE:
                self._settle([name], outcome)
            elif name in unfound:
                self._fail([name], "the source lists it and answers that there is no such file")
            else:
                missing.add(name)
        return missing

    def _below(self, names: Iterable[str]) -> set[str]:
        return {name for name in names if name.startswith(self._prefix)}

    def _settle(self, names: Iterable[str], outcome: Outcome) -> None:
        for name in sorted(names):
            self.tally.counts[outcome] += 1
            self._report(name, outcome)

    def _fail(self, names: Iterable[str], reason: str) -> None:
        names = sorted(names)
        self.tally.failures += [(name, reason) for name in names]
        self._settle(names, Outcome.FAILED)


def _limited_ahead(work: Results, count: int) -> Results:
    """The results of `work` in order, with at most `count` of its futures started ahead."""
    begun: list[Future[tuple[Outcome, int, str]]] = []
    for one in work:
        begun.append(one)
        if len(begun) >= count:
            yield begun.pop(0)
    yield from begun
