"""A byte store in a bucket of any server that speaks S3; `interfaces` tells how."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from errno import EHOSTDOWN
from hashlib import sha256 as new_digest
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

from zope.interface import alsoProvides, implementer

from librarian import durable
from librarian.interfaces import IClock
from librarian.store import hashing
from librarian.store.cache.fetching import ATTEMPTS
from librarian.store.cache.interfaces import IByteCache
from librarian.store.cache.slices import SliceMap
from librarian.store.disk.drafts import Draft
from librarian.store.disk.fresh import Fresh
from librarian.store.disk.incoming import Incoming
from librarian.store.disk.interfaces import ICachedFiles
from librarian.store.disk.partials import PartialFiles
from librarian.store.disk.receiving import DiskReceivedFile, DiskReceiving, Drafts
from librarian.store.disk.troubles import troubles
from librarian.store.events import damage_seen
from librarian.store.interfaces import (
    BytesDamaged,
    BytesNotFound,
    IByteStore,
    IPresignedUrls,
    IReceivedFile,
    StoredBytes,
    StoreTrouble,
    StoreUnavailable,
)
from librarian.store.receiving import PutsByReceiving
from librarian.store.room import Room
from librarian.store.s3.calls import PIECE_BYTES, Calls
from librarian.store.s3.interfaces import ICallObserver, IGenerations, IObservedStore, IRemoteBytes, NoSuchKey
from librarian.store.s3.keys import AGES, BYTES, QUARANTINE, Keys
from librarian.store.s3.objects import Found, Objects, metadata
from librarian.store.s3.pieces import Pieces
from librarian.store.s3.sending import Sender

log = logging.getLogger(__name__)

# Bytes that come again get a new age, which is an object of its own, where theirs is older than this.
RENEW_AFTER = timedelta(hours=1)
READ_AGAIN_BYTES = 1 << 20  # smaller ones that come again are compared with what is held
# Small bytes that no name has are sent without asking whether they are there.  Another upload may have left
# them, or be sending them: then the same bytes take the place of the same, in one piece, as parts are larger.
UNASKED_BYTES = READ_AGAIN_BYTES
ABANDONED = timedelta(days=2)  # for an upload in parts; what living writers work on is younger


@implementer(IByteStore, IPresignedUrls, IObservedStore, IRemoteBytes)
class S3Store(PutsByReceiving):
    """Bytes as objects below `keys.prefix`; `folder` on the local disk is for those on their way.

    `keep_free` is room on that disk which is left to others, in bytes.  Any number of machines share the
    bucket; processes of one machine may share the folder.
    """

    uses_generations = True
    verifies_reads = True

    def __init__(
        self,
        calls: Calls,
        keys: Keys,
        sender: Sender,
        folder: Path,
        clock: IClock,
        generations: IGenerations,
        *,
        keep_free: int = 0,
        cache: IByteCache | None = None,
    ) -> None:
        self._calls = calls
        self._keys = keys
        self._sender = sender
        self._clock = clock
        self._generations = generations
        self._cache = cache
        self._folder = str(folder.absolute())
        self._incoming = Incoming(os.path.join(self._folder, "incoming"))
        self._room = Room(self._folder, None, keep_free)
        self._drafts = Drafts(self._incoming, self._room)
        self.partials = PartialFiles(os.path.join(self._folder, "partial"), self._room, self._from_partial)
        self._fresh = Fresh(self._folder)
        self.objects = Objects(calls, keys, generations)
        with troubles("prepare"):
            durable.make_directories(self._incoming.path)
        if cache is not None:
            self.open_descriptor = cache.open_descriptor
            alsoProvides(self, ICachedFiles)

    def observe(self, observer: ICallObserver) -> None:
        self._calls.observer = observer

    def trouble(self) -> str:
        return self._calls.breaker.trouble

    def receive(self, size: int | None = None) -> DiskReceiving:
        return DiskReceiving(self._drafts, size, self.open)

    def _from_partial(self, found: StoredBytes, draft: Draft) -> IReceivedFile:
        return DiskReceivedFile(found, self._drafts, draft, None, self.open)

    def keep(
        self,
        received: IReceivedFile,
        *,
        sha256: str | None = None,
        sha1: str | None = None,
        md5: str | None = None,
    ) -> StoredBytes:
        assert isinstance(received, DiskReceivedFile)
        hashing.check_digests(received.found, sha256=sha256, sha1=sha1, md5=md5)
        generation = self._hold(received)
        received.is_kept = True
        return replace(received.found, generation=generation)

    def _hold(self, received: DiskReceivedFile) -> int:
        """Have the bytes held under the current generation, which is the answer."""
        sha256 = received.sha256
        generation, may_be_held = self._generations.for_upload(sha256)
        is_asked = may_be_held or received.size > UNASKED_BYTES
        found = self.objects.seen(BYTES, sha256, generation) if is_asked else None
        if found is not None:
            if self._is_held(received, generation, found):
                return generation
            self._condemn(sha256, generation)  # damaged
            return self._hold(received)
        key = self._keys.of(BYTES, sha256, generation)
        slices = self._sender.send(key, received.open, received.found, metadata(self._clock.now()))
        if slices is not None:
            self._keep_digests(slices)
        self._fresh.add(sha256)
        if generation:
            self.objects.remove_below(sha256, generation)
        return generation

    def _keep_digests(self, slices: SliceMap) -> None:
        """Have what the slices hash to beside the bytes, for those who read a range."""
        try:
            self.objects.slice_digests(slices.sha256).save(slices.packed())
        except StoreTrouble as error:  # made again at the first read
            log.warning("digests of slices not kept sha256=%s error=%s", slices.sha256, error)

    def _is_held(self, received: DiskReceivedFile, generation: int, found: Found) -> bool:
        """Whether what is there is sound as far as can be told at once; its age is renewed then."""
        if found.size != received.size:
            return False
        if received.size <= READ_AGAIN_BYTES and not self._is_sound(received.sha256):
            return False
        now = self._clock.now()
        if now - found.stored_at > RENEW_AFTER:
            self.objects.mark(AGES, received.sha256, generation, now)
        return True

    def _is_sound(self, sha256: str) -> bool:
        with suppress(BytesDamaged, BytesNotFound):
            self.verify(sha256)
            return True
        return False

    def open(self, sha256: str) -> BinaryIO:
        if not hashing.is_sha256(sha256):
            raise BytesNotFound(sha256)
        if self._cache is not None:
            return self._cache.open(
                sha256,
                lambda: self.objects.size(sha256),
                lambda start, stop: self.objects.get(sha256, start, stop),
                self.objects.slice_digests(sha256),
            )
        for attempt in range(ATTEMPTS):
            try:
                file = self._spooled(sha256)
            except BytesNotFound:
                if attempt:  # a store that has seen the damage itself hides what it sent before
                    break
                raise
            if file is not None:
                return file
            log.error("bytes fetched are damaged sha256=%s attempt=%d", sha256, attempt + 1)
        raise damage_seen(sha256)

    def _spooled(self, sha256: str) -> BinaryIO | None:
        """The bytes as they are sent now; None if they are not what they must be."""
        file = self.spool()
        with ExitStack() as stack:
            stack.callback(file.close)
            with troubles("fetch"):
                if self._fetch(sha256, file.write) is None:
                    return None
            file.seek(0)
            stack.pop_all()
        return file

    def stream(self, sha256: str) -> BinaryIO:
        return cast(BinaryIO, BufferedReader(Pieces(self.objects.get(sha256)), PIECE_BYTES))

    def sizes(self) -> Iterator[tuple[str, int]]:
        return self.objects.walk_held()

    def presigned(self, sha256: str, headers: Mapping[str, str], seconds: int) -> str:
        parameters = {f"Response{name.replace('-', '')}": value for name, value in headers.items()}
        return self.objects.presigned(sha256, parameters, seconds)

    def _fetch(self, sha256: str, write: Callable[[bytes], object]) -> int | None:
        """Hand all the bytes to `write`; how many they are, or None if they are not the right ones."""
        digest, size = new_digest(), 0
        for piece in self.objects.get(sha256):
            digest.update(piece)
            size += len(piece)
            write(piece)
        return size if digest.hexdigest() == sha256 else None

    def size(self, sha256: str) -> int:
        return self.objects.size(sha256)

    def stored_at(self, sha256: str) -> datetime:
        return self.objects.stored_at(sha256)

    def remove(self, sha256: str, *, stored_before: datetime | None = None) -> bool:
        if not hashing.is_sha256(sha256):
            return False
        moment = self._last_kept(sha256)
        if moment is None or (stored_before is not None and moment >= stored_before):
            return False
        generation = self._generations.retire(sha256)
        if generation is None:
            return False
        if self._cache is not None:
            self._cache.forget(sha256)
        return self.objects.remove_below(sha256, generation) > 0

    def _last_kept(self, sha256: str) -> datetime | None:
        """The age of what is held or in quarantine; None: neither."""
        try:
            return self.objects.stored_at(sha256)
        except BytesNotFound:
            return None
        except BytesDamaged:
            return self.objects.quarantined_at(sha256)

    def clear_superseded(self) -> int:
        ended = self.objects.clear_parts(datetime.now(tz=self._clock.now().tzinfo) - ABANDONED)
        return ended + self.objects.clear_superseded()

    def __iter__(self) -> Iterator[str]:
        return (sha256 for sha256, _size in self.objects.walk_held())

    def verify(self, sha256: str, progress: Callable[[int], object] | None = None) -> int:
        size = self._fetch(sha256, lambda piece: None if progress is None else progress(len(piece)))
        if size is None:
            raise BytesDamaged(sha256)
        return size

    def quarantine(self, sha256: str) -> bool:
        generation = self.objects.current(sha256)
        try:
            self.objects.held(sha256)
        except BytesDamaged:
            return False
        # Read twice: another replica may be sound, and some stores have thrown the damaged one out by then.
        if self._is_sound(sha256) or self._is_sound(sha256):
            return False
        return self._condemn(sha256, generation)

    def _condemn(self, sha256: str, generation: int) -> bool:
        """Begin the next generation.  What is there stays where it is, for a person to look at, until the
        bytes are stored again or removed."""
        found = self.objects.find(BYTES, sha256, generation)
        self.objects.mark(
            QUARANTINE, sha256, generation, self._clock.now() if found is None else found.stored_at
        )
        if not self._generations.condemn(sha256, generation):
            return False  # by another, who was sooner
        if self._cache is not None:
            self._cache.forget(sha256)
        log.error("bytes quarantined sha256=%s generation=%d", sha256, generation)
        return True

    def quarantined(self) -> Iterator[str]:
        return self.objects.walk_quarantined()

    def strays(self) -> Iterator[str]:
        return chain(self.objects.strays(), self._incoming.strays())

    def clear_incoming(self, older_than: timedelta) -> int:
        return self._incoming.clear(older_than) + self.partials.clear(older_than)

    def check(self) -> None:
        with troubles("check"):
            self._room.require(1)
        self._calls.do("put_object", Key=self._keys.check, Body=b"?")

    def spool(self) -> BinaryIO:
        return self._drafts.spool()

    def room(self) -> int | None:
        return self._drafts.left()

    def installation(self) -> str | None:
        try:
            return b"".join(self._calls.read(self._keys.installation)).decode("ascii", "replace").strip()
        except NoSuchKey:
            return None

    def join(self, installation: str, *, anew: bool = False) -> str:
        held = self.installation()
        if held is not None and not anew:
            return held
        self._calls.do("put_object", Key=self._keys.installation, Body=f"{installation}\n".encode("ascii"))
        found = self.installation()
        if found is None:
            raise StoreUnavailable(EHOSTDOWN, "the byte store is unavailable: what was written is not there")
        return found

    def recount(self) -> int:
        return sum(size for batch in self.objects.walk(BYTES) for _sha256, _generation, size in batch)

    def fresh(self) -> Iterator[str]:
        return self._fresh.each()
