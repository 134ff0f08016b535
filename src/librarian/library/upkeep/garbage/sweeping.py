"""The sweep: bytes that no content names are removed from the byte store.

A tree that the bytes do not belong to names next to none of them.  So a sweep that would remove an unusual
share of all that is held removes nothing, and says so.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from zope.component import getUtility

from librarian.library.operations import Library
from librarian.library.upkeep.garbage.report import Action
from librarian.library.upkeep.garbage.run import Run
from librarian.library.upkeep.interfaces import UpkeepBusy
from librarian.library.upkeep.leases import HeldLease, leased
from librarian.library.uploads.interfaces import IResumableUploads, UploadBusy, UploadNotFound
from librarian.store.interfaces import BytesDamaged, BytesNotFound
from librarian.tree.batches import change_in_batches

log = logging.getLogger(__name__)

DAY = timedelta(days=1)  # longer than any upload takes from its bytes to its commit
ROUND = 50_000  # digests in memory at the same time, some 5 MB


class Doomed:
    """The files that no content has named since `unnamed`, and that were last stored before `before`.

    `pause` is called now and then, to look at the tree as it is by then.
    """

    def __init__(
        self, library: Library, before: datetime, unnamed: datetime, pause: Callable[[], None], pace: int
    ) -> None:
        self._library = library
        self._before = before
        self._unnamed = unnamed
        self._pause = pause
        self._pace = pace
        self.held = 0  # files that the last walk has seen
        self.number = 0  # of these, the ones to be removed

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Digest and size of each."""
        self.held = self.number = 0
        for sha256 in self._library.store:
            self.held += 1
            if self.held % self._pace == 0:
                self._pause()
            size = self.size_if_doomed(sha256)
            if size is not None:
                self.number += 1
                yield sha256, size

    def size_if_doomed(self, sha256: str) -> int | None:
        """The size in bytes if no content names the file and it is old enough to remove; else None."""
        subtree, key = self._library.subtree, bytes.fromhex(sha256)
        if key in subtree.contents or subtree.was_dropped_since(key, self._unnamed):
            return None
        store = self._library.store
        try:
            size: int = store.size(sha256)
            return size if store.stored_at(sha256) < self._before else None
        except (BytesNotFound, BytesDamaged):
            return None  # another collector was here, or a scrub

    def rounds(self) -> Iterator[list[str]]:
        """All of them, walked through once before the first is given; a part at a time.

        Those of a part are to be removed before the next is asked for.
        """
        walk = iter(self)
        part = [sha256 for sha256, _size in islice(walk, ROUND)]
        for _rest in walk:
            continue  # counted, and found again
        yield part
        for _turn in range(ROUND, self.number, ROUND):
            again = Doomed(self._library, self._before, self._unnamed, self._pause, self._pace)
            part = [sha256 for sha256, _size in islice(again, ROUND)]
            yield part


def sweep(run: Run, references: dict[str, Any], however_much: bool) -> None:
    """Bytes that no content names go, a day after they were last stored; not while a backup copies.

    Resumable uploads that have expired, or whose upload link takes no file any more, go at any time.
    """
    _forget_uploads(run)
    if run.dry_run:
        _Sweep(run, however_much).show()
        return
    try:
        with leased(run.library.tree, run.library.clock, "sweep") as lease:
            _Sweep(run, however_much).remove(lease)
            if left := run.library.store.clear_superseded():
                log.info("superseded bytes removed objects=%d", left)
            _count_bytes(run)
    except UpkeepBusy as busy:
        log.warning("sweep left out reason=%s", busy)
        run.report.skipped["bytes"] = str(busy)


def _forget_uploads(run: Run) -> None:
    uploads = getUtility(IResumableUploads)
    for upload_id, facts, size in run.library.tree.run_independently(lambda: uploads.doomed(run.now)):
        with suppress(UploadBusy, UploadNotFound):
            if not run.dry_run:
                uploads.cancel(upload_id)
            freed = 0 if facts.named else size
            run.note([Action("bytes", "forgotten", "upload", upload_id, facts.filename, freed)])


def _count_bytes(run: Run) -> None:
    """Add up what the store holds, for the health page; a full walk has just warmed the caches."""
    facts = {"store_bytes": run.library.store.recount(), "store_counted": run.now}
    run.library.tree.run_independently(lambda: run.library.tree.subtree("upkeep").note(**facts))


class _Sweep:
    def __init__(self, run: Run, however_much: bool) -> None:
        self._run = run
        self._limit = None if however_much else run.sweep
        self._unnamed = run.now - run.sweep.sweep_after
        self._doomed = Doomed(run.library, run.now - DAY, self._unnamed, run.begin_anew, run.size)

    def show(self) -> None:
        for sha256, size in self._doomed:
            self._run.note([Action("bytes", "swept", "bytes", sha256, size=size)])
        self._is_held_back()
        self._run.report.seen["bytes"] = self._doomed.held

    def remove(self, lease: HeldLease) -> None:
        for part in self._doomed.rounds():
            lease.renew()
            if self._is_held_back():
                break
            self._remove(part, lease)
        else:
            self._forget_dropped()
        self._run.report.seen["bytes"] = self._doomed.held

    def _forget_dropped(self) -> None:
        """Forget when bytes were dropped that may go now, and would at the next sweep."""
        library = self._run.library
        if library.subtree.dropped is not None:
            change_in_batches(
                library.tree,
                lambda: library.subtree.dropped,
                lambda keys: library.subtree.forget_dropped(keys, self._unnamed),
            )

    def _remove(self, part: list[str], lease: HeldLease) -> None:
        store, before = self._run.library.store, self._run.now - DAY
        for number, sha256 in enumerate(part, 1):
            if number % self._run.size == 0:
                self._run.begin_anew()
            size = self._doomed.size_if_doomed(sha256)
            lease.renew()
            if size is not None and store.remove(sha256, stored_before=before):
                self._run.note([Action("bytes", "swept", "bytes", sha256, size=size)])

    def _is_held_back(self) -> bool:
        """Whether the sweep would exceed the limits of the settings, so that a person has to confirm it."""
        number, held, limit = self._doomed.number, self._doomed.held, self._limit
        if limit is None or not limit.is_too_much(number, held):
            return False
        self._run.report.held_back = number
        self._run.report.skipped["bytes"] = (
            f"{number} of {held} files would go, more than {limit.sweep_max_share:.0%} and more than"
            f" {limit.sweep_max_files}; is this the right tree? If it is, sweep with --yes-really"
        )
        log.error("sweep held back files=%d held=%d", number, held)
        return True
