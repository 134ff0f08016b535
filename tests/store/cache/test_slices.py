"""Objects that are fetched in slices: ranges cost what they touch, and the whole is judged in the end."""

import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from hashlib import sha256

from zope.event import subscribers

from librarian.store.cache.local import LocalCache
from librarian.store.cache.slices import MOST_SLICES, SLICE_BYTES, SliceMap, Slicing
from librarian.store.events import DamageSeen
from librarian.store.interfaces import BytesDamaged, BytesNotFound
from tests.store.cache.support import MIB, CacheTestCase, pattern

SIZE = 9 * MIB + 5  # three slices
SLICES = 3
DIGEST = "ab" * 32


class SlicesTestCase(CacheTestCase):
    keeps_digests = False  # the remote store, from the beginning

    def setUp(self) -> None:
        super().setUp()
        self.data = pattern(SIZE)
        put = self.remote.put_with_digests if self.keeps_digests else self.remote.put
        self.sha256 = put(self.data)

    def damage_sent(self, at: int) -> None:
        """Have the store send a wrong byte from now on."""
        wrong = bytearray(self.data)
        wrong[at] ^= 1
        self.remote.held[self.sha256] = bytes(wrong)

    def is_known(self) -> bool:
        """Whether the digests of the slices are."""
        self.cache.finish()
        found = self.cache._wholes.map_of(self.sha256)
        return found is not None and found.digests is not None


class Ranges(SlicesTestCase):
    keeps_digests = True

    def test_a_range_fetches_the_slices_it_touches(self) -> None:
        ranges = ((0, 1), (4 * MIB - 3, 6), (9 * MIB, 100), (SIZE, 10), (SIZE + 5, 1), (0, 0))
        for start, size in ranges:
            with self.subTest(start=start):
                self.assertEqual(self.read_at(self.sha256, start, size), self.data[start : start + size])
        self.assertEqual(self.remote.asked, ["size", "0-4", "4-8", "8-10"])

    def test_the_first_of_all_ranges_fetches_one_slice_only(self) -> None:
        self.assertEqual(self.read_at(self.sha256, 5 * MIB, 10), self.data[5 * MIB : 5 * MIB + 10])
        self.assertEqual(self.remote.asked, ["size", "4-8"])

    def test_another_process_fetches_nothing_of_what_is_there(self) -> None:
        self.read(self.sha256)
        self.remote.asked.clear()
        self.cache = self.another_cache()
        self.assertEqual(self.read(self.sha256), self.data)
        self.assertEqual(self.remote.asked, [])

    def test_it_is_a_file_like_others_but_without_a_descriptor(self) -> None:
        with self.open(self.sha256) as file:
            self.assertEqual(file.seek(-3, os.SEEK_END), SIZE - 3)
            self.assertEqual(file.read(), self.data[-3:])
            self.assertEqual(file.seek(-5, os.SEEK_CUR), SIZE - 5)
            self.assertEqual((file.seekable(), file.readable(), file.writable()), (True, True, False))
            self.assertRaises(io.UnsupportedOperation, file.fileno)
            self.assertRaises(ValueError, file.seek, -1)

    def test_many_readers_fetch_each_slice_once(self) -> None:
        caches = [self.cache, self.another_cache()]

        def read(turn: int) -> bytes:
            with self.open(self.sha256, caches[turn % 2]) as file:
                file.seek(turn * MIB)
                return file.read(MIB)

        with ThreadPoolExecutor(9) as pool:
            self.assertEqual(b"".join(pool.map(read, range(10))), self.data)
        fetched = [line for line in self.remote.asked if line != "size"]
        self.assertEqual(sorted(fetched), ["0-4", "4-8", "8-10"])

    def test_a_slice_that_is_evicted_under_its_reader_stays_readable_and_others_come_again(self) -> None:
        with self.open(self.sha256) as file:
            self.assertEqual(file.read(5), self.data[:5])
            self.cache.finish()
            self.another_cache(limit=0).trim()
            self.assertEqual(self.files("entries"), [])
            self.assertEqual(file.read(), self.data[5:])

    def test_an_object_larger_than_the_cache(self) -> None:
        self.cache = self.another_cache(limit=2 * MIB)
        self.assertEqual(self.read(self.sha256), self.data)
        self.cache.finish()
        self.cache.trim()
        held = [path.stat().st_size for path in (self.folder / "entries").rglob("*") if path.is_file()]
        self.assertLessEqual(sum(held), 2 * MIB)

    def test_forgetting_forgets_all_slices(self) -> None:
        self.read(self.sha256)
        self.cache.forget(self.sha256)
        self.assertEqual(self.files("entries"), [])

    def test_an_object_that_vanishes_while_it_is_read(self) -> None:
        with self.open(self.sha256) as file:
            file.read(1)
            self.remote.held.clear()
            with self.assertRaises(BytesNotFound):
                file.read()


