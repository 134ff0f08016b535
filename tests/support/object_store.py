"""An object store in memory with the methods of boto3's client, as far as they are used, and its errors.

It is as strong as a store must be, and as weak as one may be: it can be told to lose answers, to do a DELETE
later, and to show old listings.
"""

import base64
import hashlib
import io
import unittest
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError
from zope.interface import alsoProvides, implementer, noLongerProvides

from librarian.interfaces import IClock
from librarian.store.cache.local import LocalCache
from librarian.store.cache.slices import WHOLE_BYTES
from librarian.store.interfaces import IByteStore
from librarian.store.s3.address import S3Address
from librarian.store.s3.calls import Calls
from librarian.store.s3.interfaces import IGenerations, IObservedStore
from librarian.store.s3.keys import Keys
from librarian.store.s3.sending import Sender
from librarian.store.s3.store import S3Store


def refusal(code: str, status: int, operation: str = "") -> ClientError:
    """The error of an answer that says no."""
    said: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(said, operation)


@dataclass
class Stored:
    """One object."""

    data: bytes
    metadata: dict[str, str]
    modified: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.data).hexdigest()}"'


class MemoryS3:
    """`objects` by key.  `calls` notes operation and key of each call; `delayed` holds back what deletes."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, tuple[str, dict[str, str], dict[int, bytes]]] = {}
        self.calls: list[tuple[str, str]] = []
        self.away = False
        self.refusals: list[Exception] = []  # raised by the next calls, first to last
        self.delays_deletes = False
        self.delayed: list[str] = []
        self.old_listing: dict[str, Stored] | None = None
        self.cut_after: list[int] = []  # bytes after which the next answers break off

    def __getattr__(self, name: str) -> Any:
        method = getattr(type(self), f"_{name}", None)
        if method is None:
            raise AttributeError(name)

        def call(Bucket: str, **parameters: Any) -> Any:  # boto3's name
            self.calls.append((name, parameters.get("Key", parameters.get("Prefix", ""))))
            if self.away:
                raise EndpointConnectionError(endpoint_url="http://away")
            if self.refusals:
                raise self.refusals.pop(0)
            return method(self, **parameters)

        return call

    def named(self, *operations: str) -> list[str]:
        """The keys of the calls of some operations."""
        return [key for operation, key in self.calls if operation in operations]

    def land(self) -> None:
        """Do what was delayed."""
        for key in self.delayed:
            self.objects.pop(key, None)
        self.delayed = []

    def _put_object(self, Key: str, Body: Any, **others: Any) -> Any:
        data = Body if isinstance(Body, bytes) else Body.read()
        _check_md5(data, others)
        self.objects[Key] = Stored(data, others.get("Metadata", {}))
        return {"ETag": self.objects[Key].etag}

    def _head_object(self, Key: str) -> Any:
        return self._described(Key, "404")

    def _get_object(self, Key: str, Range: str = "", IfMatch: str = "") -> Any:
        answer = self._described(Key, "NoSuchKey")
        data = self.objects[Key].data
        if IfMatch and IfMatch != answer["ETag"]:
            raise refusal("PreconditionFailed", 412)
        if Range:
            first, _, last = Range.removeprefix("bytes=").partition("-")
            if int(first) >= len(data):
                raise refusal("InvalidRange", 416)
            data = data[int(first) : int(last) + 1 if last else None]
        cut = self.cut_after.pop(0) if self.cut_after else None
        return {**answer, "ContentLength": len(data), "Body": _Body(data, cut)}

    def _described(self, key: str, code: str) -> dict[str, Any]:
        found = self.objects.get(key)
        if found is None:
            raise refusal(code, 404)
        facts = {"ContentLength": len(found.data), "LastModified": found.modified}
        return {**facts, "Metadata": found.metadata, "ETag": found.etag}

    def _delete_object(self, Key: str) -> Any:
        return self._delete_objects({"Objects": [{"Key": Key}]})

    def _delete_objects(self, Delete: Any) -> Any:
        self.delayed += [each["Key"] for each in Delete["Objects"]]
        if not self.delays_deletes:
            self.land()
        return {}

    def _list_objects_v2(self, Prefix: str, MaxKeys: int, ContinuationToken: str = "") -> Any:
        shown = self.objects if self.old_listing is None else self.old_listing
        keys = sorted(key for key in shown if key.startswith(Prefix) and key > ContinuationToken)
        page = [{"Key": key, "Size": len(shown[key].data)} for key in keys[:MaxKeys]]
        more = len(keys) > len(page)
        return {
            "Contents": page,
            "IsTruncated": more,
            "NextContinuationToken": page[-1]["Key"] if more else "",
        }

    def _create_multipart_upload(self, Key: str, Metadata: dict[str, str]) -> Any:
        name = f"upload-{len(self.calls)}"
        self.uploads[name] = (Key, Metadata, {})
        return {"UploadId": name}

    def _upload_part(self, Key: str, UploadId: str, PartNumber: int, Body: Any, **others: Any) -> Any:
        data = Body.read()
        _check_md5(data, others)
        if UploadId not in self.uploads:
            raise refusal("NoSuchUpload", 404)
        self.uploads[UploadId][2][PartNumber] = data
        return {"ETag": hashlib.md5(data).hexdigest()}

    def _complete_multipart_upload(self, Key: str, UploadId: str, MultipartUpload: Any) -> Any:
        if UploadId not in self.uploads:
            raise refusal("NoSuchUpload", 404)
        key, metadata, parts = self.uploads.pop(UploadId)
        numbers = [part["PartNumber"] for part in MultipartUpload["Parts"]]
        self.objects[key] = Stored(b"".join(parts[number] for number in numbers), metadata)
        return {}

    def _abort_multipart_upload(self, Key: str, UploadId: str) -> Any:
        if self.uploads.pop(UploadId, None) is None:
            raise refusal("NoSuchUpload", 404)
        return {}

    def _list_multipart_uploads(self, Prefix: str) -> Any:
        long_ago = datetime.now(UTC) - timedelta(days=3)
        uploads = [
            {"Key": key, "UploadId": name, "Initiated": long_ago}
            for name, (key, *_others) in self.uploads.items()
            if key.startswith(Prefix)
        ]
        return {"Uploads": uploads, "IsTruncated": False}


class _Body(io.BytesIO):
    """The body of an answer, which may break off."""

    def __init__(self, data: bytes, cut_after: int | None) -> None:
        super().__init__(data if cut_after is None else data[:cut_after])
        self._is_cut = cut_after is not None and cut_after < len(data)

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if not data and self._is_cut:
            raise OSError("the connection broke off")
        return data


def _check_md5(data: bytes, parameters: dict[str, Any]) -> None:
    stated = parameters.get("ContentMD5")
    if stated and base64.b64decode(stated) != hashlib.md5(data).digest():
        raise refusal("BadDigest", 400)


@implementer(IGenerations)
class MemoryGenerations:
    """Generations in a dictionary, and no names: where there is no tree."""

    def __init__(self, *, may_be_held: bool = True) -> None:
        self.numbers: dict[str, int] = {}
        self.may_be_held = may_be_held

    def current(self, sha256s: Sequence[str]) -> list[int]:
        return [self.numbers.get(sha256, 0) for sha256 in sha256s]

    def for_upload(self, sha256: str) -> tuple[int, bool]:
        return self.numbers.get(sha256, 0), self.may_be_held

    def retire(self, sha256: str) -> int | None:
        self.numbers[sha256] = self.numbers.get(sha256, 0) + 1
        return self.numbers[sha256]

    def condemn(self, sha256: str, generation: int) -> bool:
        if self.numbers.get(sha256, 0) != generation:
            return False
        self.numbers[sha256] = generation + 1
        return True


class Pauses:
    """A monotonic clock that sleeping moves, and nothing else."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def memory_s3_store(
    s3: Any,
    folder: Path,
    clock: IClock,
    generations: IGenerations | None = None,
    *,
    part_size: int = S3Address.part_size,
    pauses: Pauses | None = None,
    cache: LocalCache | None = None,
    whole_bytes: int = WHOLE_BYTES,
) -> S3Store:
    """A store on a `MemoryS3`; `whole_bytes` is that of the cache."""
    waits = pauses or Pauses()
    calls = Calls(s3, s3, "bucket", S3Address.slowest, waits.now, waits.sleep)
    sender = Sender(calls, part_size, 2, whole_bytes)
    numbers = generations or MemoryGenerations()
    return S3Store(calls, Keys("files/"), sender, folder, clock, numbers, cache=cache)


def in_place_of(used: Any, store: S3Store, case: unittest.TestCase) -> None:
    """Have `used`, a store that the application has looked up for ever, do what `store` does, until the end
    of the test."""
    for interface in (IByteStore, IObservedStore):
        for name in set(interface) - {"partials"}:
            setattr(used, name, getattr(store, name))
            case.addCleanup(delattr, used, name)
    alsoProvides(used, IObservedStore)
    case.addCleanup(noLongerProvides, used, IObservedStore)
