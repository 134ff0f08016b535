"""The objects of a store: found, listed and removed."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from zope.interface import implementer

from librarian.interfaces import LibrarianError
from librarian.store.cache.interfaces import ISliceDigests
from librarian.store.hashing import is_sha256
from librarian.store.interfaces import BytesDamaged, BytesNotFound
from librarian.store.s3.calls import Calls
from librarian.store.s3.interfaces import IGenerations, IObjects, NoSuchKey
from librarian.store.s3.keys import AGES, BYTES, KINDS, QUARANTINE, SLICES, Keys

log = logging.getLogger(__name__)

STORED = "stored"  # in the metadata of an object: the time by IClock, which no store's LastModified is
MOST_KEYS = 1000  # in one listing or one removal


@dataclass(frozen=True, slots=True)
class Found:
    """An object: its size in bytes, and the time at which it was stored (UTC)."""

    size: int
    stored_at: datetime


def metadata(moment: datetime) -> dict[str, str]:
    """The metadata of an object stored at a time."""
    return {STORED: moment.astimezone(UTC).isoformat(timespec="microseconds")}


@implementer(IObjects)
class Objects:
    """The objects below one prefix of one bucket."""

    def __init__(self, calls: Calls, keys: Keys, generations: IGenerations) -> None:
        self._calls = calls
        self._keys = keys
        self._generations = generations

    def current(self, sha256: str) -> int:
        """The generation that names mean.  Raises BytesNotFound for what is no digest."""
        if not is_sha256(sha256):
            raise BytesNotFound(sha256)
        return self._generations.current([sha256])[0]

    def size(self, sha256: str) -> int:
        """As IObjects has it."""
        return self.held(sha256).size

    def get(self, sha256: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """As IObjects has it."""
        generation = self.current(sha256)
        try:
            yield from self._calls.read(self._keys.of(BYTES, sha256, generation), start, stop)
        except NoSuchKey:
            raise self.absence(sha256, generation) from None

    def presigned(self, sha256: str, parameters: dict[str, str], seconds: int) -> str:
        """As IObjects has it; whether the object is there is not asked."""
        return self._calls.presigned(self._keys.of(BYTES, sha256, self.current(sha256)), parameters, seconds)

    def held(self, sha256: str) -> Found:
        """What is held under a digest.  Raises BytesNotFound, BytesDamaged, StoreUnavailable."""
        generation = self.current(sha256)
        found = self.find(BYTES, sha256, generation)
        if found is None:
            raise self.absence(sha256, generation)
        return found

    def stored_at(self, sha256: str) -> datetime:
        """The time of the last keep().  Raises as held()."""
        generation = self.current(sha256)
        found = self.find(BYTES, sha256, generation)
        if found is None:
            raise self.absence(sha256, generation)
        again = self.find(AGES, sha256, generation)
        return found.stored_at if again is None else max(found.stored_at, again.stored_at)

    def quarantined_at(self, sha256: str) -> datetime | None:
        """When the bytes were last kept that are in quarantine now; None: there are none."""
        generation = self.current(sha256)
        found = self.find(QUARANTINE, sha256, generation - 1) if generation else None
        return None if found is None else found.stored_at

    def absence(self, sha256: str, generation: int) -> LibrarianError:
        """Why nothing is held under a digest."""
        if generation and self.find(QUARANTINE, sha256, generation - 1) is not None:
            return BytesDamaged(sha256)
        return BytesNotFound(sha256)

    def find(self, kind: str, sha256: str, generation: int) -> Found | None:
        """The object under a key, if there is one.

        The answer to HEAD has no body, and 404 may mean the bucket: what seems to be missing is asked for by
        GET once more, whose errors have names.
        """
        seen = self.seen(kind, sha256, generation)
        if seen is not None:
            return seen
        try:
            answer = self._calls.do("get_object", Key=self._keys.of(kind, sha256, generation))
        except NoSuchKey:
            return None
        answer["Body"].close()
        return _found(answer)

    def seen(self, kind: str, sha256: str, generation: int) -> Found | None:
        """The object under a key; None if it is missing or the bucket is, as who stores it will be told."""
        try:
            return _found(self._calls.do("head_object", Key=self._keys.of(kind, sha256, generation)))
        except NoSuchKey:
            return None

    def mark(self, kind: str, sha256: str, generation: int, moment: datetime) -> None:
        """Store an empty object that says something about the bytes of a generation."""
        key = self._keys.of(kind, sha256, generation)
        self._calls.do("put_object", Key=key, Body=b"", Metadata=metadata(moment))

    def slice_digests(self, sha256: str) -> "SliceDigests":
        """Those of the slices of an object; nothing is asked yet."""
        return SliceDigests(self._calls, lambda: self._keys.of(SLICES, sha256, self.current(sha256)))

    def walk(self, kind: str) -> Iterator[list[tuple[str, int, int]]]:
        """Digest, generation and size of all objects of a kind, by digest; a batch at a time."""
        return walk(self._calls, self._keys, kind)

    def walk_held(self) -> Iterator[tuple[str, int]]:
        """Digest and size of all that names can mean, by digest."""
        for batch in self.walk(BYTES):
            current = self._generations.current([sha256 for sha256, _generation, _size in batch])
            for (sha256, generation, size), now in zip(batch, current, strict=True):
                if generation == now:
                    yield sha256, size

    def walk_quarantined(self) -> Iterator[str]:
        """The digests in quarantine whose bytes were not stored again, ascending."""
        for batch in self.walk(QUARANTINE):
            current = self._generations.current([sha256 for sha256, _generation, _size in batch])
            for (sha256, generation, _size), now in zip(batch, current, strict=True):
                if generation + 1 == now and self.find(BYTES, sha256, now) is None:
                    yield sha256

    def strays(self) -> Iterator[str]:
        """Keys below the prefix that are not the store's own, relative to it."""
        own = {self._keys.installation, self._keys.check}
        for page in self._pages(self._keys.prefix):
            for key in (entry["Key"] for entry in page):
                if key not in own and self._keys.parse(key) is None:
                    yield key.removeprefix(self._keys.prefix)

    def remove_below(self, sha256: str, generation: int) -> int:
        """Remove all generations of a digest before the current one, `generation`; the number of objects."""
        found = [
            entry["Key"]
            for kind in KINDS
            for page in self._pages(self._keys.all_of(kind, sha256))
            for entry in page
        ]
        parsed = ((key, self._keys.parse(key)) for key in found)
        return self._remove([key for key, known in parsed if known is not None and known[2] < generation])

    def clear_superseded(self) -> int:
        """Remove all generations before the current ones, but for what is in quarantine; their number.

        So too marks whose bytes are gone.
        """
        return sum(self._clear(kind, batch) for kind in KINDS for batch in self.walk(kind))

    def _clear(self, kind: str, batch: Sequence[tuple[str, int, int]]) -> int:
        current = self._generations.current([sha256 for sha256, _generation, _size in batch])
        return self._remove(
            [
                self._keys.of(kind, sha256, generation)
                for (sha256, generation, _size), now in zip(batch, current, strict=True)
                if generation < now and not self._is_in_quarantine(sha256, generation, now)
            ]
        )

    def _is_in_quarantine(self, sha256: str, generation: int, now: int) -> bool:
        """Whether the object is the damaged one of bytes that nothing has replaced yet."""
        return (
            generation + 1 == now
            and self.find(QUARANTINE, sha256, generation) is not None
            and self.find(BYTES, sha256, now) is None
        )

    def clear_parts(self, before: datetime) -> int:
        """End the uploads in parts that were begun before a time; their number."""
        begun: list[dict[str, Any]] = []
        more: dict[str, Any] = {}
        while True:
            answer = self._calls.do("list_multipart_uploads", Prefix=self._keys.all(BYTES), **more)
            begun += [each for each in answer.get("Uploads", []) if each["Initiated"] < before]
            if not answer.get("IsTruncated"):
                break
            more = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}
        for each in begun:
            with suppress(NoSuchKey):
                self._calls.do("abort_multipart_upload", Key=each["Key"], UploadId=each["UploadId"])
        return len(begun)

    def _pages(self, prefix: str) -> Iterator[list[dict[str, Any]]]:
        return _pages(self._calls, prefix)

    def _remove(self, keys: list[str]) -> int:
        if len(keys) == 1:
            self._calls.do("delete_object", Key=keys[0])
        elif keys:
            answer = self._calls.do(
                "delete_objects", Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
            )
            for error in answer.get("Errors", []):
                log.warning("object not removed reason=%s", error.get("Code"))  # the next sweep tries again
        return len(keys)