class Verifying(SlicesTestCase):
    def test_a_wrong_whole_is_not_given_to_its_end_nor_kept(self) -> None:
        for at in (0, 5 * MIB, SIZE - 1):
            with self.subTest(at=at):
                self.damage_sent(at)
                given = bytearray()
                with self.assertRaises(BytesDamaged), self.open(self.sha256) as file:
                    while piece := file.read(MIB):
                        given += piece
                self.assertLessEqual(len(given), 2 * SLICE_BYTES)
                self.assertEqual(self.files("entries"), [])

    def test_once_the_whole_was_right_each_slice_is_checked_for_ever(self) -> None:
        self.read(self.sha256)
        self.assertTrue(self.is_known())
        for number in range(SLICES):
            self.entry(f"{self.sha256}.d/{number}").unlink()
        self.damage_sent(5 * MIB)
        self.assertEqual(self.read_at(self.sha256, 0, 5), self.data[:5])
        with self.assertRaises(BytesDamaged):
            self.read_at(self.sha256, 4 * MIB, 5)

    def test_the_first_range_has_the_whole_read_once_and_the_digests_kept(self) -> None:
        with self.assertLogs("librarian.store.cache.wholes", "WARNING") as logged:
            self.read_at(self.sha256, 5 * MIB, 1)
            self.assertTrue(self.is_known())
        self.assertIn(f"sha256={self.sha256} size={SIZE}", logged.output[0])
        self.assertEqual(self.remote.asked, ["size", "4-8", "0-"])
        kept = SliceMap(self.sha256, SIZE).stated(self.remote.digests[self.sha256])
        self.assertEqual(len(kept.digests or ()), SLICES)
        self.read_at(self.sha256, 0, 1)
        self.assertTrue(self.is_known())
        self.assertEqual(self.remote.asked, ["size", "4-8", "0-", "0-4"])

    def test_another_machine_need_not_read_the_whole(self) -> None:
        self.read(self.sha256)
        self.cache.finish()
        self.cache.forget(self.sha256)
        self.remote.asked.clear()
        self.read_at(self.sha256, 5 * MIB, 1)
        self.cache.finish()
        self.assertEqual(self.remote.asked, ["size", "4-8"])

    def test_one_process_of_a_machine_reads_the_whole(self) -> None:
        self.remote.gate.clear()
        caches = [self.cache, self.another_cache(), self.another_cache()]
        for cache in caches:
            slices = SliceMap(self.sha256, SIZE)
            read = partial(self.remote.get, self.sha256)
            cache._wholes.learn(slices, read, self.remote.digests_of(self.sha256))
        self.remote.gate.set()
        for cache in caches:
            cache.finish()
        self.assertEqual(self.remote.asked, ["0-"])

    def test_a_wrong_slice_that_was_given_is_dropped_when_the_whole_was_right(self) -> None:
        self.damage_sent(5 * MIB)
        wrong = self.remote.held[self.sha256]
        slices = SliceMap(self.sha256, SIZE)
        with self.open(self.sha256) as file:  # which the store has sent wrong this once
            file.seek(5 * MIB)
            self.assertEqual(file.read(1), wrong[5 * MIB :][:1])
            self.remote.held[self.sha256] = self.data
        self.cache.finish()
        self.assertFalse(self.entry(slices.name(1)).exists())
        self.assertEqual(self.read_at(self.sha256, 5 * MIB, 1), self.data[5 * MIB :][:1])

    def test_a_wrong_whole_is_told_and_forgotten_after_the_first_range(self) -> None:
        self.damage_sent(0)
        with damage_told() as told:
            self.read_at(self.sha256, 8 * MIB, 1)
            self.cache.finish()
        self.assertEqual((told, self.files("entries")), ([self.sha256], []))
        self.assertEqual(self.remote.digests, {})

    def test_a_store_that_is_away_meanwhile_is_asked_at_the_next_read(self) -> None:
        self.remote.refuses_wholes = True
        with self.assertLogs("librarian.store.cache.wholes", "WARNING") as logged:
            self.read_at(self.sha256, 5 * MIB, 1)
            self.assertFalse(self.is_known())
        self.assertIn("not verified", logged.output[-1])
        self.remote.refuses_wholes = False
        self.read_at(self.sha256, 5 * MIB, 1)
        self.assertTrue(self.is_known())

    def test_nothing_is_fetched_for_a_reader_who_read_nothing(self) -> None:
        self.read_at(self.sha256, 5 * MIB, 0)
        self.assertFalse(self.is_known())
        self.assertEqual(self.remote.asked, ["size"])

    def test_a_slice_that_rots_on_the_disk_is_fetched_again(self) -> None:
        self.read_at(self.sha256, 0, 1)
        path = self.entry(f"{self.sha256}.d/0")
        for wrong in (b"?" * path.stat().st_size, b""):
            with self.subTest(len(wrong)):
                path.write_bytes(wrong)
                self.cache = self.another_cache()
                self.assertEqual(self.read_at(self.sha256, 0, 5), self.data[:5])

    def test_a_list_of_digests_that_rots_is_asked_for_again(self) -> None:
        self.read(self.sha256)
        path = self.entry(f"{self.sha256}.d/digests")
        packed = path.read_bytes()
        for wrong in (b"", b"9437189\n", packed[:-1], bytes([packed[0] ^ 1]) + packed[1:]):
            with self.subTest(wrong[:8]):
                path.write_bytes(wrong)
                self.assertEqual(self.read_at(self.sha256, 5, 5), self.data[5:10])

    def test_short_slices_are_damage(self) -> None:
        self.remote.sent = lambda data: data[:-1]
        with self.assertRaises(BytesDamaged):
            self.read_at(self.sha256, 0, 5)


