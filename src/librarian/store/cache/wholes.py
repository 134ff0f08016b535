"""What the slices of a large object must hash to is learned from all of it, where the remote store keeps no
digests."""

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from io import BufferedReader
from typing import BinaryIO, cast

from librarian.store import hashing
from librarian.store.cache.beside import Beside
from librarian.store.cache.entries import Entries
from librarian.store.cache.fetching import ATTEMPTS, Filler
from librarian.store.cache.interfaces import ISliceDigests, Read
from librarian.store.cache.slices import DIGEST_BYTES, SliceCheck, SlicedFile, SliceMap, Slicing
from librarian.store.disk.troubles import troubles
from librarian.store.events import damage_seen
from librarian.store.interfaces import BytesDamaged, BytesNotFound, StoreTrouble

log = logging.getLogger(__name__)


class Wholes:
    """The maps of large objects in the cache, and the work beside the readers that completes them."""

    def __init__(self, entries: Entries, filler: Filler, forget: Callable[[str], None]) -> None:
        """`forget` drops all that is cached of an object."""
        self._entries = entries
        self._filler = filler
        self._forget = forget
        self._beside = Beside()

    def finish(self) -> None:
        """Wait for what runs at this moment."""
        self._beside.finish()

    def map_of(self, sha256: str) -> SliceMap | None:
        """What is known here of a large object; None if nothing is."""
        name = SliceMap(sha256, 0).name("digests")
        file = self._entries.open(name)
        if file is None:
            return None
        with file:
            found = SliceMap.unpacked(sha256, file.read())
        if found is None:
            self._entries.drop(name)
        return found

    def keep(self, slices: SliceMap) -> None:
        """Remember what is known of an object."""
        with closing(self._entries.create()) as draft:
            draft.write(slices.packed())
            self._entries.publish(draft, slices.name("digests"))

    def learned(self, known: SliceMap) -> None:
        """Remember the digests of an object, and drop the slices here that are not what they must be."""
        self.keep(known)
        for number, digest in enumerate(known.digests or ()):
            if not self._is_right(known.name(number), digest):
                log.error("a wrong slice was given sha256=%s slice=%d", known.sha256, number)
                self._entries.drop(known.name(number))

    def judge(self, slices: SliceMap, digests: ISliceDigests, actual: str, found: Sequence[bytes]) -> None:
        """Remember the digests of the slices, `found` by one who read them all, if the whole of them hashes
        to what it must; otherwise forget the slices, and raise BytesDamaged."""
        if actual != slices.sha256:
            self._damaged(slices)
        known = slices.with_digests(found)
        with troubles("write the cache"):
            self.keep(known)
        self._beside.start(f"save {slices.sha256}", lambda: _save(known, digests))

    def learn(self, slices: SliceMap, read: Read, digests: ISliceDigests) -> None:
        """Learn the digests in the background, from what is here or by fetching all of it once."""
        self._beside.start(slices.sha256, lambda: self._learn(slices, read, digests))

    def _learn(self, slices: SliceMap, read: Read, digests: ISliceDigests) -> None:
        with (
            suppress(BytesDamaged, BytesNotFound),  # was logged and told; has gone meanwhile
            self._entries.claimed(slices.name("whole")) as is_ours,
        ):
            known = self.map_of(slices.sha256)
            if not is_ours or (known is not None and known.digests):
                return
            try:
                if not self._read_held(slices, digests):
                    self._fetch(slices, read, digests)
            except StoreTrouble as error:
                log.warning("large object not verified sha256=%s error=%s", slices.sha256, error)

    def _read_held(self, slices: SliceMap, digests: ISliceDigests) -> bool:
        """Judge an object all of whose slices are here; False if they are not."""
        if not all(self._entries.has(slices.name(number)) for number in range(slices.count)):
            return False

        def hashed(actual: str, found: list[bytes]) -> None:
            self.judge(slices, digests, actual, found)

        try:
            with BufferedReader(SlicedFile(slices, self._held_slice(slices), hashed, bool)) as file:
                for _piece in hashing.read_chunks(cast(BinaryIO, file)):
                    pass
        except BytesNotFound:  # one was evicted meanwhile
            return False
        return True

    def _held_slice(self, slices: SliceMap) -> Callable[[int], BufferedReader]:
        def held(number: int) -> BufferedReader:
            file = self._filler.held(slices.name(number), SliceCheck(slices, number))
            if file is None:
                raise BytesNotFound(slices.sha256)
            return file

        return held

    def _fetch(self, slices: SliceMap, read: Read, digests: ISliceDigests) -> None:
        log.warning(
            "large object has no digests of its slices, all of it is read sha256=%s size=%d",
            slices.sha256,
            slices.size,
        )
        for _attempt in range(ATTEMPTS):
            slicing = Slicing(slices)
            for piece in read(0, None):
                slicing.update(piece)
            known = slicing.found()
            if known is not None:
                self.learned(known)
                _save(known, digests)
                return
        self._damaged(slices)

    def _is_right(self, name: str, digest: bytes) -> bool:
        """Whether a slice was what it must be when it was fetched, if it is here."""
        file = self._entries.open(name)
        if file is None:
            return True
        with file:
            file.seek(-DIGEST_BYTES, os.SEEK_END)
            return file.read() == digest

    def _damaged(self, slices: SliceMap) -> None:
        log.error("bytes fetched are damaged sha256=%s", slices.sha256)
        self._forget(slices.sha256)
        raise damage_seen(slices.sha256)


def _save(known: SliceMap, digests: ISliceDigests) -> None:
    try:
        digests.save(known.packed())
    except StoreTrouble as error:  # made again by the next who misses it
        log.warning("digests of slices not kept sha256=%s error=%s", known.sha256, error)
