"""A store that refuses, breaks off, loses answers or is away."""

import tempfile
import unittest
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from librarian.store.cache.fetching import ATTEMPTS
from librarian.store.cache.slices import SliceMap
from librarian.store.interfaces import BytesDamaged, BytesNotFound, StoreFull, StoreUnavailable
from librarian.store.s3.breaker import PAUSE_SECONDS, Breaker
from librarian.store.s3.sending import MIB, Sender
from librarian.store.s3.store import UNASKED_BYTES
from tests.store.support import HandClock, pattern
from tests.support.object_store import MemoryGenerations, MemoryS3, Pauses, memory_s3_store, refusal

CUT = ConnectionClosedError(endpoint_url="http://store")
SILENT = ReadTimeoutError(endpoint_url="http://store")
AWAY = [
    refusal("NoSuchBucket", 404),
    refusal("AccessDenied", 403),
    refusal("SignatureDoesNotMatch", 403),
    refusal("InternalError", 500),
    refusal("ServiceUnavailable", 503),
    CUT,
    SILENT,
]


class FaultTestCase(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder, self.pauses = Path(folder.name), Pauses()
        self.s3: Any = MemoryS3()
        self.store: Any = memory_s3_store(
            self.s3, self.folder, HandClock(), part_size=MIB, pauses=self.pauses
        )

    def put(self, data: bytes) -> str:
        sha256: str = self.store.put(BytesIO(data)).sha256
        return sha256

    def left(self) -> list[str]:
        return [path.name for path in (self.folder / "incoming").iterdir()]


class Away(FaultTestCase):
    def test_whatever_is_no_answer_is_unavailable_and_never_missing(self) -> None:
        sha256 = self.put(b"here")
        for error in AWAY:
            for ask in (self.store.open, self.store.size, self.store.verify, self.store.stored_at):
                with self.subTest(error=error, ask=ask.__name__):
                    self.s3.refusals = [error] * 4
                    self.assertRaises(StoreUnavailable, ask, sha256)
                    self.s3.refusals = []
                    self.pauses.time += PAUSE_SECONDS
                    self.assertTrue(ask(sha256))

    def test_a_missing_key_is_missing(self) -> None:
        for ask in (self.store.open, self.store.size, self.store.verify, self.store.stored_at):
            self.assertRaises(BytesNotFound, ask, "0" * 64)

    def test_a_head_of_a_lost_bucket_is_not_taken_for_a_missing_key(self) -> None:
        self.s3.refusals = [refusal("404", 404), refusal("NoSuchBucket", 404)]
        self.assertRaises(StoreUnavailable, self.store.size, "0" * 64)

    def test_what_passes_is_tried_again(self) -> None:
        self.s3.refusals = [refusal("404", 404), CUT, refusal("SlowDown", 503)]
        sha256 = self.put(b"in the end")
        self.assertEqual([sha256], list(self.store))
        self.assertLess(self.pauses.time, 1002)

    def test_a_body_that_was_changed_on_the_way_is_sent_again(self) -> None:
        self.s3.refusals = [refusal("404", 404), refusal("BadDigest", 400)]
        self.assertIn(self.put(b"sound"), self.store)

    def test_a_full_bucket(self) -> None:
        self.s3.refusals = [refusal("404", 404), refusal("QuotaExceeded", 403)]
        self.assertRaises(StoreFull, self.put, b"one too many")
        self.assertEqual([], self.left())

    def test_the_breaker_asks_no_more_until_its_pause_is_over(self) -> None:
        sha256 = self.put(b"here")
        self.s3.away = True
        for _failure in range(3):
            self.assertRaises(StoreUnavailable, self.store.size, sha256)
        asked = len(self.s3.calls)
        self.assertRaises(StoreUnavailable, self.store.size, sha256)
        self.assertEqual(asked, len(self.s3.calls))
        self.pauses.time += PAUSE_SECONDS
        self.assertRaises(StoreUnavailable, self.store.size, sha256)
        self.assertEqual(asked + 1, len(self.s3.calls))
        self.s3.away = False
        self.pauses.time += PAUSE_SECONDS
        self.assertEqual(4, self.store.size(sha256))

    def test_one_thread_tries_while_the_breaker_is_open(self) -> None:
        breaker = Breaker(self.pauses.now)
        for _failure in range(3):
            breaker.failed()
        self.pauses.time += PAUSE_SECONDS
        self.assertEqual([True, False, False], [breaker.admits() for _thread in range(3)])
        breaker.succeeded()
        self.assertTrue(breaker.admits())


class Reading(FaultTestCase):
    def test_an_answer_that_breaks_off_is_continued(self) -> None:
        data = pattern(3 * MIB)
        sha256 = self.put(data)
        self.s3.cut_after = [MIB + 17, 100, 0]
        with self.store.open(sha256) as file:
            self.assertEqual(data, file.read())

    def test_what_was_fetched_wrong_is_closed(self) -> None:
        sha256 = self.put(b"sound")
        (key,) = (key for key in self.s3.objects if key.startswith("files/bytes/"))
        self.s3.objects[key].data = b"wrong"
        spooled: list[Any] = []

        def spool() -> Any:
            spooled.append(BytesIO())
            return spooled[-1]

        self.store.spool = spool
        self.assertRaises(BytesDamaged, self.store.open, sha256)
        self.assertEqual([file.closed for file in spooled], [True] * ATTEMPTS)

    def test_not_with_the_bytes_of_another_object(self) -> None:
        data = pattern(3 * MIB)
        sha256 = self.put(data)
        self.s3.cut_after = [MIB]
        pieces = self.store.objects.get(sha256)
        next(pieces)
        (key,) = (key for key in self.s3.objects if key.startswith("files/bytes/"))
        self.s3.objects[key].data = data[::-1]
        with self.assertRaises(StoreUnavailable):
            list(pieces)

    def test_a_dripping_answer_is_given_up(self) -> None:
        sha256 = self.put(pattern(3 * MIB))
        pauses = self.pauses
        answered = self.s3._get_object

        class Dripping(BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                pauses.time += 1
                return super().read(100)

        self.s3.get_object = lambda **asked: {
            **answered(asked["Key"]),
            "Body": Dripping(pattern(3 * MIB)[:10_000]),
        }
        before = pauses.time
        self.assertRaises(StoreUnavailable, self.store.open, sha256)
        self.assertLess(pauses.time - before, 60)

    def test_ranges(self) -> None:
        sha256 = self.put(b"0123456789")
        for start, stop, expected in (
            (0, None, b"0123456789"),
            (3, 5, b"34"),
            (8, None, b"89"),
            (10, None, b""),
        ):
            self.assertEqual(expected, b"".join(self.store.objects.get(sha256, start, stop)))
        self.assertEqual(b"", b"".join(self.store.objects.get(self.put(b""))))


class Unasked(FaultTestCase):
    """Small bytes that no name has are sent in one call."""

    def setUp(self) -> None:
        super().setUp()
        self.generations = MemoryGenerations(may_be_held=False)
        self.store = memory_s3_store(self.s3, self.folder, HandClock(), self.generations)

    def put_calls(self, data: bytes) -> list[str]:
        self.s3.calls.clear()
        self.put(data)
        return [operation for operation, _key in self.s3.calls]

    def test_new_ones(self) -> None:
        self.assertEqual(self.put_calls(b"small"), ["put_object"])
        self.assertEqual(self.put_calls(pattern(UNASKED_BYTES + 1)), ["head_object", "put_object"])

    def test_those_that_an_upload_has_left_without_a_name(self) -> None:
        sha256 = self.put(b"small")
        (key,) = self.s3.objects
        self.s3.objects[key].data = b"smell"
        self.assertEqual(self.put_calls(b"small"), ["put_object"])
        self.assertEqual(list(self.s3.objects), [key])
        with self.store.open(sha256) as file:
            self.assertEqual(file.read(), b"small")

    def test_those_that_a_name_has(self) -> None:
        self.put(b"small")
        self.generations.may_be_held = True
        self.assertNotIn("put_object", self.put_calls(b"small"))


class InParts(FaultTestCase):
    DATA = pattern(5 * MIB + 1)

    def test_parts(self) -> None:
        sha256 = self.put(self.DATA)
        self.assertEqual(6, len(self.s3.named("upload_part")))
        with self.store.open(sha256) as file:
            self.assertEqual(self.DATA, file.read())

    def test_a_part_that_fails_ends_the_upload(self) -> None:
        uploaded = self.s3._upload_part

        def upload_part(Bucket: str, PartNumber: int, **others: Any) -> Any:
            if PartNumber == 4:
                raise refusal("InternalError", 500)
            return uploaded(PartNumber=PartNumber, **others)

        self.s3.upload_part = upload_part
        self.assertRaises(StoreUnavailable, self.put, self.DATA)
        self.assertEqual(({}, {}), (self.s3.uploads, self.s3.objects))
        self.assertEqual([], self.left())

    def test_a_completion_whose_answer_is_lost(self) -> None:
        completed = self.s3._complete_multipart_upload
        answers = [CUT]

        def complete(Bucket: str, **others: Any) -> Any:
            answer = completed(**others)
            if answers:
                raise answers.pop()
            return answer

        self.s3.complete_multipart_upload = complete
        self.assertIn(self.put(self.DATA), self.store)

    def test_an_upload_that_another_has_ended(self) -> None:
        completed = self.s3._complete_multipart_upload

        def complete(Bucket: str, **others: Any) -> Any:
            self.s3.uploads.clear()
            return completed(**others)

        self.s3.complete_multipart_upload = complete
        self.assertRaises(StoreUnavailable, self.put, self.DATA)

    def test_a_received_file_that_changes_on_the_disk_is_not_held(self) -> None:
        for size in (MIB // 2, 5 * MIB):
            receiving = self.store.receive()
            receiving.write(pattern(size))
            received = receiving.finish()
            (path,) = (self.folder / "incoming").iterdir()
            with path.open("r+b") as file:
                file.write(b"?")
            self.assertRaises(StoreUnavailable, self.store.keep, received)
            self.assertEqual({}, self.s3.objects)
            received.discard()

    def test_a_large_file_has_digests_of_its_slices_however_it_was_sent(self) -> None:
        edge = len(self.DATA)
        for part_size, whole_bytes in product((MIB, 8 * MIB), (edge - 1, edge)):
            store = memory_s3_store(
                MemoryS3(), self.folder, HandClock(), part_size=part_size, whole_bytes=whole_bytes
            )
            sha256 = store.put(BytesIO(self.DATA)).sha256
            kept = SliceMap(sha256, len(self.DATA)).stated(store.objects.slice_digests(sha256).load())
            self.assertEqual(len(kept.digests or ()), 2 if whole_bytes < edge else 0)

    def test_part_sizes_up_to_five_terabytes(self) -> None:
        sender = Sender(None, 64 * MIB, 4)  # type: ignore[arg-type]  # it is not asked
        for size in (1, 64 * MIB, 1 << 36, 1 << 40, 4 * 10**12):
            part = sender.part_size(size)
            self.assertLessEqual(-(-size // part), 1000)
            self.assertLessEqual(part, 5 << 30)
            self.assertEqual(0, part % MIB)
        self.assertRaises(StoreFull, sender.part_size, 6 * 10**12)