class FirstReads(SlicesTestCase):
    """Of objects whose digests the remote store has kept since they were stored."""

    keeps_digests = True

    def test_the_very_first_range_is_checked(self) -> None:
        self.damage_sent(5 * MIB)
        with damage_told() as told, self.assertRaises(BytesDamaged):
            self.read_at(self.sha256, 6 * MIB, 5)
        self.assertEqual(told, [self.sha256])
        self.assertEqual(self.read_at(self.sha256, 0, 5), self.data[:5])

    def test_a_store_that_sends_a_wrong_byte_once_is_asked_again(self) -> None:
        wrong = iter([True])
        self.remote.sent = lambda data: b"?" + data[1:] if next(wrong, False) else data
        with damage_told() as told:
            self.assertEqual(self.read_at(self.sha256, 6 * MIB, 5), self.data[6 * MIB :][:5])
        self.assertEqual(told, [])

    def test_digests_that_are_damaged_or_of_another_object_are_made_again(self) -> None:
        packed = self.remote.digests[self.sha256]
        other = self.remote.put_with_digests(pattern(5 * MIB))
        for wrong in (b"", packed[:-1], b"?" + packed[1:], self.remote.digests[other], packed[:7] + packed):
            with self.subTest(wrong[:8]):
                self.cache.forget(self.sha256)
                self.remote.digests[self.sha256] = wrong
                self.assertEqual(self.read_at(self.sha256, 5, 5), self.data[5:10])
                self.cache.finish()
                self.assertEqual(self.remote.digests[self.sha256], packed)


@contextmanager
def damage_told() -> Iterator[list[str]]:
    """The digests of which subscribers are told."""
    told: list[str] = []

    def take(event: object) -> None:
        if isinstance(event, DamageSeen):
            told.append(event.sha256)

    subscribers.append(take)
    try:
        yield told
    finally:
        subscribers.remove(take)


class Cutting(CacheTestCase):
    def test_digests_by_pieces_of_any_size(self) -> None:
        data = pattern(SIZE)
        expected = [sha256(data[at : at + SLICE_BYTES]).digest() for at in range(0, SIZE, SLICE_BYTES)]
        for step in (MIB + 1, SLICE_BYTES, SIZE, 3 * MIB):
            with self.subTest(step):
                slicing = Slicing(SliceMap(sha256(data).hexdigest(), SIZE))
                for at in range(0, SIZE, step):
                    slicing.update(data[at : at + step])
                found = slicing.found()
                self.assertEqual(found and list(found.digests or ()), expected)
        slicing.update(b"?")
        self.assertIsNone(slicing.found())

    def test_bounds_and_counts(self) -> None:
        for size, count in ((1, 1), (SLICE_BYTES, 1), (SLICE_BYTES + 1, 2), (SIZE, 3)):
            with self.subTest(size):
                cut = SliceMap(DIGEST, size)
                bounds = [cut.bounds(number) for number in range(cut.count)]
                self.assertEqual(len(bounds), count)
                self.assertEqual((bounds[0][0], bounds[-1][1]), (0, size))

    def test_the_largest_objects_have_larger_slices(self) -> None:
        cut = SliceMap(DIGEST, 5 << 40)
        self.assertLessEqual(cut.count, MOST_SLICES)
        self.assertEqual(cut.slice_bytes, 128 * MIB)

    def test_an_object_just_above_the_limit_goes_by_slices(self) -> None:
        cache = LocalCache(self.folder, 64 * MIB, whole_bytes=100)
        for size, files in ((100, 1), (101, 2)):
            sha256 = self.remote.put(pattern(size, size))
            with self.open(sha256, cache) as file:
                self.assertEqual(len(file.read()), size)
            cache.finish()
            found = [path for path in self.folder.glob(f"entries/*/{sha256}*/**/*") if path.is_file()]
            self.assertEqual(len(found) or 1, files)