@implementer(ISliceDigests)
class SliceDigests:
    """Kept as an object, under a key beside that of the bytes of the current generation."""

    def __init__(self, calls: Calls, key: Callable[[], str]) -> None:
        self._calls = calls
        self._key = key

    def load(self) -> bytes | None:
        """As ISliceDigests has it."""
        with suppress(NoSuchKey):
            return b"".join(self._calls.read(self._key()))
        return None

    def save(self, packed: bytes) -> None:
        """As ISliceDigests has it."""
        self._calls.do("put_object", Key=self._key(), Body=packed)


def walk(calls: Calls, keys: Keys, kind: str) -> Iterator[list[tuple[str, int, int]]]:
    """Digest, generation and size of all objects of a kind below a prefix, by digest; a batch at a time."""
    for page in _pages(calls, keys.all(kind)):
        parsed = ((keys.parse(entry["Key"]), entry["Size"]) for entry in page)
        yield [(found[1], found[2], size) for found, size in parsed if found is not None]


def _pages(calls: Calls, prefix: str) -> Iterator[list[dict[str, Any]]]:
    more: dict[str, str] = {}
    while True:
        answer = calls.do("list_objects_v2", Prefix=prefix, MaxKeys=MOST_KEYS, **more)
        yield answer.get("Contents", [])
        if not answer.get("IsTruncated"):
            return
        more = {"ContinuationToken": answer["NextContinuationToken"]}


def _found(answer: dict[str, Any]) -> Found:
    stated = answer.get("Metadata", {}).get(STORED)
    try:
        moment = datetime.fromisoformat(stated) if stated else answer["LastModified"]
    except ValueError:
        moment = answer["LastModified"]
    return Found(answer["ContentLength"], moment)
