"""The scrub: all stored bytes are read again, and bytes with another digest than their name are quarantined.

It begins with what was never read since it was stored, and with what is downloaded most.  Then it
follows the contents in the tree, in the order of their digests.  Digests are spread evenly, so a
thirtieth of all digests is a thirtieth of the library, and no run need know how large that is.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction
from heapq import nlargest
from itertools import chain
from typing import Any

import transaction
from zope.component import getUtilitiesFor

from librarian.library import urls
from librarian.library.events.files import announce_damage, announce_repair_beside, is_held
from librarian.library.interfaces import IFileReferences
from librarian.library.model.files import LibraryFileAlias
from librarian.library.model.subtree import LibrarySubtree
from librarian.library.operations import Library
from librarian.library.upkeep.model import UpkeepSubtree
from librarian.store.copies import Copies
from librarian.store.interfaces import BytesDamaged, BytesNotFound, DigestMismatch
from librarian.tree.batches import read_in_batches

log = logging.getLogger(__name__)

BATCH = 100  # contents, at most, between two commits of the position
BATCH_BYTES = 1 << 28  # bytes, at most, between two commits of the position
FIRST, LAST = b"\0" * 32, b"\xff" * 32
DAY = timedelta(days=1)
FAVOURITES = 100  # files that are downloaded most
FAVOURITES_EVERY = timedelta(days=7)  # a share reads them again


@dataclass(frozen=True)
class Damage:
    """Damaged or missing bytes, with the files that they belong to."""

    sha256: str
    state: str  # damaged, missing, repaired, forgotten
    aliases: list[dict[str, Any]]  # id, filename, url, restricted, deleted, holders


@dataclass
class ScrubReport:
    """The result of a scrub: counts and findings."""

    contents: int = 0
    bytes: int = 0
    damage: list[Damage] = field(default_factory=list)

    @property
    def remaining(self) -> list[Damage]:
        """The findings that were not repaired."""
        return [found for found in self.damage if found.state in ("damaged", "missing")]


class Scrub:
    """One run over one library.

    `copies` is where sound bytes may be taken from.  `pace` gets the size of each piece that is read, in
    bytes, and may sleep; `on_damage` each damage; `progress` the share of the run that is done, from 0 to 1.
    """

    def __init__(
        self,
        library: Library,
        copies: Copies | None = None,
        pace: Callable[[int], object] = lambda size: None,
        on_damage: Callable[[Damage], object] = lambda damage: None,
        progress: Callable[[float], object] = lambda part: None,
    ) -> None:
        self._library = library
        self._copies = copies
        self._pace = pace
        self._on_damage = on_damage
        self._progress = progress
        self._seen: set[str] = set()  # damaged or missing
        self._read: set[str] = set()  # out of their turn
        self._budget: int | None = None  # bytes
        self.report = ScrubReport()

    def run(self, share: Fraction | None = None, budget: int | None = None) -> ScrubReport:
        """Look at everything that is quarantined, and at all bytes, or at the next `share` of them.

        A run over all that was interrupted is continued; shares go on where the last one ended.  So does a
        run with a `budget`, in bytes, which ends with the content that exhausts it.
        """
        self._budget = budget
        with self._library.tree.session():
            try:
                for sha256 in list(self._library.store.quarantined()):
                    self._treat(sha256, "damaged")
                for sha256 in self._library.store.fresh():
                    self._read_first(sha256)
                self._read_favourites()
                kind = "all" if share is None and budget is None else "share"
                self._go_round(kind, share or Fraction(1))
            finally:
                transaction.abort()
        return self.report

    # Files that are checked before their turn.

    def _read_first(self, sha256: str) -> None:
        """Verify one of the library's contents, unless this run has done so."""
        transaction.begin()
        if sha256 not in self._read and bytes.fromhex(sha256) in self._subtree.contents:
            self._verify(sha256)
            self._read.add(sha256)

    def _read_favourites(self) -> None:
        transaction.begin()
        now, before = self._library.clock.now(), self._upkeep.favourites_seen
        seen = {}
        for sha256 in favourites(self._library):
            seen[sha256] = before.get(sha256, now)
            if sha256 not in before or now - before[sha256] >= FAVOURITES_EVERY:
                self._read_first(sha256)
                seen[sha256] = now
        self._library.tree.run_independently(lambda: self._upkeep.note(favourites_seen=seen))

    # The share of the whole library.

    def _go_round(self, kind: str, share: Fraction) -> None:
        begin = self._upkeep.positions.get(kind, FIRST)
        first = int.from_bytes(begin)
        # A run over all ends at the last digest; a share goes on at the first one.
        most = (1 << 256) - 1
        length = most - first if kind == "all" else int(share * most)
        upto = first + length
        for after, until in [(first, min(upto, most)), (0, upto - most)]:
            if until > after and not self._is_spent:
                self._range(kind, after, until)
        if kind == "all":
            self._keep(kind, FIRST)
        now = self._library.clock.now()
        self._library.tree.run_independently(lambda: self._upkeep.note(scrubbed_at=now))

    def _range(self, kind: str, after: int, until: int) -> None:
        """Verify the contents behind the digest `after` and up to `until`, and note how far it has come."""
        begin = after.to_bytes(32) if after else None  # None: from the first key, which may be all zeros
        last, noted = until.to_bytes(32), self.report.bytes
        for keys in read_in_batches(
            self._library.tree, lambda: self._subtree.contents, size=BATCH, after=begin, last=last
        ):
            for number, key in enumerate(keys, 1):
                if key.hex() not in self._read:
                    self._verify(key.hex())
                if number == BATCH or self._is_spent or self.report.bytes - noted > BATCH_BYTES:
                    noted = self.report.bytes
                    self._keep(kind, bytes(key))
                    self._progress((int.from_bytes(key) - after) / (until - after))
                if self._is_spent:
                    return
        self._keep(kind, last)

    @property
    def _is_spent(self) -> bool:
        return self._budget is not None and self.report.bytes >= self._budget

    def _keep(self, kind: str, position: bytes) -> None:
        self._library.tree.run_independently(lambda: self._upkeep.keep_position(kind, position))

    def _verify(self, sha256: str) -> None:
        self.report.contents += 1
        try:
            self.report.bytes += self._library.store.verify(sha256, self._pace)
        except BytesDamaged:
            self._treat(sha256, "damaged")
        except BytesNotFound:
            self._treat(sha256, "missing")
        else:
            self._note_sound(sha256)

    def _note_sound(self, sha256: str) -> None:
        """Announce the repair of bytes that came back without one, as in an upload that was aborted."""
        content = self._subtree.contents.get(bytes.fromhex(sha256))
        if content is not None and content.damage is not None:
            announce_repair_beside(self._library.tree, sha256)

    # Damaged and missing files.

    def _treat(self, sha256: str, state: str) -> None:
        if sha256 in self._seen:
            return
        self._seen.add(sha256)
        transaction.begin()
        named = bytes.fromhex(sha256) in self._subtree.contents
        if not named:
            state = self._forget(sha256) if state == "damaged" else ""
        elif self._repair(sha256, state):
            announce_repair_beside(self._library.tree, sha256)
            state = "repaired"
        if state:
            self._note(Damage(sha256, state, list(self._aliases(sha256))))

    def _forget(self, sha256: str) -> str:
        """Damaged bytes that no content names need no repair."""
        before = self._library.clock.now() - DAY
        return "forgotten" if self._library.store.remove(sha256, stored_before=before) else ""

    def _repair(self, sha256: str, state: str) -> bool:
        store = self._library.store
        is_moved = state == "damaged" and store.quarantine(sha256)
        is_whole = is_held(store, sha256)
        if is_moved or not is_whole:
            announce_damage(self._library.tree, store, sha256, state)
        if is_moved and is_whole:
            return True  # another copy is sound, or an upload has brought one
        if self._copies is None:
            return False
        try:
            with self._copies.open(sha256) as file:
                store.put(file, sha256=sha256)
        except (BytesNotFound, DigestMismatch, OSError) as error:
            log.warning("bytes not repaired sha256=%s error=%s", sha256, error)
            return False
        return True

    def _note(self, damage: Damage) -> None:
        ids = ",".join(str(alias["id"]) for alias in damage.aliases)
        log.error("bytes %s sha256=%s aliases=%s", damage.state, damage.sha256, ids)
        self.report.damage.append(damage)
        self._on_damage(damage)

    def _aliases(self, sha256: str) -> Iterator[dict[str, Any]]:
        key = bytes.fromhex(sha256)
        for record in chain(self._subtree.aliases_of(key), self._subtree.former_aliases_of(key)):
            yield self._described(record)

    def _described(self, record: LibraryFileAlias) -> dict[str, Any]:
        asked = (held.holders(record.id) for _name, held in sorted(getUtilitiesFor(IFileReferences)))
        return {
            "id": record.id,
            "filename": record.filename,
            "url": urls.http_url(self._library.settings, record),
            "restricted": record.restricted,
            "deleted": record.content is None,
            "holders": list(chain.from_iterable(asked)),
        }

    @property
    def _subtree(self) -> LibrarySubtree:
        return self._library.subtree

    @property
    def _upkeep(self) -> UpkeepSubtree:
        found: UpkeepSubtree = self._library.tree.subtree("upkeep")
        return found


def favourites(library: Library) -> list[str]:
    """The digests of the files that were downloaded most, those first."""
    totals: list[tuple[int, int]] = []
    for number, (alias_id, counts) in enumerate(library.subtree.downloads.items()):
        totals.append((counts.total, alias_id))
        if number % 1000 == 999:
            totals = nlargest(FAVOURITES, totals)
            library.tree.forget_loaded()
    found: list[str] = []
    for _total, alias_id in nlargest(FAVOURITES, totals):
        record = library.subtree.aliases.get(alias_id)
        if record is not None and record.content is not None and record.content.sha256 not in found:
            found.append(record.content.sha256)
    return found
