"""Sends a received file to the store, which checks what arrives."""

import base64
import hashlib
import io
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from errno import EFBIG, EIO
from typing import Any, BinaryIO

from librarian.interfaces import LibrarianError
from librarian.store import hashing
from librarian.store.cache.slices import WHOLE_BYTES, SliceMap, Slicing
from librarian.store.interfaces import StoredBytes, StoreFull, StoreUnavailable
from librarian.store.s3.address import LARGEST_PART
from librarian.store.s3.calls import Calls
from librarian.store.s3.interfaces import NoSuchKey

log = logging.getLogger(__name__)

MOST_PARTS = 900  # some stores take 1000; others 10,000
MIB = 1 << 20
AT_ONCE_BYTES = MIB  # of a body that is sent from memory: of a file boto3 first asks whether to send it
LOST = StoreUnavailable(EIO, "the byte store is unavailable: an upload in parts was lost")


class Sender:
    """`part_size` in bytes, for files that are not so large that they need larger ones; files of more than
    `whole_bytes` are read by slices (librarian.store.cache)."""

    def __init__(self, calls: Calls, part_size: int, parallel: int, whole_bytes: int = WHOLE_BYTES) -> None:
        self._calls = calls
        self._part_size = part_size
        self._parallel = parallel
        self._whole_bytes = whole_bytes

    def send(
        self, key: str, open_file: Callable[[], BinaryIO], found: StoredBytes, metadata: dict[str, str]
    ) -> SliceMap | None:
        """Put a file under a new key; return when the store has acknowledged all of it, with the digests of
        its slices if it is large.

        `open_file` is called once for each part that is sent at the same time.  Raises StoreFull and
        StoreUnavailable, also where the file is no longer what was received.
        """
        part_size = self.part_size(found.size)
        if found.size <= part_size:
            with open_file() as file:
                md5 = base64.b64encode(bytes.fromhex(found.md5)).decode()
                body: dict[str, Any] = {"Body": file, "ContentLength": found.size}
                if found.size <= AT_ONCE_BYTES:
                    body = {"Body": file.read()}
                self._calls.do("put_object", Key=key, Metadata=metadata, ContentMD5=md5, **body)
            return sliced(open_file, found) if found.size > self._whole_bytes else None
        in_parts = _InParts(self._calls, key, open_file, found, part_size)
        slices = in_parts.send(metadata, self._parallel)
        return slices if found.size > self._whole_bytes else None

    def part_size(self, size: int) -> int:
        """The size of the parts of a file; the file's own, or more, where it is sent as a whole."""
        if size > MOST_PARTS * LARGEST_PART:
            raise StoreFull(EFBIG, "the byte store has no room: the file is larger than an object can be")
        needed = -(-size // MOST_PARTS)
        return max(self._part_size, -(-needed // MIB) * MIB)


class _InParts:
    def __init__(
        self, calls: Calls, key: str, open_file: Callable[[], BinaryIO], found: StoredBytes, part_size: int
    ) -> None:
        self._calls = calls
        self._key = key
        self._open_file = open_file
        self._found = found
        self._part_size = part_size

    def send(self, metadata: dict[str, str], parallel: int) -> SliceMap:
        upload = self._calls.do("create_multipart_upload", Key=self._key, Metadata=metadata)["UploadId"]
        try:
            return self._send_parts(upload, parallel)
        except BaseException as error:
            with suppress(LibrarianError):
                self._calls.do("abort_multipart_upload", Key=self._key, UploadId=upload)
            if isinstance(error, NoSuchKey):
                raise LOST from error
            raise

    def _send_parts(self, upload: str, parallel: int) -> SliceMap:
        numbers = range(1, -(-self._found.size // self._part_size) + 1)
        with ExitStack() as stack:
            threads = stack.enter_context(ThreadPoolExecutor(parallel + 1, "librarian-parts"))
            stack.callback(threads.shutdown, wait=True, cancel_futures=True)
            # The checksums of the parts are made anew, so the file is compared with its digest meanwhile.
            whole = threads.submit(sliced, self._open_file, self._found)
            parts = [threads.submit(self._send_part, upload, number) for number in numbers]
            sent = [part.result() for part in parts]
            slices = whole.result()
        self._complete(upload, sent)
        return slices

    def _send_part(self, upload: str, number: int) -> dict[str, Any]:
        start = (number - 1) * self._part_size
        size = min(self._part_size, self._found.size - start)
        with self._open_file() as file:
            part = Part(file, start, size)
            md5 = base64.b64encode(part.md5()).decode()
            parameters = {"Body": part, "ContentLength": size, "ContentMD5": md5}
            answer = self._calls.do(
                "upload_part", Key=self._key, UploadId=upload, PartNumber=number, **parameters
            )
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def _complete(self, upload: str, parts: list[dict[str, Any]]) -> None:
        try:
            self._calls.do_patiently(
                "complete_multipart_upload",
                Key=self._key,
                UploadId=upload,
                MultipartUpload={"Parts": parts},
            )
        except NoSuchKey:
            # Completed before, by a try whose answer was lost?
            try:
                size = self._calls.do("head_object", Key=self._key)["ContentLength"]
            except NoSuchKey:
                size = -1
            if size != self._found.size:
                raise LOST from None


def sliced(open_file: Callable[[], BinaryIO], found: StoredBytes) -> SliceMap:
    """The digests of a file's slices.  Raises StoreUnavailable unless the whole still has its digest."""
    slicing = Slicing(SliceMap(found.sha256, found.size))
    with open_file() as file:
        for chunk in hashing.read_chunks(file):
            slicing.update(chunk)
    slices = slicing.found()
    if slices is None:
        raise StoreUnavailable(EIO, "the byte store is unavailable: a received file has changed")
    return slices


class Part(io.RawIOBase):
    """A part of a file, which it does not close: `size` bytes from `start`."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        super().__init__()
        self._file = file
        self._start = start
        self._size = size
        self._position = 0

    def md5(self) -> bytes:
        """The MD5 of the part, raw."""
        digest = hashlib.md5(usedforsecurity=False)
        self.seek(0)
        while piece := self.read(MIB):
            digest.update(piece)
        self.seek(0)
        return digest.digest()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(base + offset, 0)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        left = max(self._size - self._position, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        self._file.seek(self._start + self._position)
        data = self._file.read(wanted)
        self._position += len(data)
        return data
